// Who asks: the host's user, or the bearer of a token that is verified here. Everybody else gets 401, and Sim never
// hears of it.

import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { simRouter } from '@sigmacode/sim-adapter';
import express from 'express';
import { describe, expect, it } from 'vitest';

import { atEnd, refusal, simUser, startAdapter, startSim, call as to, withoutSim } from './support.mjs';
import { authorizationsOf, corpus, sign } from './tokens.mjs';

const JWT_SECRET = 'a-secret-for-tokens-and-nothing-else';
const now = () => Math.floor(Date.now() / 1000);
const token = (claims) => sign({ exp: now() + 900, ...claims }, JWT_SECRET);
const bearer = (claims) => ({ authorization: `Bearer ${token(claims)}` });

/** A host that signs nobody in, unless `x-test-user` says so, around a router that verifies tokens. */
async function startJwtHost(sim, options = {}) {
  const adapter = startAdapter(sim, { auth: 'jwt', jwtSecret: JWT_SECRET, ...options });
  const app = express();
  app.use((req, _res, next) => {
    const { 'x-test-user': id, 'x-test-tenant': tenantId } = req.headers;
    if (id !== undefined) req.user = { id, tenantId, role: 'USER' };
    next();
  });
  app.use('/api/sim', simRouter({ adapter }));
  // A token of 1 MB shall reach the router.
  const server = createServer({ maxHeaderSize: 4 * 1024 * 1024 }, app).listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEnd(() => new Promise((resolve) => server.close(resolve).closeAllConnections()));
  const { port } = server.address();
  const host = { port, mount: '/api/sim', url: `http://127.0.0.1:${port}/api/sim` };
  return { host, call: (method, path, more) => to(host, method, path, { user: null, ...more }) };
}

/** Sends the header values byte by byte as they are; no client would send some of them. */
async function callRaw(port, authorizations) {
  const socket = connect(port, '127.0.0.1');
  const lines = authorizations.map((value) => `Authorization: ${value}\r\n`).join('');
  socket.write(`GET /api/sim/flows/echo HTTP/1.1\r\nHost: x\r\n${lines}Connection: close\r\n\r\n`, 'latin1');
  let text = '';
  socket.setEncoding('utf8').on('data', (chunk) => (text += chunk));
  await once(socket, 'close');
  const [head, body] = text.split('\r\n\r\n');
  return { status: Number(head.split(' ')[1]), body };
}

describe('the corpus of tokens', () => {
  it(`gets the expected answers at the router (${corpus.cases.length} cases)`, async () => {
    const sim = await startSim();
    const jwtSecret = [corpus.secrets.newest, corpus.secrets.older];
    const [strict, lenient] = [0, 60].map((jwtLeewaySeconds) => startJwtHost(sim, { jwtSecret, jwtLeewaySeconds }));
    const wrong = [];
    let refusedByNode = 0;
    for (const entry of corpus.cases) {
      const { host } = await (entry.leeway === undefined ? strict : lenient);
      const before = sim.requests.length;
      const { status, body } = await callRaw(host.port, authorizationsOf(entry, now()));
      const asked = sim.requests.slice(before);
      const fail = (why) => wrong.push(`${entry.name}: ${why}: ${status} ${body}`);
      if (entry.expect === 'ok') {
        if (status !== 200) fail('should be let in');
        else if (simUser(asked[0])[1] !== entry.id) fail('another user was told to Sim');
      } else if (asked.length > 0) {
        fail('reached Sim');
      } else if (status === 400) {
        // No HTTP server lets such a header through.
        refusedByNode += 1;
      } else if (status !== 401 || JSON.parse(body).error.code !== 'unauthenticated') {
        fail('should be 401 unauthenticated');
      }
    }
    expect(wrong).toEqual([]);
    expect(refusedByNode).toBeLessThan(5);
    expect(corpus.cases.length).toBeGreaterThan(200);
  });
});

