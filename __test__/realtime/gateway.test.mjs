// Runs over the host's own Socket.io: the same events for the same people as the event streams, and no more memory for a
// slow socket.

import jwt from 'jsonwebtoken';
import { expect, it } from 'vitest';
import { atEnd, call } from '../http/support.mjs';
import { playSim, runIs, start, watch } from '../live/support.mjs';
import { connect, express4, express5, startRealtime, startSim } from './support.mjs';

const code = ({ error }) => error?.code;

const refusal = (message) => ({ error: { code: 'unauthenticated', message } });

it.each([
  ['4', express4],
  ['5', express5],
])('a socket hears what the event stream tells, up to the end (Express %s)', async (_name, express) => {
  const sim = await startSim(['wait']);
  const { url, host, adapter } = await startRealtime(sim, { express });
  const id = await start(host, 'wait');
  const stream = await watch(host, id);
  const first = await stream.until('status', ({ run }) => run.status === 'running');
  const client = await connect(url);
  expect(await client.join(id)).toEqual({ ok: true });
  expect(await client.next()).toEqual({ run: id, ...first });
  await call(host, 'POST', `/runs/${id}/cancel`);
  const [last] = await stream.rest();
  expect(await client.next()).toEqual({ run: id, ...last });
  expect(last.data.run.status).toBe('cancelled');
  await expect.poll(() => adapter.watches).toBe(0);
  expect(client.events).toHaveLength(2);
});

it('a run that has ended is told once', async () => {
  const sim = await startSim(['echo']);
  const { url, host } = await startRealtime(sim);
  const id = await start(host, 'echo');
  await sim.waitFor('status', ({ status }) => status === 'completed');
  const client = await connect(url);
  expect(await client.join(id)).toEqual({ ok: true });
  expect((await client.next()).data.run.status).toBe('completed');
});

it('who may not watch a run is told so, in the contract’s one shape', async () => {
  const sim = await startSim(['wait']);
  const { url, host, server } = await startRealtime(sim);
  const id = await start(host, 'wait');
  const ann = await connect(url);
  expect(await ann.join(id)).toEqual({ ok: true });
  const bob = await connect(url, { user: 'bob' });
  const refused = await bob.join(id);
  expect(refused).toEqual({ error: { code: 'not_found', message: expect.any(String), requestId: expect.any(String) } });
  expect(code(await (await connect(url, {})).join(id))).toBe('unauthenticated');
  expect(code(await ann.join('made-up'))).toBe('not_found');
  expect(code(await ann.join(7))).toBe('invalid_request');
  expect(code(await ann.socket.emitWithAck('sim:join', null))).toBe('invalid_request');
  expect(server.of('/').adapter.rooms.get(`run:${id}`)).toEqual(new Set([ann.socket.id]));
  await call(host, 'POST', `/runs/${id}/cancel`);
  await ann.until('cancelled');
  expect(bob.events).toEqual([]);
});

it('what lastEventId names is not told again', async () => {
  const sim = await startSim(['wait']);
  const { url, host } = await startRealtime(sim);
  const id = await start(host, 'wait');
  const one = await connect(url);
  await one.join(id);
  const running = await one.until('running');
  const two = await connect(url);
  await two.join(id, { lastEventId: running.id });
  await call(host, 'POST', `/runs/${id}/cancel`);
  expect((await two.next()).data.run.status).toBe('cancelled');
});

it('sockets of one user share a watch, and the last one to go ends it', async () => {
  const sim = await startSim(['wait']);
  const { url, host, adapter } = await startRealtime(sim);
  const id = await start(host, 'wait');
  const clients = await Promise.all(Array.from({ length: 5 }, () => connect(url)));
  expect(await Promise.all(clients.map(({ join }) => join(id)))).toEqual(Array(5).fill({ ok: true }));
  await expect.poll(() => adapter.watches).toBe(1);
  expect(await Promise.all(clients.map(async ({ until }) => (await until('running')).run))).toEqual(Array(5).fill(id));
  // The one whose join began the watch is not the one that it depends on.
  await clients[0].leave(id);
  clients[1].socket.disconnect();
  await call(host, 'POST', `/runs/${id}/cancel`);
  await Promise.all(clients.slice(2).map(({ until }) => until('cancelled')));
  expect(clients[0].events.at(-1).data.run.status).toBe('running');

  const again = await start(host, 'wait');
  await clients[2].join(again);
  await clients[3].join(again);
  expect(adapter.watches).toBe(1);
  await clients[2].leave(again);
  expect(adapter.watches).toBe(1);
  clients[3].socket.disconnect();
  await expect.poll(() => adapter.watches).toBe(0);
});

it('a socket that goes while its join is under way leaves no watch behind', async () => {
  const waiting = [];
  const sim = await playSim({
    execute: (_req, res) => res.writeHead(202, { 'content-type': 'application/json' }).end('{"data":{"runId":"r"}}'),
    status: (req, res) => waiting.push([req, res]),
  });
  const { url, host, adapter } = await startRealtime(sim);
  const id = await start(host, 'f');
  const client = await connect(url);
  client.join(id).catch(() => {});
  await expect.poll(() => waiting.length).toBe(1);
  client.socket.disconnect();
  await expect.poll(() => adapter.watches).toBe(1);
  runIs('running')(...waiting[0]);
  await expect.poll(() => adapter.watches).toBe(0);
});

