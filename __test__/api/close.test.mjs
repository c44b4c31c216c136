// close(): what is under way may end, what is new is refused, and then nothing is left.

import { expect, it } from 'vitest';
import { refusal, startAll } from '../http/support.mjs';

it('waits for what is under way, and refuses what is new', async () => {
  const { sim, adapter, call } = await startAll(['echo'], { sim: { runMs: 100 } });
  const running = adapter.runFlow('echo', { mode: 'sync' });
  await sim.waitFor('run');
  const closed = adapter.close({ drainMs: 10_000 });
  await expect(adapter.health()).rejects.toMatchObject({ code: 'shutting_down', status: 503, retryAfterMs: 1000 });
  const refused = await call('GET', '/flows', { headers: { 'x-request-id': 'late' } });
  expect([...refusal(refused), refused.json.error.requestId]).toEqual([503, 'shutting_down', 'late']);
  expect((await running).run.status).toBe('completed');
  await closed;
  await expect(adapter.health()).rejects.toMatchObject({ code: 'shutting_down' });
});

it('ends what takes longer than drainMs with shutting_down, in Sim too', async () => {
  const { sim, adapter, call } = await startAll(['echo']);
  sim.addFault({ kind: 'hang' });
  const calls = [
    adapter.getFlow('echo', { requestId: 'mine' }).catch((error) => [error.code, error.requestId]),
    call('GET', '/flows/echo', { headers: { 'x-request-id': 'theirs' } }).then(({ json: { error } }) => [
      error.code,
      error.requestId,
    ]),
  ];
  await sim.waitFor('request', () => sim.requests.length === 2);
  await adapter.close({ drainMs: 20 });
  expect(await Promise.all(calls)).toEqual([
    ['shutting_down', 'mine'],
    ['shutting_down', 'theirs'],
  ]);
  await sim.waitFor('abort');
});

it('resolves for everybody who asks', async () => {
  const { adapter } = await startAll();
  await Promise.all([adapter.close(), adapter.close({ drainMs: 0 }), adapter.close()]);
  await adapter.close();
});

it('lets an aborted call go at once', async () => {
  const { sim, adapter } = await startAll(['echo']);
  sim.addFault({ kind: 'hang' });
  const controller = new AbortController();
  const call = adapter.getFlow('echo', { signal: controller.signal }).catch(({ name }) => name);
  await sim.waitFor('request');
  const closed = adapter.close({ drainMs: 600_000 });
  controller.abort();
  await closed;
  expect(await call).toBe('AbortError');
});

it.each([-1, 1.5, Number.NaN, '5', 2 ** 32])('refuses a drainMs that is %s', async (drainMs) => {
  const { adapter } = await startAll();
  await expect(adapter.close({ drainMs })).rejects.toThrow(TypeError);
  expect((await adapter.health()).ok).toBe(true);
});
