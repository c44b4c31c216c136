// The fast lane's own: what it leaves to Express, where it finds a client's address, and what it refuses to be. That it
// answers as the router does, the contract's tests say.

import { once } from 'node:events';
import http from 'node:http';
import { attachFastLane, SimAdapter } from '@sigmacode/sim-adapter';
import { expect, it } from 'vitest';
import { TOKENS, tokenOf } from '../contract/support/doors.mjs';
import { atEnd, express5, optionsFor, refusal, SECRET, call as simCall, startSim } from './support.mjs';

const MOUNT = '/api/sim';

/** Sim, and a server with the fast lane ahead of an application that answers all alike. */
async function start(options = {}) {
  const sim = await startSim(['echo']);
  const app = express5().use((req, res) => res.status(418).json(req.url));
  const server = http.createServer(app).listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEnd(() => new Promise((resolve) => server.close(resolve).closeAllConnections()));
  const lane = attachFastLane(server, MOUNT, { ...optionsFor(sim), ...TOKENS, ...options });
  atEnd(() => lane.adapter.close({ drainMs: 0 }));
  const url = `http://127.0.0.1:${server.address().port}`;
  const call = (path, headers) => {
    const authorization = `Bearer ${tokenOf({ id: 'ann' })}`;
    return simCall({ url: url + MOUNT }, 'GET', path, { user: null, headers: { authorization, ...headers } });
  };
  return { url, lane, call };
}

it('what is not below the mount point goes to Express, and all of it after detach()', async () => {
  const { url, lane, call } = await start();
  const express = async (path) => {
    const response = await fetch(url + path);
    expect([response.status, await response.json()]).toEqual([418, path]);
  };
  for (const path of ['/', '/api/simulate', '/api', '/other?x=/api/sim']) await express(path);
  expect(refusal(await call(''))).toEqual([404, 'not_found']);
  expect((await call('/health')).status).toBe(200);
  lane.detach();
  await express('/api/sim/health');
});

it.each([
  ['a function of its own', (req) => req.headers['x-client']],
  ['a header', 'X-Client'],
])('is limited by the address that the host names: %s', async (_, clientIp) => {
  const { call } = await start({ ipMax: 1, clientIp });
  expect((await call('/flows', { 'x-client': '192.0.2.1' })).status).toBe(200);
  expect((await call('/flows', { 'x-client': '192.0.2.2' })).status).toBe(200);
  expect(refusal(await call('/flows', { 'x-client': '192.0.2.1' }))).toEqual([429, 'rate_limited']);
});

it('is refused where nobody would check who asks, and at what is no path', () => {
  const server = http.createServer();
  const adapter = new SimAdapter({ handleSecret: SECRET });
  expect(() => attachFastLane(server, '/api/sim', { adapter })).toThrow(/auth: 'jwt'/);
  for (const mount of ['', '/', 'api', '/api/', '/a?b']) {
    expect(() => attachFastLane(server, mount, { ...TOKENS, handleSecret: SECRET })).toThrow(/mount point/);
  }
  for (const clientIp of ['', 'x real ip', 7]) {
    expect(() => attachFastLane(server, '/api/sim', { ...TOKENS, handleSecret: SECRET, clientIp })).toThrow(/clientIp/);
  }
});