describe('identity', () => {
  it('is the host’s user or nobody: neither headers, query nor body name one', async () => {
    const sim = await startSim();
    const { call } = await startJwtHost(sim);
    const claims = { 'x-user-id': 'ann', 'x-sim-user': 'AGFubg', 'x-librechat-user': 'ann', 'x-forwarded-user': 'ann' };
    const headers = { ...claims, cookie: `token=${token({ id: 'ann' })}; refreshToken=x` };
    await withoutSim(sim, async () => {
      for (const [method, path, body] of [
        ['GET', '/flows'],
        ['GET', `/flows?cursor=${token({ id: 'ann' })}`],
        ['POST', '/flows/echo/run', { user: 'ann' }],
        ['POST', '/flows/echo/run', { input: {}, userId: 'ann', token: token({ id: 'ann' }) }],
        ['POST', '/proxy', { method: 'GET', path: '/api/v2/workflows', user: { id: 'ann' } }],
        ['GET', '/health'],
      ]) {
        expect(refusal(await call(method, path, { headers, body }))).toEqual([401, 'unauthenticated']);
      }
    });
    await call('GET', '/flows/echo', { user: 'bob', headers: claims });
    expect(simUser(sim.requests.at(-1))).toEqual(['', 'bob']);
  });

  it('is refused when user and token name different ids, and when the token beside a user is bad', async () => {
    const sim = await startSim();
    const { call } = await startJwtHost(sim);
    await withoutSim(sim, async () => {
      for (const authorization of [
        `Bearer ${token({ id: 'ann' })}`,
        `Bearer ${token({ id: 'BOB' })}`,
        `Bearer ${token({ id: 'bob', exp: now() - 1 })}`,
        'Bearer nonsense',
      ]) {
        const answer = await call('GET', '/flows/echo', { user: 'bob', headers: { authorization } });
        expect(refusal(answer)).toEqual([401, 'unauthenticated']);
      }
    });
  });

  it('is the host’s user, tenant included, when the token agrees', async () => {
    const sim = await startSim();
    const { call } = await startJwtHost(sim);
    const headers = { ...bearer({ id: 'bob' }), 'x-test-tenant': 'acme' };
    expect((await call('GET', '/flows/echo', { user: 'bob', headers })).status).toBe(200);
    expect(simUser(sim.requests[0])).toEqual(['acme', 'bob']);
  });

  it('knows no tokens unless it is told to', async () => {
    const sim = await startSim();
    const { call } = await startJwtHost(sim, { auth: 'host' });
    await withoutSim(sim, async () => {
      const answer = await call('GET', '/flows/echo', { headers: bearer({ id: 'ann' }) });
      expect(refusal(answer)).toEqual([401, 'unauthenticated']);
    });
    const other = await call('GET', '/flows/echo', { user: 'bob', headers: bearer({ id: 'ann' }) });
    expect(other.status).toBe(200);
    expect(simUser(sim.requests[0])).toEqual(['', 'bob']);
  });

  it('tells a refused request nothing about why', async () => {
    const sim = await startSim();
    const { call } = await startJwtHost(sim);
    const bodies = new Set();
    for (const headers of [
      {},
      bearer({ id: 'ann', exp: 1 }),
      bearer({ id: 'ann', scope: 'x' }),
      { authorization: 'Bearer x' },
    ]) {
      const { json } = await call('GET', '/flows', { headers });
      bodies.add(JSON.stringify({ ...json.error, requestId: '' }));
    }
    expect(bodies.size).toBe(1);
  });

  it('takes tokens of every secret while secrets are being changed', async () => {
    const sim = await startSim();
    const { call } = await startJwtHost(sim, { jwtSecret: 'newer-secret, older-secret' });
    const with_ = (secret) => ({ authorization: `Bearer ${sign({ id: 'ann', exp: now() + 900 }, secret)}` });
    for (const secret of ['newer-secret', 'older-secret']) {
      expect((await call('GET', '/flows/echo', { headers: with_(secret) })).status).toBe(200);
    }
    expect((await call('GET', '/flows/echo', { headers: with_('oldest-secret') })).status).toBe(401);
  });
});

describe('the start stops with a configuration error', () => {
  const problems = async (options) => {
    const sim = await startSim();
    try {
      startAdapter(sim, options);
    } catch (error) {
      expect(error.code).toBe('not_configured');
      return error.details.problems.map(({ name }) => name);
    }
    return [];
  };
  const jwt = { auth: 'jwt', jwtSecret: JWT_SECRET };
  const plans = { free: {} };

  it.each([
    ['plans', { plans }],
    ['plansFile', { plansFile: '/nowhere/plans.yaml' }],
    ['planOf', { planOf: 'role' }],
    ['gate', { gate: () => true }],
    ['canRunFlow', { canRunFlow: () => true }],
  ])('when tokens meet %s and nobody says who their bearers are', async (_name, options) => {
    expect(await problems({ ...jwt, ...options })).toContain('resolveUser');
  });

  it('when tokens are to be verified without a secret, or with a word that is no way to sign in', async () => {
    expect(await problems({ auth: 'jwt' })).toEqual(['jwtSecret (JWT_SECRET)']);
    expect(await problems({ auth: 'none' })).toEqual(['auth']);
    expect(await problems({ ...jwt, jwtLeewaySeconds: 301 })).toEqual(['jwtLeewaySeconds']);
    expect(await problems({ ...jwt, resolveUser: 'yes' })).toContain('resolveUser');
  });

  it('not when resolveUser is there', async () => {
    expect(await problems({ ...jwt, plans, resolveUser: ({ id }) => ({ id }) })).toEqual([]);
  });
});

