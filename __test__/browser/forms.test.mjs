// What a flow or a pause asks for becomes a form, and what was filled in becomes JSON of the types that were asked for.

import { expect, test } from 'vitest';

import { json } from '../client/support.mjs';
import { inspect, kitPage, openKit, openWatched, run, shows, status } from './kit.mjs';

const page = kitPage('18');

/** A run that waits at the pause `contextId`, which asks for `inputFormat`. */
const pausedAt = (contextId, inputFormat, responseStructure = []) =>
  run('paused', {
    paused: { contextId, kind: 'human', pausedAt: null, resumeAt: null },
    output: { data: { operation: 'human', inputFormat, responseStructure } },
  });

const told = (paused) => status('paused', paused.paused.contextId, paused);

/** A window with the card of a run that waits for `inputFormat`. */
const openForm = (inputFormat, options) =>
  openWatched(page, [told(pausedAt('c-1', inputFormat))], { resumed: run('running'), ...options });

const send = (card) => card.getByRole('button', { name: 'Send answer' }).click();

const isFocused = (field) => field.evaluate((element) => element === document.activeElement);

test('each type is sent as what it is, and what was left blank is left out', async () => {
  const { window, card, resumes } = await openForm([
    { name: 'title', type: 'string', required: true },
    { name: 'note', type: 'string' },
    { name: 'count', type: 'number' },
    { name: 'none', type: 'number' },
    { name: 'ok', type: 'boolean' },
    { name: 'unset', type: 'boolean' },
    { name: 'more', type: 'object' },
    { name: 'list', type: 'array' },
    { name: 'papers', type: 'file[]' },
    { name: 'day', type: 'date' },
    { name: 'plain' },
  ]);
  await card.getByLabel('title').fill('a "title"');
  await card.getByLabel('note').fill('  \n');
  await card.getByLabel('count').fill('-1.5e3');
  await card.getByRole('group', { name: 'ok' }).getByLabel('No').check();
  await card.getByLabel('more').fill('{"a": [1]}');
  await card.getByLabel('list').fill('[1, "2"]');
  await card.getByLabel('papers').fill('[]');
  await card.getByLabel('day').fill('2026-01-01');
  await card.getByLabel('plain').fill('x');
  await inspect(window, 'form-types');
  await send(card);
  await shows(card, 'Running');
  expect(resumes()).toEqual([
    {
      input: {
        title: 'a "title"',
        count: -1500,
        ok: false,
        more: { a: [1] },
        list: [1, '2'],
        papers: [],
        day: '2026-01-01',
        plain: 'x',
      },
      contextId: 'c-1',
    },
  ]);
});

test("a field begins with the value that its author gave it, and an empty one is the reader's choice", async () => {
  const { window, card, resumes } = await openForm([
    { name: 'text', type: 'string', value: 'as it was' },
    { name: 'gone', type: 'string', value: 'not wanted' },
    { name: 'count', type: 'number', value: 3 },
    { name: 'asText', type: 'number', value: '4' },
    { name: 'on', type: 'boolean', value: true },
    { name: 'off', type: 'boolean', value: 'false' },
    { name: 'more', type: 'object', value: { a: 1 } },
    { name: 'list', type: 'array', value: '[1]' },
    { name: 'none', type: 'string', value: null },
  ]);
  await card.getByLabel('gone').fill('');
  await inspect(window, 'form-values');
  await send(card);
  await shows(card, 'Running');
  expect(resumes()[0].input).toEqual({
    text: 'as it was',
    count: 3,
    asText: 4,
    on: true,
    off: false,
    more: { a: 1 },
    list: [1],
  });
});

test('what is no JSON, no object, or blank where something has to be, is said at the field; the first one gets the focus', async () => {
  const { window, card, resumes } = await openForm([
    { name: 'fine', type: 'string' },
    { name: 'reason', type: 'string', required: true },
    { name: 'more', type: 'object' },
    { name: 'list', type: 'array' },
  ]);
  const [reason, more, list] = ['reason', 'more', 'list'].map((name) => card.getByLabel(name));
  await reason.fill('   ');
  await more.fill('[1]');
  await list.fill('[1');
  await send(card);
  await card.getByText('This has to be filled in.').waitFor();
  await card.getByText('This is not a JSON object.').waitFor();
  await card.getByText('This is not valid JSON.').waitFor();
  expect(await isFocused(reason)).toBe(true);
  expect(await reason.getAttribute('aria-invalid')).toBe('true');
  const described = await list.getAttribute('aria-describedby');
  expect(await window.locator(`[id="${described}"]`).textContent()).toBe('This is not valid JSON.');
  await inspect(window, 'form-problems');

  await reason.fill('because');
  await more.fill('{}');
  await send(card);
  await card.getByText('This is not a JSON object.').waitFor({ state: 'detached' });
  expect(await isFocused(list)).toBe(true);
  expect(resumes()).toEqual([]);

  await list.fill('[1]');
  await send(card);
  await shows(card, 'Running');
  expect(resumes()[0].input).toEqual({ reason: 'because', more: {}, list: [1] });
});

