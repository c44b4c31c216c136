// The page's socket may lead to a server that knows nothing of runs, and a run may be refused over it. What the gateway does
// with those it knows is tested with the gateway.

import { once } from 'node:events';

import { createClient } from '@sigmacode/sim-adapter/client';
import { Server } from 'socket.io';
import { io } from 'socket.io-client';
import { afterEach, expect, test } from 'vitest';

import { all, QUICK, serve, status, stream, told } from './support.mjs';

const closers = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A page at a host with a real Socket.io server that does what `accept` does: the client, its socket, the HTTP requests. */
async function page(accept, { answers = [stream([status('completed')])], timing, refresh = async () => 't' } = {}) {
  const host = await serve(...answers);
  const server = new Server(host.server);
  server.on('connection', (socket) => accept?.(socket));
  closers.push(() => server.disconnectSockets(true));
  const socket = io(new URL(host.baseUrl).origin, { transports: ['websocket'], reconnectionDelay: 10 });
  closers.push(() => socket.disconnect());
  await once(socket, 'connect');
  const options = { baseUrl: host.baseUrl, getToken: () => 't', refresh, socket };
  const client = createClient({ ...options, timing: { ...QUICK, silentMs: 200, ...timing } });
  return { client, socket, server, requests: host.requests };
}

test.each([
  ['does not answer', undefined],
  ['answers with something else', (socket) => socket.on('sim:join', (_request, ack) => ack('what?'))],
  ['answers with nothing', (socket) => socket.on('sim:join', (_request, ack) => ack())],
])('a server that %s is asked once, and runs come by event streams', async (_name, accept) => {
  const { client, requests } = await page(accept);
  const events = await all(client.watchRun('run-1'));
  expect(told(events)).toEqual(['status completed']);
  // For a person nothing was lost.
  expect(events.filter(({ state }) => state === 'lost')).toEqual([]);
  expect(requests.map(({ url }) => url)).toEqual(['/api/sim/runs/run-1/events']);
});

test('whoever was not answered does not ask again for the next run, until the socket has connected anew', async () => {
  const joins = [];
  const { client, socket, server } = await page((peer) => peer.on('sim:join', ({ run }) => joins.push(run)));
  await all(client.watchRun('run-1'));
  await all(client.watchRun('run-2'));
  expect(joins).toEqual(['run-1']);
  const again = once(socket, 'connect');
  for (const peer of server.of('/').sockets.values()) peer.conn.close();
  await again;
  await all(client.watchRun('run-3'));
  expect(joins).toEqual(['run-1', 'run-3']);
});

test('a server that refuses the connection leaves runs to event streams', async () => {
  const host = await serve(stream([status('completed')]));
  const server = new Server(host.server);
  server.use((_socket, next) => next(new Error('Authentication required')));
  const socket = io(new URL(host.baseUrl).origin, { transports: ['websocket'] });
  closers.push(() => socket.disconnect());
  await once(socket, 'connect_error');
  const options = { baseUrl: host.baseUrl, getToken: () => 't', refresh: async () => 't', socket };
  const client = createClient({ ...options, timing: { ...QUICK, silentMs: 200 } });
  expect(told(await all(client.watchRun('run-1')))).toEqual(['status completed']);
});

test('a stream that takes the place of the socket renews its token without touching the socket', async () => {
  const unauthorized = (res) => res.writeHead(401).end();
  const { client, socket } = await page(undefined, { answers: [unauthorized, stream([status('completed')])] });
  const { id } = socket;
  expect(told(await all(client.watchRun('run-1')))).toEqual(['status completed']);
  expect(socket.id).toBe(id);
});

test('a refused join is tried again, but not before the server wants it', async () => {
  const error = { code: 'rate_limited', message: 'slowly', requestId: 'r', retryAfterMs: 60_000 };
  const { client, requests } = await page((socket) => socket.on('sim:join', (_request, ack) => ack({ error })));
  const { value } = await client.watchRun('run-1').next();
  expect(value).toMatchObject({ type: 'connection', state: 'lost', error: { code: 'rate_limited', requestId: 'r' } });
  expect(value.retryInMs).toBe(60_000);
  expect(requests).toEqual([]);
});

test('an error that ends the events is waited for, too', async () => {
  const error = { code: 'upstream_busy', message: 'later', requestId: 'r', retryAfterMs: 60_000 };
  const { client } = await page((socket) =>
    socket.on('sim:join', ({ run }, ack) => {
      ack({ ok: true });
      socket.emit('sim:event', { run, event: 'error', data: { error } });
    }),
  );
  const events = client.watchRun('run-1');
  await events.next();
  expect((await events.next()).value).toMatchObject({ state: 'lost', retryInMs: 60_000 });
});

test('a socket that the server ended is connected again', async () => {
  const { client, server, requests } = await page((socket) =>
    socket.on('sim:join', ({ run, lastEventId }, ack) => {
      ack({ ok: true });
      const name = lastEventId ? 'completed' : 'running';
      socket.emit('sim:event', { run, event: 'status', id: name, data: { run: { id: run, status: name } } });
    }),
  );
  const seen = [];
  for await (const { type, run, state } of client.watchRun('run-1')) {
    seen.push(run?.status ?? state ?? type);
    if (run?.status === 'running') server.disconnectSockets();
  }
  expect(seen).toEqual(['open', 'running', 'lost', 'open', 'completed']);
  expect(requests).toEqual([]);
});

test('whoever leaves while the token is renewed leaves nothing behind, and the socket as it is', async () => {
  const joins = [];
  const accept = (socket) =>
    socket.on('sim:join', ({ run }, ack) => {
      joins.push(run);
      ack({ ok: true });
      socket.emit('sim:event', { run, event: 'reauth', data: {} });
    });
  let renewed;
  const asked = new Promise((resolve) => {
    renewed = resolve;
  });
  const refresh = () => new Promise((resolve) => renewed(() => resolve('t')));
  const { client, socket } = await page(accept, { refresh });
  const { id } = socket;
  const abort = new AbortController();
  const watched = all(client.watchRun('run-1', { signal: abort.signal }));
  const renew = await asked;
  abort.abort(new Error('enough'));
  renew();
  await expect(watched).rejects.toThrow('enough');
  expect(socket.id).toBe(id);
  expect(['sim:event', 'disconnect'].map((name) => socket.listeners(name))).toEqual([[], []]);
  expect(joins).toEqual(['run-1']);
});

test('whoever has left already joins nothing', async () => {
  const joins = [];
  const { client, requests } = await page((socket) => socket.on('sim:join', ({ run }) => joins.push(run)));
  const signal = AbortSignal.abort(new Error('enough'));
  await expect(all(client.watchRun('run-1', { signal }))).rejects.toThrow('enough');
  expect([joins, requests]).toEqual([[], []]);
});