describe('resolveUser', () => {
  const started = async (resolveUser, options) => {
    const sim = await startSim(['echo', 'wait']);
    return { sim, ...(await startJwtHost(sim, { resolveUser, ...options })) };
  };

  it('is given the claims, once per user in 30 s', async () => {
    const seen = [];
    const { call } = await started((claims) => {
      seen.push(claims);
      return { id: claims.id };
    });
    for (let times = 0; times < 3; times += 1) {
      expect((await call('GET', '/flows/echo', { headers: bearer({ id: 'ann', username: 'Ann' }) })).status).toBe(200);
    }
    expect(seen).toEqual([{ exp: expect.any(Number), id: 'ann', username: 'Ann' }]);
    await call('GET', '/flows/echo', { headers: bearer({ id: 'bob' }) });
    expect(seen).toHaveLength(2);
  });

  it('that knows no such user, or a banned one, makes it 401, and is not asked again for a while', async () => {
    const users = { ann: { id: 'ann' }, eve: { id: 'eve', banned: true } };
    const seen = [];
    const { sim, call } = await started(({ id }) => {
      seen.push(id);
      return users[id]?.banned ? null : users[id];
    });
    await withoutSim(sim, async () => {
      for (const id of ['eve', 'eve', 'ghost', 'ghost']) {
        const answer = await call('GET', '/flows/echo', { headers: bearer({ id }) });
        expect(refusal(answer)).toEqual([401, 'unauthenticated']);
      }
    });
    expect(seen).toEqual(['eve', 'ghost']);
    expect((await call('GET', '/flows/echo', { headers: bearer({ id: 'ann' }) })).status).toBe(200);
  });

  it.each([
    ['nothing', undefined],
    ['no object', 'ann'],
    ['true', true],
    ['an object without an id', { role: 'ADMIN' }],
    ['an empty id', { id: '' }],
    ['an id with a NUL', { id: 'a\0b' }],
    ['an empty tenant', { id: 'ann', tenantId: '' }],
  ])('that answers %s makes it 401', async (_name, answer) => {
    const { sim, call } = await started(() => answer);
    await withoutSim(sim, async () => {
      expect((await call('GET', '/flows/echo', { headers: bearer({ id: 'ann' }) })).status).toBe(401);
    });
  });

  it('that throws refuses, says so in the log, and is asked again', async () => {
    const lines = [];
    let broken = true;
    const logger = { warn: (_message, { event }) => lines.push(event) };
    const { sim, call } = await started(
      ({ id }) => {
        if (broken) throw new Error('the database is away');
        return { id };
      },
      { logger },
    );
    const headers = bearer({ id: 'ann' });
    await withoutSim(sim, async () => {
      const answer = await call('GET', '/flows/echo', { headers });
      expect(refusal(answer)).toEqual([403, 'forbidden']);
      expect(answer.text).not.toContain('database');
    });
    expect(lines).toEqual(['hook_failed']);
    broken = false;
    expect((await call('GET', '/flows/echo', { headers })).status).toBe(200);
  });

  it('separates tenants: the same id in another tenant opens no handle', async () => {
    const { sim, call } = await started(({ id, tenant }) => ({ id: 'ann', tenantId: id.split('@')[1] ?? tenant }));
    const [acme, other, none] = ['ann@acme', 'ann@other', 'ann'].map((id) => ({ headers: bearer({ id }) }));
    const { json } = await call('POST', '/flows/wait/run', acme);
    expect(simUser(sim.requests.at(-1))).toEqual(['acme', 'ann']);
    const status = `/runs/${json.run.id}/status`;
    expect((await call('GET', status, acme)).status).toBe(200);
    for (const stranger of [other, none]) {
      await call('GET', '/flows/echo', stranger);
      await withoutSim(sim, async () => expect((await call('GET', status, stranger)).status).toBe(404));
    }
  });

  it('gives role, plan and the user that gate and canRunFlow see', async () => {
    const seen = [];
    const plans = { basic: { operations: ['flows.list'] }, full: {} };
    const { call } = await started(
      ({ id }) => ({
        id,
        role: id === 'root' ? 'ADMIN' : 'USER',
        subscription: { name: id === 'eve' ? 'basic' : 'full' },
      }),
      {
        plans,
        planOf: 'subscription.name',
        gate: (user, operation) => {
          seen.push([user.id, user.role, operation]);
          return true;
        },
      },
    );
    const deploy = { body: { name: 'draft', deploy: true } };
    expect(refusal(await call('POST', '/flows/create', { ...deploy, headers: bearer({ id: 'ann' }) }))).toEqual([
      403,
      'plan_required',
    ]);
    expect((await call('POST', '/flows/create', { ...deploy, headers: bearer({ id: 'root' }) })).status).toBe(201);
    expect(refusal(await call('GET', '/flows/echo', { headers: bearer({ id: 'eve' }) }))).toEqual([
      403,
      'plan_required',
    ]);
    expect(seen).toEqual([['root', 'ADMIN', 'flows.deploy']]);
  });

  it('may answer a document of LibreChat’s database, whose id is an ObjectId', async () => {
    const { default: mongoose } = await import('mongoose');
    const _id = new mongoose.Types.ObjectId();
    const User = mongoose.model('Stand-in', new mongoose.Schema({ role: String, password: String }));
    const { sim, call } = await started(() => new User({ _id, role: 'ADMIN', password: 'hash' }));
    const body = { name: 'draft', deploy: true };
    expect((await call('POST', '/flows/create', { body, headers: bearer({ id: String(_id) }) })).status).toBe(201);
    expect(simUser(sim.requests[0])).toEqual(['', String(_id)]);
  });
});
