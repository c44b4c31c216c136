// One test for each mistake of the first, hand-written version of this adapter.

import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

import { refusal, simUser, startAll, startGuard, startInstance, startSim, withoutSim } from './support.mjs';

const shared = new URL('../../../shared/sim-openapi/', import.meta.url);
const SIGNING = 'one-signing-secret-of-enough-bytes-0001';

describe('once a mistake', () => {
  it.each([
    '/api/flows/../../api/users/me',
    '/api/flows/%2e%2e/%2e%2e/api/users/me',
    '/api/flows\\..\\..\\api\\users\\me',
    '/api/flows/..%2f..%2fapi/users/me',
  ])('path traversal through the allow-list: %s', async (path) => {
    const { sim, call } = await startAll();
    await withoutSim(sim, async () => {
      const answer = await call('POST', '/proxy', { body: { method: 'GET', path } });
      expect(refusal(answer)).toEqual([403, 'path_not_allowed']);
    });
  });

  it.each(['?workspaceId=other', '%3fworkspaceId=other', '#x', ';workspaceId=other'])(
    'a query smuggled in path: %s',
    async (tail) => {
      const { sim, call } = await startAll();
      await withoutSim(sim, async () => {
        const answer = await call('POST', '/proxy', { body: { method: 'GET', path: `/api/v2/workflows${tail}` } });
        expect(refusal(answer)).toEqual([403, 'path_not_allowed']);
      });
    },
  );

  it('a limiter keyed by a client-sent header', async () => {
    const { sim, call } = await startAll(['echo'], { adapter: { userMax: 1, userWindow: 60, ipMax: 5, ipWindow: 60 } });
    await call('GET', '/flows/echo');
    await withoutSim(sim, async () => {
      for (const address of ['10.0.0.1', '10.0.0.2', '10.0.0.3']) {
        const headers = { 'x-forwarded-for': address, 'x-user-id': address, 'x-client-id': address };
        expect((await call('GET', '/flows/echo', { headers })).status).toBe(429);
      }
    });
  });

  it('a user id taken from client headers', async () => {
    const { sim, call } = await startAll();
    const headers = {
      'x-user-id': 'root',
      'x-sim-user': 'AHJvb3Q',
      'x-librechat-user': 'root',
      'x-user-role': 'ADMIN',
    };
    await withoutSim(sim, async () => expect((await call('GET', '/flows', { user: null, headers })).status).toBe(401));
    await call('GET', '/flows/echo', { headers });
    expect(simUser(sim.requests[0])).toEqual(['', 'ann']);
  });

  it('a signature without method, path, query, user or nonce', async () => {
    const sim = await startSim();
    const guard = await startGuard(sim, SIGNING);
    const { call } = await startInstance(sim, { baseUrl: guard.url, signingSecret: SIGNING });
    const body = { method: 'GET', path: '/api/v2/workflows', query: { limit: 1 } };
    expect((await call('POST', '/proxy', { body })).status).toBe(200);
    const [{ method, path, headers }] = sim.requests;
    for (const name of ['host', 'connection']) delete headers[name];
    // The request again, as Sim got it, and with one thing changed each time.
    const replay = (changes = {}) =>
      fetch(guard.url + (changes.path ?? path), {
        method: changes.method ?? method,
        headers: { ...headers, ...changes.headers },
      }).then((response) => response.json().then(({ error }) => [response.status, error.details.reason]));
    expect(await replay()).toEqual([401, 'replayed']);
    const nonce = headers['signature-input'].replace(/nonce="./, 'nonce="-');
    for (const changes of [
      { method: 'DELETE' },
      { path: path.replace('/workflows', '/knowledge') },
      { path: `${path}&limit=100` },
      { headers: { 'x-sim-user': Buffer.from('\0root').toString('base64url') } },
      { headers: { 'signature-input': nonce } },
    ]) {
      const [status, reason] = await replay(changes);
      expect([JSON.stringify(changes), status]).toEqual([JSON.stringify(changes), 401]);
      expect(reason).not.toBe('replayed');
    }
    expect(sim.requests).toHaveLength(1);
  });

  it('a POST run that was retried blindly', async () => {
    const { sim, call } = await startAll();
    sim.addFault({ kind: 'reset', path: /execute$/, times: 2, apply: true });
    expect((await call('POST', '/flows/echo/run')).status).toBe(202);
    const tries = sim.requests.filter(({ path }) => path.endsWith('/execute'));
    expect(new Set(tries.map(({ headers }) => headers['x-run-id'])).size).toBe(1);
    expect(sim.runs).toHaveLength(1);
  });

  it('a GET with a body', async () => {
    const { sim, call } = await startAll();
    const body = { method: 'GET', path: '/api/v2/workflows', body: { a: 1 } };
    await withoutSim(sim, async () => expect((await call('POST', '/proxy', { body })).status).toBe(400));
    await call('GET', '/flows');
    await call('GET', '/flows/echo');
    for (const { method, body: sent, headers } of sim.requests) {
      expect([method, sent.length, headers['content-length'], headers['transfer-encoding']]).toEqual([
        'GET',
        0,
        undefined,
        undefined,
      ]);
    }
  });

  it('upstream bodies echoed and logged', async () => {
    const lines = [];
    const log = (...words) => lines.push(JSON.stringify(words));
    const { sim, call } = await startAll(['echo'], { adapter: { logger: { info: log, warn: log } } });
    const word = 'stack-trace-of-sims-own';
    for (const fault of [
      { kind: 'status', status: 500, body: { error: word } },
      { kind: 'html', title: word },
      { kind: 'status', status: 200, body: word },
    ]) {
      const remove = sim.addFault(fault);
      for (const request of [
        ['GET', '/flows/echo'],
        ['POST', '/flows/echo/run'],
        ['POST', '/proxy', { body: { method: 'GET', path: '/api/v2/workflows' } }],
      ]) {
        expect((await call(...request)).text).not.toContain(word);
      }
      remove();
    }
    expect(lines.join()).not.toContain(word);
  });

  it('a timer leak', async () => {
    const { sim, call } = await startAll();
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    await call('GET', '/flows/echo');
    const before = timers();
    sim.addFault({ kind: 'reset', probability: 0.3 });
    for (let times = 0; times < 10; times += 1) {
      await Promise.all(Array.from({ length: 10 }, () => call('GET', '/flows/echo')));
    }
    // Sockets that are kept alive have timers of their own, one each at the most.
    expect(timers() - before).toBeLessThan(30);
  });

  it.each(['v2', 'v1'])('endpoints that Sim lacks (%s)', async (apiVersion) => {
    const { sim, call } = await startAll(['echo', 'approve', 'wait'], {
      sim: { apiVersions: [apiVersion] },
      adapter: { apiVersion },
    });
    await call('GET', '/health');
    await call('GET', '/flows');
    await call('GET', '/flows/echo');
    await call('POST', '/flows/create', { body: { name: 'draft', deploy: true }, role: 'ADMIN' });
    await call('POST', '/flows/create', { body: { name: 'draft' } });
    const { json } = await call('POST', '/flows/approve/run');
    await sim.waitFor('status', ({ status }) => status === 'paused');
    await call('GET', `/runs/${json.run.id}/status`);
    await call('POST', `/runs/${json.run.id}/resume`, { body: { input: { approved: true } } });
    const waiting = await call('POST', '/flows/wait/run');
    await call('POST', `/runs/${waiting.json.run.id}/cancel`);
    const used = new Set(sim.requests.map(({ method, path }) => `${method.toLowerCase()} ${path.split('?')[0]}`));
    expect(used.size).toBeGreaterThan(8);
    // v1's flows and the health check are not in Sim's OpenAPI documents, but were seen on a running Sim.
    const known = [
      'get /api/health',
      'get /api/v1/workflows',
      'get /api/v1/workflows/{id}',
      'post /api/v1/workflows/import',
      'post /api/v1/workflows/{id}/deploy',
    ];
    if (existsSync(shared)) {
      for (const name of ['openapi-core', 'openapi-v2-workflows']) {
        const { paths } = JSON.parse(readFileSync(new URL(`${name}.json`, shared), 'utf8'));
        for (const [path, methods] of Object.entries(paths))
          known.push(...Object.keys(methods).map((method) => `${method} ${path}`));
      }
      const patterns = known.map((one) => new RegExp(`^${one.replace(/\{\w+\}/g, '[^/]+')}$`));
      expect([...used].filter((one) => !patterns.some((pattern) => pattern.test(one)))).toEqual([]);
    } else {
      console.log('Sim’s OpenAPI documents are not here: only the paths that it surely lacks are looked for');
    }
    expect([...used].filter((one) => / \/api\/(flows|runs)(\/|$)/.test(one))).toEqual([]);
  });
});
