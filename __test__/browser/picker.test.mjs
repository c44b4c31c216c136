// The list of flows to choose from: empty, in pages, and no longer as it was.

import { expect, test } from 'vitest';

import { json } from '../client/support.mjs';
import { inspect, kitPage, openKit } from './kit.mjs';

const page = kitPage('18');

const flow = (id) => ({ id, name: `Flow ${id}`, description: null, deployed: true });
const list = (...ids) => json(200, { flows: ids.map(flow), nextCursor: null });
const created = json(201, { flow: { id: 'new', name: 'Flow new', url: null } });

const create = (window) => window.evaluate(() => globalThis.simClient.createFlow({ name: 'Flow new' }));
const options = (window) => window.getByRole('option').allTextContents();

test('a flow that another part of the page creates is there to be chosen', async () => {
  let flows = list();
  const { window } = await openKit(page, {
    'GET /flows': (res) => flows(res),
    'POST /flows/create': (res) => {
      flows = list('new');
      created(res);
    },
  });
  await window.getByText('No flow is deployed.').waitFor();
  await inspect(window, 'no-flows');
  await create(window);
  await expect.poll(() => options(window)).toEqual(['Choose a flow', 'Flow new']);
  expect(await window.getByText('No flow is deployed.').count()).toBe(0);
});

test('what was chosen from a later page stays chosen when the list is read again', async () => {
  const first = json(200, { flows: [flow('a')], nextCursor: 'next' });
  const { window } = await openKit(page, {
    'GET /flows': (res, { query }) => (query.cursor ? list('b') : first)(res),
    'GET /flows/b': json(200, { flow: { ...flow('b'), inputs: [{ name: 'message', type: 'string' }] } }),
    'POST /flows/create': created,
  });
  const more = window.getByRole('button', { name: 'More flows' });
  await more.click();
  const picker = window.getByLabel('Flow', { exact: true });
  await picker.selectOption('Flow b');
  await window.getByLabel('message').fill('typed');
  expect(await more.count()).toBe(0);
  await create(window);
  await more.waitFor();
  expect(await picker.inputValue()).toBe('b');
  expect(await options(window)).toEqual(['Choose a flow', 'Flow a', 'Flow b']);
  expect(await window.getByLabel('message').inputValue()).toBe('typed');
});

test('a list that cannot be read says so, and can be asked for again', async () => {
  const busy = { error: { code: 'upstream_busy', message: 'no', requestId: 'r-1' } };
  let flows = json(503, busy, { 'retry-after': '2' });
  const { window } = await openKit(page, { 'GET /flows': (res) => flows(res) });
  const alert = window.getByRole('alert');
  await alert.getByText('Sim is busy.').waitFor();
  await alert.getByText('Try again in 2 s.').waitFor();
  await inspect(window, 'flows-error');
  flows = list('a');
  await alert.getByRole('button', { name: 'Try again' }).click();
  await expect.poll(() => options(window)).toEqual(['Choose a flow', 'Flow a']);
  expect(await alert.count()).toBe(0);
});
