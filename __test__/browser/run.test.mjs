// A person runs flows in a real browser: what they see from the start to the end of a run.

import { expect, test } from 'vitest';

import { cardOf, inspect, openAs, pick, recordTexts, shows, startHost } from './demo.mjs';

const start = (window) => window.getByRole('button', { name: 'Start' });

test('start, tokens, pause, answer, completed', async () => {
  const host = await startHost(['review']);
  const window = await openAs(host, 'ada');
  await window.getByRole('option', { name: 'Demo review' }).waitFor({ state: 'attached' });
  await inspect(window, 'flows');
  await pick(window, 'review', 'a word about otters');
  const statuses = await recordTexts(window, '.sim-badge');
  const texts = await recordTexts(window, '.sim-block > .sim-text');
  await start(window).click();

  const card = cardOf(window, 'review');
  await shows(card, 'Waiting for an answer');
  expect(await statuses()).toEqual(['Starting…', 'Running', 'Waiting for an answer']);
  const told = await texts();
  expect(told.at(-1)).toBe('You said: a word about otters');
  // Token after token, each text a longer beginning of the whole.
  expect(told.length).toBeGreaterThan(2);
  expect(told.every((text, index) => told.at(-1).startsWith(text) && (index === 0 || text > told[index - 1]))).toBe(
    true,
  );
  await card.getByRole('definition').filter({ hasText: 'You said: a word about otters' }).waitFor();
  await inspect(window, 'paused');

  await card.getByLabel('Yes').check();
  await card.getByLabel('comment').fill('fine');
  await card.getByRole('button', { name: 'Send answer' }).click();
  await shows(card, 'Completed');
  await card.getByText('Output').click();
  await card.getByText('"approved": true').waitFor();
  await inspect(window, 'completed');
});

test('a required answer that is missing stays with the person', async () => {
  const host = await startHost(['approve']);
  const window = await openAs(host, 'ada');
  await pick(window, 'approve');
  await start(window).click();
  const card = cardOf(window, 'approve');
  await shows(card, 'Waiting for an answer');
  await card.getByRole('button', { name: 'Send answer' }).click();
  expect(await card.getByLabel('Yes').evaluate((radio) => radio.validity.valueMissing)).toBe(true);
  expect(host.sim.requests.filter(({ path }) => path.endsWith('/resume'))).toEqual([]);
});

test.each(['Stream', 'In the background'])('cancel stops the run in Sim and keeps the focus: %s', async (mode) => {
  const host = await startHost(['wait']);
  const window = await openAs(host, 'ada');
  await window.getByLabel(mode).check();
  await pick(window, 'wait');
  await start(window).click();
  const card = cardOf(window, 'wait');
  await shows(card, 'Running');
  const dot = card.locator('.sim-badge');
  expect(await dot.evaluate((badge) => getComputedStyle(badge, '::before').animationName)).toBe('sim-pulse');
  await inspect(window, `running-${mode === 'Stream' ? 'stream' : 'background'}`);
  await card.getByRole('button', { name: 'Cancel' }).click();
  await shows(card, 'Cancelled');
  await host.sim.waitFor('status', ({ status }) => status === 'cancelled');
  await expect.poll(() => card.evaluate((element) => element === document.activeElement)).toBe(true);
  expect(host.sim.runs).toHaveLength(1);
});

test('a flow that fails says why', async () => {
  const host = await startHost(['fail']);
  const window = await openAs(host, 'ada');
  await pick(window, 'fail');
  await start(window).click();
  const card = cardOf(window, 'fail');
  await shows(card, 'Failed');
  await card.getByText('boom').waitFor();
  await inspect(window, 'failed');
});

test('a Sim that breaks down is an error with the request id', async () => {
  const host = await startHost(['echo']);
  const window = await openAs(host, 'ada');
  await pick(window, 'echo');
  host.sim.addFault({ kind: 'html', path: /execute$/ });
  const [response] = await Promise.all([window.waitForResponse('**/run'), start(window).click()]);
  const alert = cardOf(window, 'echo').getByRole('alert');
  await alert.getByText('Sim answered with an error.').waitFor();
  await alert.getByText(response.headers()['x-request-id']).waitFor();
  await inspect(window, 'error');
});

test('a double click starts one run', async () => {
  const host = await startHost(['wait']);
  const window = await openAs(host, 'ada');
  await pick(window, 'wait');
  await start(window).dblclick();
  await shows(cardOf(window, 'wait'), 'Running');
  expect(host.sim.runs).toHaveLength(1);
});

test('a draft made in Sim can be run at once, and what was chosen before stays chosen', async () => {
  const host = await startHost(['wait']);
  const window = await openAs(host, 'ada');
  await pick(window, 'wait', 'not lost');
  await window.getByLabel('Start from').selectOption('2');
  await window.getByRole('button', { name: 'Create as draft in Sim' }).click();
  await window.getByText('Draft created: Demo echo.').waitFor();
  await window.getByRole('option', { name: 'Demo echo' }).waitFor({ state: 'attached' });
  expect(await window.getByLabel('message').inputValue()).toBe('not lost');
  await pick(window, 'echo', 'made here');
  await start(window).click();
  const card = cardOf(window, 'echo');
  await shows(card, 'Completed');
  await card.getByText('made here').waitFor();
});
