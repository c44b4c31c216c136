// The browser's client over a socket: the same events as over event streams, whatever becomes of the connection.

import { once } from 'node:events';
import { createClient } from '@sigmacode/sim-adapter/client';
import jwt from 'jsonwebtoken';
import { io } from 'socket.io-client';
import { expect, it } from 'vitest';
import { all, QUICK, told } from '../client/support.mjs';
import { atEnd, call } from '../http/support.mjs';
import { start } from '../live/support.mjs';
import { startRealtime, startSim } from './support.mjs';

/** A page: a socket and the kit's client on it. */
async function open(
  url,
  { auth = (give) => give({ user: 'ann' }), getToken = () => 't', refresh = async () => 't' } = {},
) {
  const socket = io(url, { auth, transports: ['websocket'], reconnectionDelay: 10 });
  atEnd(() => socket.disconnect());
  await once(socket, 'connect');
  return { socket, client: createClient({ baseUrl: `${url}/none`, getToken, refresh, socket, timing: QUICK }) };
}

/** Takes events until one tells of that status. */
async function until(events, status) {
  for (;;) {
    const { value, done } = await events.next();
    if (done) throw new Error(`ended without ${status}`);
    if (value.run?.status === status) return value;
  }
}

it('a run is watched over the socket up to its end', async () => {
  const sim = await startSim(['wait']);
  const { url, host } = await startRealtime(sim);
  const id = await start(host, 'wait');
  const { client } = await open(url);
  const events = client.watchRun(id);
  expect((await events.next()).value).toEqual({ type: 'connection', state: 'open' });
  await until(events, 'running');
  await call(host, 'POST', `/runs/${id}/cancel`);
  expect(told(await all(events))).toEqual(['status cancelled']);
});

it('after a lost connection it goes on, and nothing is told twice', async () => {
  const sim = await startSim(['wait']);
  const { url, host, server } = await startRealtime(sim);
  const id = await start(host, 'wait');
  const { client, socket } = await open(url);
  const events = client.watchRun(id);
  await until(events, 'running');
  const again = once(socket, 'connect');
  for (const peer of server.of('/').sockets.values()) peer.conn.close();
  expect((await events.next()).value).toMatchObject({ type: 'connection', state: 'lost' });
  const rest = all(events);
  await again;
  await call(host, 'POST', `/runs/${id}/cancel`);
  expect(told(await rest)).toEqual(['status cancelled']);
});

it('somebody else’s run is not found, and that is the end of it', async () => {
  const sim = await startSim(['wait']);
  const { url, host } = await startRealtime(sim);
  const id = await start(host, 'wait', { user: 'bob' });
  const { client } = await open(url);
  await expect(all(client.watchRun(id))).rejects.toMatchObject({ code: 'not_found', status: 404 });
});

it('of two who follow one run on a socket, the first to go takes nothing from the other', async () => {
  const sim = await startSim(['wait']);
  const { url, host, adapter } = await startRealtime(sim);
  const id = await start(host, 'wait');
  const { client } = await open(url);
  const [one, two] = [client.watchRun(id), client.watchRun(id)];
  await Promise.all([until(one, 'running'), until(two, 'running')]);
  await one.return();
  await call(host, 'POST', `/runs/${id}/cancel`);
  await until(two, 'cancelled');
  await two.next();
  await expect.poll(() => adapter.watches).toBe(0);
});

it('whoever stops watching leaves, also by a signal', async () => {
  const sim = await startSim(['wait']);
  const { url, host, adapter } = await startRealtime(sim);
  const id = await start(host, 'wait');
  const { client } = await open(url);
  const abort = new AbortController();
  const events = client.watchRun(id, { signal: abort.signal });
  await until(events, 'running');
  const next = events.next();
  abort.abort(new Error('enough'));
  await expect(next).rejects.toThrow('enough');
  await expect.poll(() => adapter.watches).toBe(0);
});

const jwtSecret = 'a-secret-for-tokens-only';

it.each([
  ['the adapter', { adapter: { auth: 'jwt', jwtSecret } }],
  ['the host', { userOf: () => ({ id: 'ann' }) }],
])('a token that is old, or becomes so, is renewed on the socket, where %s verifies it', async (_who, options) => {
  const sim = await startSim(['wait']);
  const { url, host } = await startRealtime(sim, options);
  const as = options.adapter ? { user: null } : { user: 'ann' };
  const sign = (expiresIn) => jwt.sign({ id: 'ann' }, jwtSecret, { expiresIn });
  const id = await start(host, 'wait', { ...as, headers: { authorization: `Bearer ${sign(60)}` } });
  let token = sign(-1);
  const lives = [2, 60];
  const refresh = async () => {
    token = sign(lives.shift());
    return token;
  };
  const { client } = await open(url, { auth: (give) => give({ token }), getToken: () => token, refresh });
  const events = client.watchRun(id);
  await until(events, 'running');
  const rest = all(events);
  // The one that it begins with is refused, the next one ends in mid-run.
  await expect.poll(() => lives.length, { timeout: 5000 }).toBe(0);
  await call(host, 'POST', `/runs/${id}/cancel`, { ...as, headers: { authorization: `Bearer ${sign(60)}` } });
  expect(told(await rest)).toEqual(['status cancelled']);
});

it('a session that has ended is told as such', async () => {
  const sim = await startSim(['wait']);
  const { url, host } = await startRealtime(sim);
  const id = await start(host, 'wait');
  const { client } = await open(url, { auth: (give) => give({}), refresh: async () => undefined });
  await expect(all(client.watchRun(id))).rejects.toMatchObject({ code: 'unauthenticated', status: 401 });
});

it('who comes too often comes again when the server says so, not before', async () => {
  const sim = await startSim(['wait']);
  const { url, host } = await startRealtime(sim, { adapter: { userMax: 1 } });
  const id = await start(host, 'wait');
  const { client } = await open(url);
  const first = client.watchRun(id);
  await until(first, 'running');
  const { value } = await client.watchRun(id).next();
  expect(value).toMatchObject({ type: 'connection', state: 'lost', error: { code: 'rate_limited' } });
  // The kit's own first wait is at most 5 ms here.
  expect(value.retryInMs).toBe(value.error.retryAfterMs);
  expect(value.retryInMs).toBeGreaterThan(100);
  await first.return();
});
