// A client that goes away: what it waited for is given up, what it started goes on.

import { expect, it } from 'vitest';
import { startAll, call as to } from './support.mjs';

/** A call that is given up as soon as Sim has read its request. */
async function abandoned(sim, host, method, path, body) {
  const client = new AbortController();
  const asked = new Promise((resolve) => sim.once('request', resolve));
  const answer = to(host, method, path, { body, signal: client.signal }).catch((error) => error.name);
  const request = await asked;
  client.abort();
  expect(await answer).toBe('AbortError');
  return request;
}

it('its read of a status is cancelled in Sim too', async () => {
  const { sim, host, call } = await startAll(['wait']);
  const { id } = (await call('POST', '/flows/wait/run')).json.run;
  sim.addFault({ kind: 'hang', method: 'GET', times: 1 });
  const request = await abandoned(sim, host, 'GET', `/runs/${id}/status`);
  const abort = await sim.waitFor('abort');
  expect(abort.request.path).toBe(request.path);
  expect((await call('GET', `/runs/${id}/status`)).json.run.status).toBe('running');
});

it('the run that it started goes on', async () => {
  const { sim, host } = await startAll(['echo']);
  sim.addFault({ kind: 'delay', ms: 5000, method: 'POST', path: /execute$/ });
  await abandoned(sim, host, 'POST', '/flows/echo/run', { input: { a: 1 } });
  await sim.waitFor('abort');
  const run = await sim.waitFor('status', ({ status }) => status === 'completed');
  expect(run.input).toEqual({ a: 1 });
});

it('a run in sync mode goes on, and is no longer asked for', async () => {
  const { sim, host } = await startAll(['wait']);
  sim.addFault({ kind: 'hang', method: 'GET', times: 1 });
  const client = new AbortController();
  const polled = sim.waitFor('request', ({ method }) => method === 'GET');
  const answer = to(host, 'POST', '/flows/wait/run', { body: { mode: 'sync' }, signal: client.signal }).catch(() => {});
  await polled;
  client.abort();
  await Promise.all([answer, sim.waitFor('abort')]);
  expect(sim.runs.map(({ status }) => status)).toEqual(['running']);
  expect(sim.requests.filter(({ path }) => path.includes('cancel'))).toEqual([]);
});

it('many at once leave nothing behind', async () => {
  const { sim, host, call, adapter } = await startAll(['echo']);
  const remove = sim.addFault({ kind: 'hang', method: 'GET' });
  const clients = Array.from({ length: 50 }, () => new AbortController());
  const answers = clients.map(({ signal }) => to(host, 'GET', '/flows/echo', { signal }).catch(({ name }) => name));
  await sim.waitFor('request', () => sim.requests.length === 50);
  const gone = new Promise((resolve) => {
    let count = 0;
    sim.on('abort', () => {
      count += 1;
      if (count === 50) resolve();
    });
  });
  for (const client of clients) client.abort();
  expect(await Promise.all(answers)).toEqual(Array(50).fill('AbortError'));
  await gone;
  remove();
  expect((await call('GET', '/flows/echo')).status).toBe(200);
  // Nothing is under way any more: there is nothing to wait for.
  await adapter.close({ drainMs: 600_000 });
});
