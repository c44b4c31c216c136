// The fast lane: the router's own answers, ahead of Express, to users known by their tokens alone.

import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import { attachFastLane, SimAdapter, simRouter } from '@sigmacode/sim-adapter';
import { expect, it } from 'vitest';
import { atEnd, express5, optionsFor, refusal, SECRET, startAdapter, startSim } from './support.mjs';

const JWT_SECRET = 'the host signs its tokens with this one';

/** A token as LibreChat signs it. */
function token(id) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const message = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ id, exp: Math.floor(Date.now() / 1000) + 60 })}`;
  return `${message}.${createHmac('sha256', JWT_SECRET).update(message).digest('base64url')}`;
}

const KNOWN = { ann: { id: 'ann' }, tom: { id: 'ann', tenantId: 'acme' }, bob: { id: 'bob' }, banned: null };

/** Sim, and a server with the fast lane at `/api/sim` and the router, for the user in a header, at `/host`. */
async function start(options = {}) {
  const sim = await startSim(['echo']);
  const app = express5();
  app.use((req, _res, next) => {
    req.user = req.headers['x-test-user'] && { id: req.headers['x-test-user'] };
    next();
  });
  app.use('/host', express5.json(), simRouter({ adapter: startAdapter(sim) }));
  app.use((req, res) => res.status(418).send(req.url));
  const server = http.createServer(app).listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEnd(() => new Promise((resolve) => server.close(resolve).closeAllConnections()));
  const resolveUser = ({ id }) => KNOWN[id];
  const lane = attachFastLane(server, '/api/sim', {
    ...optionsFor(sim),
    jwtSecret: JWT_SECRET,
    resolveUser,
    ...options,
  });
  atEnd(() => lane.adapter.close({ drainMs: 0 }));
  const url = `http://127.0.0.1:${server.address().port}`;
  const ask = async (method, path, { as, user, body } = {}) => {
    const headers = {
      'content-type': 'application/json',
      ...(as && { authorization: `Bearer ${token(as)}` }),
      ...(user && { 'x-test-user': user }),
    };
    const response = await fetch(url + path, { method, headers, body: body && JSON.stringify(body) });
    const text = await response.text();
    const json = response.headers.get('content-type')?.startsWith('application/json') ? JSON.parse(text) : undefined;
    return { status: response.status, text, json };
  };
  return { sim, lane, ask };
}

const RUN = { body: { input: { a: 1 } } };

it('starts a run ahead of Express, and says where to ask for it', async () => {
  const { sim, ask } = await start();
  const { status, json } = await ask('POST', '/api/sim/flows/echo/run', { as: 'ann', ...RUN });
  expect(status).toBe(202);
  expect(json.run.statusUrl).toBe(`/api/sim/runs/${json.run.id}/status`);
  expect((await sim.waitFor('run')).input).toEqual({ a: 1 });
  expect((await ask('GET', json.run.statusUrl, { as: 'ann' })).status).toBe(200);
});

it('a handle minted on one mount is read on the other, by its own user alone', async () => {
  const { ask } = await start();
  const here = (await ask('POST', '/api/sim/flows/echo/run', { as: 'ann', ...RUN })).json.run.id;
  const there = (await ask('POST', '/host/flows/echo/run', { user: 'ann', ...RUN })).json.run.id;
  expect((await ask('GET', `/host/runs/${here}/status`, { user: 'ann' })).status).toBe(200);
  expect((await ask('GET', `/api/sim/runs/${there}/status`, { as: 'ann' })).status).toBe(200);
  expect(refusal(await ask('GET', `/host/runs/${here}/status`, { user: 'bob' }))).toEqual([404, 'not_found']);
  expect(refusal(await ask('GET', `/api/sim/runs/${there}/status`, { as: 'bob' }))).toEqual([404, 'not_found']);
});

it("a tenant's user is not the one of that id without a tenant", async () => {
  const { ask } = await start();
  const run = (await ask('POST', '/api/sim/flows/echo/run', { as: 'tom', ...RUN })).json.run.id;
  expect((await ask('GET', `/api/sim/runs/${run}/status`, { as: 'tom' })).status).toBe(200);
  expect(refusal(await ask('GET', `/api/sim/runs/${run}/status`, { as: 'ann' }))).toEqual([404, 'not_found']);
});

it('nobody, a forged token and a banned user reach nothing', async () => {
  const { sim, ask } = await start();
  for (const options of [{}, { as: 'banned' }, { user: 'ann' }]) {
    const answer = await ask('POST', '/api/sim/flows/echo/run', { ...options, ...RUN });
    expect(refusal(answer)).toEqual([401, 'unauthenticated']);
  }
  expect(sim.requests).toEqual([]);
});

it('what is not below the mount point goes to Express, and all of it after detach()', async () => {
  const { lane, ask } = await start();
  for (const path of ['/', '/api/simulate', '/api', '/other?x=/api/sim']) {
    expect(await ask('GET', path)).toMatchObject({ status: 418, text: path });
  }
  expect(refusal(await ask('GET', '/api/sim'))).toEqual([404, 'not_found']);
  lane.detach();
  expect((await ask('GET', '/api/sim/health', { as: 'ann' })).status).toBe(418);
});

it('is limited by the address that the host names', async () => {
  const { ask } = await start({ ipMax: 1, clientIp: (req) => req.headers['x-test-user'] });
  expect((await ask('GET', '/api/sim/flows', { as: 'ann', user: '192.0.2.1' })).status).toBe(200);
  expect((await ask('GET', '/api/sim/flows', { as: 'ann', user: '192.0.2.2' })).status).toBe(200);
  expect(refusal(await ask('GET', '/api/sim/flows', { as: 'ann', user: '192.0.2.1' }))).toEqual([429, 'rate_limited']);
});

it('is refused where nobody would check who asks, and at what is no path', () => {
  const server = http.createServer();
  const adapter = new SimAdapter({ handleSecret: SECRET });
  expect(() => attachFastLane(server, '/api/sim', { adapter })).toThrow(/auth: 'jwt'/);
  for (const mount of ['', '/', 'api', '/api/', '/a?b']) {
    expect(() => attachFastLane(server, mount, { jwtSecret: JWT_SECRET, handleSecret: SECRET })).toThrow(/mount point/);
  }
});
