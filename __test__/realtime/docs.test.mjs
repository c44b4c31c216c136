// What docs/realtime.md says is so: its examples run as they stand, on real sockets.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { createClient } from '@sigmacode/sim-adapter/client';
import { Server } from 'socket.io';
import { io } from 'socket.io-client';
import { expect, it, vi } from 'vitest';
import { atEnd, call, express5, startAdapter, startSim } from '../http/support.mjs';
import { start } from '../live/support.mjs';

const page = readFileSync(new URL('../../docs/realtime.md', import.meta.url), 'utf8');
const [server, client, kit, listen, hints, ...rest] = [...page.matchAll(/```js\n([\s\S]*?)```/g)].map(
  ([, code]) => code,
);
const nodeRequire = createRequire(import.meta.url);

/** The adapter's router on Express, as `sim`, and a Socket.io server beside it. */
async function startExample(live = true) {
  const upstream = await startSim(['wait']);
  const { simRouter } = nodeRequire('@sigmacode/sim-adapter');
  const app = express5();
  const http = createServer(app).listen(0, '127.0.0.1');
  await once(http, 'listening');
  const url = `http://127.0.0.1:${http.address().port}`;
  const sim = simRouter({ adapter: startAdapter(upstream, live ? { publicWsUrl: url } : {}) });
  app.use(express5.json(), (req, _res, next) => {
    req.user = { id: 'ann', role: 'USER' };
    next();
  });
  app.use('/api/sim', sim);
  const sockets = new Server(http);
  atEnd(() => sockets.close());
  sockets.use((socket, next) => {
    socket.data.user = { id: socket.handshake.auth.token };
    next();
  });
  return { upstream, sim, sockets, url, host: { url: `${url}/api/sim` } };
}

it('every example of the page is run below', () => {
  expect([server, client, kit, listen, hints].every(Boolean)).toBe(true);
  expect(rest).toEqual([]);
});

it('the two sides of the page understand each other, also after a lost connection', async () => {
  const { sim, sockets, url, host } = await startExample();
  new Function('require', 'io', 'sim', server)(nodeRequire, sockets, sim);
  const opened = [];
  const connect = (...args) => opened[opened.push(io(...args)) - 1];
  const source = client.replace(/^import .*$/m, '');
  const watchOver = new Function('io', `${source}\nreturn watchOver;`)(connect);
  const id = await start(host, 'wait');

  const renewals = [];
  const heard = [];
  atEnd(
    watchOver(url, { token: () => 'ann', renew: async () => renewals.push('ann') }, id, (event) => heard.push(event)),
  );
  const refused = [];
  atEnd(
    watchOver(url, { token: () => 'bob', renew: async () => renewals.push('bob') }, id, (event) => refused.push(event)),
  );
  await expect.poll(() => heard.at(-1)?.data.run.status).toBe('running');
  await expect.poll(() => refused.map(({ event, data }) => [event, data.error.code])).toEqual([['error', 'not_found']]);

  const renewed = once(opened[0], 'connect');
  sockets.emit('sim:event', { run: id, event: 'reauth', data: {} });
  await renewed;
  expect(renewals).toContain('ann');

  await expect.poll(() => heard.at(-1)?.event).toBe('reauth');
  const told = heard.length;
  opened[0].disconnect().connect();
  await once(opened[0], 'connect');
  await call(host, 'POST', `/runs/${id}/cancel`);
  await expect.poll(() => heard.slice(told).map(({ data }) => data.run.status)).toEqual(['cancelled']);
});

it.each([true, false])('the kit takes the socket when the server has one: %s', async (has) => {
  const { sim, sockets, url, host } = await startExample(has);
  new Function('require', 'io', 'sim', server)(nodeRequire, sockets, sim);
  const connect = (...args) => {
    const socket = io(...args);
    atEnd(() => socket.disconnect());
    return socket;
  };
  const source = kit.replace(/^import .*$/gm, '');
  const liveClient = new Function('io', 'createClient', `${source}\nreturn liveClient;`)(connect, createClient);
  const live = await liveClient(host.url, { token: 'ann', renew: async () => 'ann' });
  const events = live.watchRun(await start(host, 'wait'));
  const { value } = await events.next();
  expect(value).toEqual({ type: 'connection', state: 'open' });
  expect(sockets.of('/').sockets.size).toBe(has ? 1 : 0);
  await events.return();
  expect(await createClient({ baseUrl: host.url, getToken: () => 't', refresh: async () => 't' }).config()).toEqual({
    realtimeUrl: has ? url : null,
  });
});

it('hints of a fork that the environment names are taken, over a connection that says its token', async () => {
  const { sockets: fork, url, sim } = await startExample();
  const settings = [...page.matchAll(/^(SIM_REALTIME_\w+)=(\S+)/gm)].map(([, name, value]) => [name, value]);
  expect(settings.map(([name]) => name)).toEqual(['SIM_REALTIME_URL', 'SIM_REALTIME_TOKEN', 'SIM_REALTIME_EVENTS']);
  for (const [name, value] of settings) vi.stubEnv(name, name.endsWith('URL') ? url : value);
  atEnd(() => vi.unstubAllEnvs());
  atEnd(new Function('require', 'sim', `${listen}\nreturn stop;`)(nodeRequire, sim));
  const [peer] = await once(fork, 'connection');
  expect(peer.handshake.auth).toEqual({ token: '...' });
});

it('hints of a fork are taken over a socket of the host', async () => {
  const { sockets: fork, url, sim } = await startExample();
  const source = hints.replace('wss://sim.example.com', url);
  const args = ['require', 'sim', 'oneTimeToken', `${source}\nreturn { socket, stop };`];
  const { socket, stop } = new Function(...args)(nodeRequire, sim, async () => 'a-token');
  atEnd(() => socket.disconnect());
  const [peer] = await once(fork, 'connection');
  expect(peer.handshake.auth).toEqual({ token: 'a-token' });
  expect(socket.listeners('run-updated')).toHaveLength(1);
  stop();
  expect(socket.listeners('run-updated')).toEqual([]);
});
