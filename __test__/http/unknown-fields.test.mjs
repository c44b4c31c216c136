// What a hostile or unlucky body and a failing Sim cost: a refusal is cheap, and a failure is shared.

import { expect, test } from 'vitest';

import { fieldPaths, refusal, startAll } from './support.mjs';

test('a body of a hundred thousand unknown fields is refused in one short answer, and holds nobody up', async () => {
  const { call } = await startAll(['echo'], { host: { before: [] } });
  const fields = Array.from({ length: 100_000 }, (_, number) => [`f${number}`, 1]);
  const answered = [];
  const [hostile] = await Promise.all([
    call('POST', '/flows/create', { body: Object.fromEntries(fields) }).finally(() => answered.push('hostile')),
    call('GET', '/flows/echo', { user: 'bob' }).finally(() => answered.push('other')),
  ]);
  expect(refusal(hostile)).toEqual([400, 'invalid_request']);
  expect(fieldPaths(hostile)).toEqual(['']);
  expect(hostile.text.length).toBeLessThan(500);
  expect(answered).toHaveLength(2);
});

test('a list that cannot be read is asked for once, whoever waits for it', async () => {
  const { sim, call } = await startAll(['echo']);
  sim.addFault({ kind: 'status', status: 500, body: { error: 'x' }, latency: 50 });
  const answers = await Promise.all(Array.from({ length: 30 }, () => call('GET', '/flows')));
  expect(new Set(answers.map((answer) => refusal(answer).join(' ')))).toEqual(new Set(['502 upstream_error']));
  // Those who came while one read was failing share its outcome; a few may have come after it.
  expect(sim.requests.length).toBeLessThan(30);
});
