// `sim-adapter guard --realtime`: a real Socket.io server behind the editor listener, and nothing else of that server.

import { once } from 'node:events';

import { Server } from 'socket.io';
import { io } from 'socket.io-client';
import { afterEach, expect, test } from 'vitest';

import { reasonOf, send, serve, startGuard } from './support.mjs';

const closers = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** Sim and its realtime server, each of which says who it is, and the guard before both. */
async function start() {
  const sim = await serve((_request, response) => response.end('sim'));
  closers.push(() => sim.stop());
  const realtime = await serve((_request, response) => response.end('realtime'));
  const sockets = new Server(realtime.server);
  sockets.on('connection', (socket) => {
    socket.on('say', (text, answer) => answer(`${text}, ${socket.handshake.headers.cookie}`));
  });
  const guard = await startGuard(sim.port, '--realtime', `http://127.0.0.1:${realtime.port}`);
  closers.push(() => guard.stop());
  // Before the guard: it would let a poll that hangs end first.
  closers.push(() => new Promise((resolve) => sockets.close(resolve)));
  return { sockets, guard };
}

/** A browser's socket through the editor listener. */
async function connect(guard, options) {
  const socket = io(`http://127.0.0.1:${guard.editor}`, {
    extraHeaders: { cookie: 'session=1' },
    reconnection: false,
    ...options,
  });
  closers.push(() => socket.disconnect());
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('connect_error', reject));
  return socket;
}

test.each([['websocket'], ['polling']])('a socket over %s speaks with the realtime server', async (transport) => {
  const { guard } = await start();
  const socket = await connect(guard, { transports: [transport] });
  expect(await socket.emitWithAck('say', 'hello')).toBe('hello, session=1');
});

test('a socket that begins by polling goes over to a WebSocket', async () => {
  const { guard } = await start();
  const socket = await connect(guard);
  const { engine } = socket.io;
  if (engine.transport.name !== 'websocket') await new Promise((resolve) => engine.once('upgrade', resolve));
  expect(engine.transport.name).toBe('websocket');
  expect(await socket.emitWithAck('say', 'hello')).toBe('hello, session=1');
});

test('a socket ends in the browser when the realtime server ends it', async () => {
  const { sockets, guard } = await start();
  const socket = await connect(guard, { transports: ['websocket'] });
  const ended = once(socket, 'disconnect');
  sockets.disconnectSockets(true);
  await ended;
});

test.each(['/', '/health', '/api/workflow-updated', '/socket.iox/', '/x/socket.io/', '/Socket.io/'])(
  "%s is Sim's own: the rest of the realtime server is out of reach",
  async (target) => {
    const { guard } = await start();
    expect((await send({ port: guard.editor, target })).text).toBe('sim');
  },
);

test.each([
  ['with a key', '/socket.io/?EIO=4', { 'x-api-key': 'k' }, 403],
  ['in an escaped spelling', '/%73ocket.io/?EIO=4', {}, 400],
])('a handshake %s is refused', async (_, target, headers, status) => {
  const { sockets, guard } = await start();
  let asked = 0;
  sockets.engine.on('initial_headers', () => {
    asked += 1;
  });
  expect((await send({ port: guard.editor, method: 'GET', target, headers })).status).toBe(status);
  expect(asked).toBe(0);
});

test('while the realtime server is away sockets get 502, and Sim answers', async () => {
  const { sockets, guard } = await start();
  await new Promise((resolve) => sockets.close(resolve));
  const answer = await send({ port: guard.editor, method: 'GET', target: '/socket.io/?EIO=4&transport=polling' });
  expect([answer.status, reasonOf(answer)]).toEqual([502, 'upstream_unreachable']);
  expect((await send({ port: guard.editor, target: '/x' })).text).toBe('sim');
});