it('a slow socket holds one event, and hears the latest', async () => {
  // A state of 4 MiB, another one whenever the quick socket has heard the last.
  const big = 'x'.repeat(4 * 1024 * 1024);
  let count = 0;
  const sim = await playSim({
    execute: (_req, res) => res.writeHead(202, { 'content-type': 'application/json' }).end('{"data":{"runId":"r"}}'),
    status: (req, res) => {
      const status = count < 9 ? 'running' : 'completed';
      runIs(status, { startedAt: new Date(count).toISOString(), output: { big } })(req, res);
    },
  });
  const { url, host, server } = await startRealtime(sim);
  const id = await start(host, 'f');
  const [slow, quick] = [await connect(url), await connect(url)];
  const { conn } = server.of('/').sockets.get(slow.socket.id);
  await slow.join(id);
  await slow.next();
  const { _socket: connection } = slow.socket.io.engine.transport.ws;
  connection.pause();
  atEnd(() => connection.resume());
  await quick.join(id);
  let most = 0;
  for (let status; status !== 'completed'; count += 1) {
    ({ status } = (await quick.next()).data.run);
    most = Math.max(most, conn.writeBuffer.length);
  }
  expect(quick.events).toHaveLength(10);
  expect(most).toBeLessThanOrEqual(1);
  connection.resume();
  await slow.until('completed');
  console.log(`10 events, of which a socket that read nothing meanwhile got ${slow.events.length}`);
  expect(slow.events.length).toBeLessThan(10);
}, 60_000);

it('with auth: jwt the token of the handshake says who it is, and its end is the end', async () => {
  const sim = await startSim(['wait']);
  const jwtSecret = 'a-secret-for-tokens-only';
  const token = (options) => jwt.sign({ id: 'ann' }, jwtSecret, options);
  const { url, host, adapter } = await startRealtime(sim, { adapter: { auth: 'jwt', jwtSecret } });
  const headers = { authorization: `Bearer ${token({ expiresIn: 60 })}` };
  const id = await start(host, 'wait', { user: null, headers });
  expect(code(await (await connect(url, {})).join(id))).toBe('unauthenticated');
  const forged = jwt.sign({ id: 'ann' }, 'another', { expiresIn: 60 });
  expect(code(await (await connect(url, { token: forged })).join(id))).toBe('unauthenticated');
  const client = await connect(url, { token: token({ expiresIn: 4 }) });
  expect(await client.join(id)).toEqual({ ok: true });
  expect((await client.next()).event).toBe('status');
  let event = await client.next();
  while (event.event === 'status') event = await client.next();
  expect(event).toEqual({ run: id, event: 'reauth', data: {} });
  await expect.poll(() => adapter.watches).toBe(0);
});

it('the end of a token is the end, also of one that the host verifies', async () => {
  const sim = await startSim(['wait']);
  const { url, host, adapter } = await startRealtime(sim, { userOf: () => ({ id: 'ann' }) });
  const id = await start(host, 'wait');
  const token = jwt.sign({ id: 'ann' }, 'the secret of the host', { expiresIn: 4 });
  const client = await connect(url, { token });
  expect(await client.join(id)).toEqual({ ok: true });
  expect((await client.next()).event).toBe('status');
  let event = await client.next();
  while (event.event === 'status') event = await client.next();
  expect(event).toEqual({ run: id, event: 'reauth', data: {} });
  await expect.poll(() => adapter.watches).toBe(0);
});

it('after the end of its token a connection follows nothing more, and one that begins with such a token nothing at all', async () => {
  const sim = await startSim(['wait']);
  const { url, host, adapter } = await startRealtime(sim, { userOf: () => ({ id: 'ann' }) });
  const id = await start(host, 'wait');
  const token = (expiresIn) => jwt.sign({ id: 'ann' }, 'the secret of the host', { expiresIn });
  const refused = refusal('the token has expired');
  const client = await connect(url, { token: token(4) });
  expect(await client.join(id)).toEqual({ ok: true });
  await expect.poll(() => client.events.at(-1)?.event, { timeout: 8000 }).toBe('reauth');
  const told = client.events.length;
  expect(await client.join(id)).toEqual(refused);
  expect(client.events).toHaveLength(told);
  expect(await (await connect(url, { token: token(-1) })).join(id)).toEqual(refused);
  await expect.poll(() => adapter.watches).toBe(0);
  // With a new token everything is as before.
  client.socket.auth = { token: token(60) };
  client.socket.disconnect().connect();
  expect(await client.join(id)).toEqual({ ok: true });
});