test('a pause whose form is not known takes any JSON object, or none', async () => {
  const unknown = run('paused', { paused: { contextId: 'c-1', kind: 'human', pausedAt: null, resumeAt: null } });
  const { window, card, say, resumes } = await openWatched(page, [told(unknown)], { resumed: run('running') });
  const answer = card.getByLabel('Answer', { exact: true });
  for (const [text, problem] of [
    ['{"a": 1', 'This is not valid JSON.'],
    ['[1]', 'This is not a JSON object.'],
    ['null', 'This is not a JSON object.'],
    ['"a"', 'This is not a JSON object.'],
  ]) {
    await answer.fill(text);
    await card.getByRole('button', { name: 'Send answer' }).focus();
    await window.keyboard.press('Enter');
    await card.getByText(problem).waitFor();
    expect(await isFocused(answer)).toBe(true);
  }
  await inspect(window, 'form-any');
  await answer.fill('{"a": 1}');
  await send(card);
  await shows(card, 'Running');
  say(told({ ...unknown, paused: { ...unknown.paused, contextId: 'c-2' } }));
  await send(card);
  await expect.poll(resumes).toEqual([
    { input: { a: 1 }, contextId: 'c-1' },
    { input: {}, contextId: 'c-2' },
  ]);
});

test('the next pause gets a form of its own, and its answer', async () => {
  const asked = [{ name: 'comment', type: 'string' }];
  const { card, say, resumes } = await openWatched(page, [told(pausedAt('c-1', asked))], { resumed: run('running') });
  await card.getByLabel('comment').fill('meant for the first');
  say(told(pausedAt('c-2', [{ ...asked[0], value: 'as given' }])));
  await expect.poll(() => card.getByLabel('comment').inputValue()).toBe('as given');
  await send(card);
  await shows(card, 'Running');
  expect(resumes()).toEqual([{ input: { comment: 'as given' }, contextId: 'c-2' }]);
});

test('a form that becomes known later takes the place of the one for anything', async () => {
  const { output: _none, ...unknown } = pausedAt('c-1', []);
  const { card, say, resumes } = await openWatched(page, [told({ ...unknown, output: null })], {
    resumed: run('running'),
  });
  await card.getByLabel('Answer', { exact: true }).fill('not for long');
  say(status('paused', 'known', pausedAt('c-1', [{ name: 'answer', type: 'string', value: 'yes' }])));
  await card.getByLabel('answer', { exact: true }).waitFor();
  await send(card);
  await shows(card, 'Running');
  expect(resumes()[0].input).toEqual({ answer: 'yes' });
});

test('fields may have any name', async () => {
  const names = ['constructor', '__proto__', 'toString', 'field-0'];
  const { card, resumes } = await openForm(names.map((name) => ({ name, type: 'string', label: `label ${name}.` })));
  for (const name of names) await card.getByLabel(`label ${name}.`).fill(`is ${name}`);
  await send(card);
  await shows(card, 'Running');
  expect(Object.entries(resumes()[0].input)).toEqual(names.map((name) => [name, `is ${name}`]));
});

test('a run that waits for a time asks nobody, and says when it goes on', async () => {
  const resumeAt = '2031-05-04T10:00:00.000Z';
  const paused = run('paused', { paused: { contextId: 'c-1', kind: 'time', pausedAt: null, resumeAt } });
  const { window, card } = await openWatched(page, [told(paused)], {});
  await card.getByText(/Goes on by itself at .*2031/).waitFor();
  await shows(card, 'Waiting');
  expect(await card.getByText('Waiting for an answer').count()).toBe(0);
  expect(await card.getByRole('form').count()).toBe(0);
  await card.getByRole('button', { name: 'Cancel' }).waitFor();
  await inspect(window, 'paused-time');
});

test('a language with an underscore is a language', async () => {
  const resumeAt = '2031-05-04T10:00:00.000Z';
  const paused = run('paused', { paused: { contextId: 'c-1', kind: 'time', pausedAt: null, resumeAt } });
  const { card } = await openWatched(page, [told(paused)], { query: '?watch=run-1&locale=de_AT' });
  await card.getByText(/Geht um .*2031/).waitFor();
  expect(await card.getAttribute('lang')).toBe('de-AT');
});

test('a flow is started with what its fields make', async () => {
  const flow = { id: 'flow-1', name: 'Order', description: null, deployed: true };
  const inputs = [
    { name: 'amount', type: 'number' },
    { name: 'items', type: 'array' },
  ];
  const { window, sent } = await openKit(page, {
    'GET /flows': json(200, { flows: [flow], nextCursor: null }),
    'GET /flows/flow-1': json(200, { flow: { ...flow, inputs } }),
  });
  await window.getByLabel('Flow', { exact: true }).selectOption('Order');
  await window.getByLabel('amount').fill('2');
  await window.getByLabel('items').fill('nothing');
  await window.getByRole('button', { name: 'Start' }).click();
  await window.getByText('This is not valid JSON.').waitFor();
  expect(await isFocused(window.getByLabel('items'))).toBe(true);
  expect(sent('POST /flows/flow-1/run')).toEqual([]);
  await window.getByLabel('items').fill('["a"]');
  await window.getByRole('button', { name: 'Start' }).click();
  await expect
    .poll(() => sent('POST /flows/flow-1/run').map(({ input }) => input))
    .toEqual([{ amount: 2, items: ['a'] }]);
});

test.each([
  ['by the block that failed', { blockName: 'Work' }, 'Work: Line 1 - boom'],
  ['without one that is not known', {}, 'Line 1 - boom'],
])('a failed run says why, %s', async (_name, more, text) => {
  const error = { message: 'Line 1 - boom', code: 'BLOCK_EXECUTION_FAILED', ...more };
  const endedAt = '2026-01-01T00:01:05.000Z';
  const { window, card } = await openWatched(page, [status('failed', 'f', { error, endedAt })], {});
  await shows(card, 'Failed');
  await card.getByRole('timer', { name: 'Time 1:05' }).waitFor();
  expect(await card.locator('.sim-problem').textContent()).toBe(text);
  await inspect(window, `failed-${more.blockName ? 'block' : 'plain'}`);
});
