// With a signing secret every request to Sim is signed: the package's own guard stands in front of the emulator here and
// lets nothing else through.

import { describe, expect, it } from 'vitest';

import { documents, refusal, startGuard, startInstance, startSim } from './support.mjs';

const SECRET = 'one-signing-secret-of-enough-bytes-0001';
const NEWER = 'one-signing-secret-of-enough-bytes-0002';

/** Every operation of the adapter, one after the other; answers what each said. */
async function everyOperation(sim, call, apiVersion) {
  const said = {};
  const ask = async (name, ...request) => {
    const { status, json } = await call(...request);
    said[name] = status;
    return json;
  };
  const headers = { 'x-test-tenant': 'acme', traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' };
  const as = (more) => ({ user: 'ann ü', role: 'ADMIN', headers, ...more });
  await ask('health', 'GET', '/health', as());
  await ask('list', 'GET', '/flows', as());
  await ask('get', 'GET', '/flows/echo', as());
  await ask('create', 'POST', '/flows/create', as({ body: { name: 'draft', document: documents.echo, deploy: true } }));
  await ask('run', 'POST', '/flows/echo/run', as({ body: { input: { text: 'ü\u0000"' } } }));
  await ask('sync run', 'POST', '/flows/echo/run', as({ body: { input: {}, mode: 'sync' } }));
  const { run } = await ask('pausing run', 'POST', '/flows/approve/run', as());
  await sim.waitFor('status', ({ flowId, status }) => flowId === 'approve' && status === 'paused');
  await ask('status', 'GET', `/runs/${run.id}/status`, as());
  if (apiVersion === 'v2') {
    const place = `/api/v2/workflows/approve/runs/${run.id}`;
    await ask(
      'proxied run',
      'POST',
      '/proxy',
      as({ body: { method: 'GET', path: place, query: { includeOutput: true } } }),
    );
  }
  const query = { workspaceId: sim.workspaceId, limit: 1, search: 'a b&c=ü/%2e' };
  const path = { v2: '/api/v2/workflows', v1: '/api/v1/workflows', flows: '/api/flows' }[apiVersion];
  await ask('proxied list', 'POST', '/proxy', as({ body: { method: 'GET', path, query } }));
  if (apiVersion !== 'flows') {
    await ask('resume', 'POST', `/runs/${run.id}/resume`, as({ body: { input: { approved: true } } }));
    const other = await ask('second run', 'POST', '/flows/wait/run', as());
    await ask('cancel', 'POST', `/runs/${other.run.id}/cancel`, as());
  }
  return said;
}

const started = async (apiVersion, { guard = SECRET, adapter = SECRET } = {}) => {
  const sim = await startSim(['echo', 'approve', 'wait'], { apiVersions: [apiVersion] });
  const { url: baseUrl, seen, refused } = await startGuard(sim, guard);
  const instance = await startInstance(sim, { baseUrl, apiVersion, signingSecret: adapter });
  return { sim, seen, refused, ...instance };
};

describe.each(['v2', 'v1', 'flows'])('with Sim speaking %s', (apiVersion) => {
  it('every request of every operation passes the guard, each with a nonce of its own, for the user who asked', async () => {
    const { sim, call, seen, refused } = await started(apiVersion);
    const said = await everyOperation(sim, call, apiVersion);
    expect(Object.entries(said).filter(([, status]) => status >= 300)).toEqual([]);
    expect(refused).toEqual([]);
    expect(seen).toHaveLength(sim.requests.length);
    expect(new Set(seen.map(({ nonce }) => nonce)).size).toBe(seen.length);
    const own = seen.filter(({ path }) => path === '/api/health');
    for (const { signedBy } of seen.filter((one) => !own.includes(one))) {
      expect(signedBy).toMatchObject({ tenant: 'acme', user: 'ann ü' });
    }
  });
});

describe('a request to Sim', () => {
  it('that is tried again is signed anew', async () => {
    const { sim, call, seen } = await started('v2');
    sim.addFault({ kind: 'reset', path: /execute$/, times: 2, apply: false });
    expect((await call('POST', '/flows/echo/run')).status).toBe(202);
    const tries = seen.filter(({ path }) => path.endsWith('/execute'));
    expect(tries).toHaveLength(3);
    expect(new Set(tries.map(({ nonce }) => nonce)).size).toBe(3);
    expect(sim.runs).toHaveLength(1);
  });

  it.each([
    ['the new secret before the guard forgets the old one', [NEWER, SECRET], NEWER],
    ['the old secret while the guard knows both', [NEWER, SECRET], SECRET],
    ['the first of its secrets', NEWER, [NEWER, SECRET]],
  ])('may be signed with %s', async (_name, guard, adapter) => {
    const { call, refused } = await started('v2', { guard, adapter });
    expect((await call('GET', '/flows/echo')).status).toBe(200);
    expect(refused).toEqual([]);
  });

  it.each([
    ['another secret', SECRET, NEWER],
    ['a secret that is gone', NEWER, SECRET],
    ['no secret', SECRET, null],
  ])('signed with %s is refused by the guard, which is no 401 for the user', async (_name, guard, adapter) => {
    const { sim, call, refused } = await started('v2', { guard, adapter });
    expect(refusal(await call('GET', '/flows/echo'))).toEqual([502, 'upstream_auth']);
    expect(refused).toHaveLength(1);
    expect(sim.requests).toEqual([]);
  });
});