it('a join that its token does not outlive is refused', async () => {
  const waiting = [];
  const sim = await playSim({
    execute: (_req, res) => res.writeHead(202, { 'content-type': 'application/json' }).end('{"data":{"runId":"r"}}'),
    status: (req, res) => waiting.push([req, res]),
  });
  const { url, host, adapter } = await startRealtime(sim, { userOf: () => ({ id: 'ann' }) });
  const id = await start(host, 'f');
  const client = await connect(url, { token: jwt.sign({ id: 'ann' }, 'the secret of the host', { expiresIn: 4 }) });
  const joined = client.join(id);
  expect((await client.next()).event).toBe('reauth');
  for (const request of waiting) runIs('running')(...request);
  expect(await joined).toEqual(refusal('the token has expired'));
  await expect.poll(() => adapter.watches).toBe(0);
  expect(client.events).toHaveLength(1);
});

it('a limit counts by the address that the host names', async () => {
  const sim = await startSim(['wait']);
  const { url, host } = await startRealtime(sim, {
    adapter: { ipMax: 2 },
    clientIp: (socket) => socket.handshake.auth.from,
  });
  const id = await start(host, 'wait');
  const joinFrom = async (from) => (await connect(url, { user: 'ann', from })).join(id);
  expect([await joinFrom('192.0.2.1'), await joinFrom('192.0.2.1')]).toEqual([{ ok: true }, { ok: true }]);
  expect(code(await joinFrom('192.0.2.1'))).toBe('rate_limited');
  expect(await joinFrom('192.0.2.2')).toEqual({ ok: true });
  // One whose address the host does not know has no limit of an address.
  for (let i = 0; i < 4; i += 1) expect(await joinFrom(undefined)).toEqual({ ok: true });
});

it('who comes too often is told when to come again', async () => {
  const sim = await startSim(['wait']);
  const { url, host } = await startRealtime(sim, { adapter: { userMax: 1 } });
  const id = await start(host, 'wait');
  const client = await connect(url);
  expect(await client.join(id)).toEqual({ ok: true });
  const { error } = await client.join(id);
  expect(error).toEqual({
    code: 'rate_limited',
    message: expect.any(String),
    details: expect.any(Object),
    requestId: expect.any(String),
    retryAfterMs: expect.any(Number),
  });
  expect(error.retryAfterMs).toBeGreaterThan(0);
  expect(error.retryAfterMs).toBeLessThanOrEqual(60_000);
});

it('userOf may be a promise, and of nobody is nobody', async () => {
  const sim = await startSim(['wait']);
  const users = { one: { id: 'ann' } };
  const userOf = async (socket) => users[socket.handshake.auth.session];
  const { url, host } = await startRealtime(sim, { userOf });
  const id = await start(host, 'wait');
  expect(await (await connect(url, { session: 'one' })).join(id)).toEqual({ ok: true });
  expect(code(await (await connect(url, { session: 'two' })).join(id))).toBe('unauthenticated');
});

it('what goes wrong in the host’s own functions is not told', async () => {
  const sim = await startSim(['wait']);
  const broken = () => {
    throw new Error('the password of the database');
  };
  for (const options of [{ userOf: broken }, { userOf: async () => broken() }, { clientIp: broken }]) {
    const { url, host } = await startRealtime(sim, options);
    const { error } = await (await connect(url)).join(await start(host, 'wait'));
    expect(error).toEqual({ code: 'upstream_error', message: 'the server could not tell who asks' });
  }
});

it('an adapter that closes says so; a gateway that closes takes no more', async () => {
  const sim = await startSim(['wait']);
  const { url, host, adapter, gateway } = await startRealtime(sim);
  const id = await start(host, 'wait');
  const client = await connect(url);
  await client.join(id);
  await client.until('running');
  await adapter.close({ drainMs: 0 });
  let event = await client.next();
  while (event.event === 'status') event = await client.next();
  expect([event.event, event.data.error.code]).toEqual(['error', 'shutting_down']);
  gateway.close();
  const late = await connect(url);
  await expect(late.socket.timeout(200).emitWithAck('sim:join', { run: id })).rejects.toThrow();
});

it('a socket follows at most 100 runs', async () => {
  const sim = await startSim(['wait']);
  const { url, host } = await startRealtime(sim);
  const ids = await Promise.all(Array.from({ length: 101 }, () => start(host, 'wait')));
  const client = await connect(url);
  const answers = await Promise.all(ids.map((id) => client.join(id)));
  expect(answers.filter(({ ok }) => ok)).toHaveLength(100);
  expect(code(answers.at(-1))).toBe('invalid_request');
  await client.leave(ids[0]);
  expect(await client.join(ids[100])).toEqual({ ok: true });
});

it('a message without an acknowledgement harms nobody', async () => {
  const sim = await startSim(['wait']);
  const { url, host } = await startRealtime(sim);
  const id = await start(host, 'wait');
  const client = await connect(url);
  client.socket.emit('sim:leave');
  client.socket.emit('sim:leave', { run: 5 });
  client.socket.emit('sim:join', 'nonsense');
  client.socket.emit('sim:join', { run: id });
  expect((await client.next()).run).toBe(id);
});
