// Hints from a fork of Sim: its events make watchers look, and are not believed.

import { once } from 'node:events';
import { createServer } from 'node:http';
import { listenToSim } from '@sigmacode/sim-adapter';
import { Server } from 'socket.io';
import { io } from 'socket.io-client';
import { expect, it } from 'vitest';
import { atEnd, startAll } from '../http/support.mjs';
import { start, watch } from '../live/support.mjs';

/** A fork's Socket.io server with a client of it. */
async function startFork() {
  const http = createServer().listen(0, '127.0.0.1');
  await once(http, 'listening');
  const server = new Server(http);
  atEnd(() => server.close());
  const socket = io(`http://127.0.0.1:${http.address().port}`, { auth: { token: 't' }, transports: ['websocket'] });
  atEnd(() => socket.disconnect());
  await once(socket, 'connect');
  return { server, socket };
}

it('an event of a run makes its watchers look at once; others do nothing', async () => {
  const { server, socket } = await startFork();
  const { sim, adapter, host } = await startAll(['wait']);
  const watched = await watch(host, await start(host, 'wait'));
  await watched.until('status', ({ run }) => run.status === 'running');
  const reads = () => sim.requests.filter(({ method, path }) => method === 'GET' && path.includes('/runs/')).length;
  // The poller has become slow: it would not look twice within a second by itself.
  const events = { 'run-updated': { run: 'data.executionId', flow: 'data.workflowId' } };
  const stop = listenToSim(socket, { adapter, events });
  const soon = (expected) => expect.poll(reads, { timeout: 1000, interval: 5 }).toBeGreaterThanOrEqual(expected);
  await expect.poll(reads, { timeout: 10_000 }).toBeGreaterThanOrEqual(6);
  let before = reads();
  server.emit('run-updated', { data: { executionId: sim.runs[0].id, status: 'completed' } });
  await soon(before + 2);
  await expect.poll(reads, { timeout: 10_000 }).toBeGreaterThanOrEqual(before + 6);
  before = reads();
  server.emit('run-updated', { data: { workflowId: 'wait' } });
  await soon(before + 2);
  // What names nothing, or is nothing, is passed over; the last word shows that it was heard.
  for (const data of [undefined, null, 'x', 7, {}, { data: { executionId: 7 } }]) server.emit('run-updated', data);
  stop();
  server.emit('last');
  await once(socket, 'last');
  expect(socket.listeners('run-updated')).toEqual([]);
  expect(await adapter.health()).toMatchObject({ ok: true });
});

it('only an adapter can be given', () => {
  expect(() => listenToSim({}, { adapter: {}, events: {} })).toThrow('adapter must be a SimAdapter');
});
