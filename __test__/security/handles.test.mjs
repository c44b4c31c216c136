// A run handle is for the user who got it, and for nobody else: whoever else has it, or something like it, gets 404, and
// Sim never hears of it.

import { describe, expect, it } from 'vitest';

import { refusal, SECRET, startAll, startInstance, startSim, withoutSim } from './support.mjs';

const OTHER_SECRET = 'another-secret-that-is-long-enough-too';

const version = (apiVersion) => ({ sim: { apiVersions: [apiVersion] }, adapter: { apiVersion } });

/** Where Sim's own API has a run, as `/proxy` takes it. */
const PLACES = {
  v2: (flow, run) => `/api/v2/workflows/${flow}/runs/${run}`,
  v1: (flow, run) => `/api/workflows/${flow}/executions/${run}`,
  flows: (_flow, run) => `/api/runs/${run}`,
};

/** Every way to use a handle. */
const uses = (handle, apiVersion, flow = 'approve') => [
  ['GET', `/runs/${handle}/status`],
  ['GET', `/runs/${handle}/events`],
  ['POST', `/runs/${handle}/cancel`],
  ['POST', `/runs/${handle}/resume`, { input: { approved: true } }],
  ['POST', '/proxy', { method: 'GET', path: PLACES[apiVersion](flow, handle) }],
];

const start = async (call, more) => (await call('POST', '/flows/approve/run', more)).json.run.id;

async function expectNothingOpens(sim, call, handle, apiVersion, more) {
  await withoutSim(sim, async () => {
    for (const [method, path, body] of uses(handle, apiVersion)) {
      expect([path, ...refusal(await call(method, path, { body, ...more }))]).toEqual([path, 404, 'not_found']);
    }
  });
}

describe.each(['v2', 'v1', 'flows'])('with Sim speaking %s', (apiVersion) => {
  it("user B with user A's handle gets 404 on status, events, cancel, resume and /proxy, and Sim sees no request", async () => {
    const { sim, call } = await startAll(['approve'], version(apiVersion));
    const handle = await start(call, { user: 'ann' });
    await expectNothingOpens(sim, call, handle, apiVersion, { user: 'bob' });
    expect((await call('GET', `/runs/${handle}/status`, { user: 'ann' })).status).toBe(200);
  });

  it("Sim's own run id opens nothing, not even for the user whose run it is", async () => {
    const { sim, call } = await startAll(['approve'], version(apiVersion));
    await start(call, { user: 'ann' });
    await expectNothingOpens(sim, call, sim.runs[0].id, apiVersion, { user: 'ann' });
  });

  it('an answer never holds Sim’s own run id', async () => {
    const { sim, call } = await startAll(['approve'], version(apiVersion));
    const answers = [await call('POST', '/flows/approve/run')];
    const handle = answers[0].json.run.id;
    await sim.waitFor('status', ({ status }) => status === 'paused');
    for (const [method, path, body] of uses(handle, apiVersion)) {
      if (!path.endsWith('/events')) answers.push(await call(method, path, { body }));
    }
    const [{ id }] = sim.runs;
    for (const { text } of answers) expect(text).not.toContain(id);
  });
});

describe('a handle', () => {
  it('of one tenant opens nothing in another, or without one', async () => {
    const { sim, call } = await startAll(['approve']);
    const of = (tenant) => ({ user: 'ann', headers: tenant ? { 'x-test-tenant': tenant } : {} });
    const handle = await start(call, of('acme'));
    for (const tenant of ['other', 'ACME', 'acme ann', undefined]) {
      await expectNothingOpens(sim, call, handle, 'v2', of(tenant));
    }
    await expectNothingOpens(sim, call, handle, 'v2', { user: 'acme' });
    expect((await call('GET', `/runs/${handle}/status`, of('acme'))).status).toBe(200);
  });

  it('with any one character changed, dropped or added opens nothing', async () => {
    const { sim, call } = await startAll(['approve']);
    const handle = await start(call);
    const others = new Set([`${handle}A`, `A${handle}`, `${handle}=`, handle.toLowerCase(), handle.slice(0, -4)]);
    for (let at = 0; at < handle.length; at += 1) {
      const [head, tail] = [handle.slice(0, at), handle.slice(at + 1)];
      for (const other of ['A', 'Q', 'w', '-', '_']) others.add(`${head}${other}${tail}`);
      others.add(head + tail);
    }
    others.delete(handle);
    expect(others.size).toBeGreaterThan(300);
    await withoutSim(sim, async () => {
      for (const other of others) {
        expect([other, (await call('GET', `/runs/${other}/status`)).status]).toEqual([other, 404]);
      }
    });
  });

  it.each(['', '.', '..', 'null', 'undefined', '%00', '..%2f..', 'A'.repeat(513), 'A'.repeat(8000), 'é', '0'])(
    'that is %j opens nothing',
    async (handle) => {
      const { sim, call } = await startAll(['approve']);
      await withoutSim(sim, async () => {
        const answer = await call('GET', `/runs/${encodeURIComponent(handle)}/status`);
        expect(refusal(answer)).toEqual([404, 'not_found']);
      });
    },
  );

  it('of the host’s own call is no user’s', async () => {
    const { sim, adapter, call } = await startAll(['approve']);
    const { run } = await adapter.runFlow('approve');
    expect((await adapter.runStatus(run.id)).run.id).toBe(run.id);
    await expectNothingOpens(sim, call, run.id, 'v2', { user: 'ann' });
    await expect(adapter.runStatus(await start(call))).rejects.toMatchObject({ code: 'not_found' });
  });

  it('opens in /proxy only at the flow and the generation that it names', async () => {
    const { sim, call } = await startAll(['approve', 'echo']);
    const handle = await start(call);
    await withoutSim(sim, async () => {
      for (const path of [PLACES.v2('echo', handle), PLACES.v1('approve', handle), PLACES.flows('approve', handle)]) {
        expect(refusal(await call('POST', '/proxy', { body: { method: 'GET', path } }))).toEqual([404, 'not_found']);
      }
    });
  });

  it('is URL-safe, below 120 characters, and still works when Sim speaks another generation by then', async () => {
    const sim = await startSim(['approve']);
    const [v1, v2] = await Promise.all(['v1', 'v2'].map((apiVersion) => startInstance(sim, { apiVersion })));
    const handle = await start(v1.call);
    expect(handle).toMatch(/^[A-Za-z0-9_-]{20,119}$/);
    expect((await v2.call('GET', `/runs/${handle}/status`)).status).toBe(200);
    expect(sim.requests.at(-1).path).toMatch(/^\/api\/workflows\/approve\//);
  });
});

describe('while secrets are being changed', () => {
  it.each([
    ['a new one is added', [SECRET], [OTHER_SECRET, SECRET]],
    ['the old one is removed', [OTHER_SECRET, SECRET], [OTHER_SECRET]],
  ])('%s on one of two instances: each opens the handles of the other', async (_step, before, after) => {
    const sim = await startSim(['approve']);
    const one = await startInstance(sim, { handleSecret: before });
    const two = await startInstance(sim, { handleSecret: after });
    for (const [minting, opening] of [
      [one, two],
      [two, one],
    ]) {
      const handle = await start(minting.call);
      expect((await opening.call('GET', `/runs/${handle}/status`)).status).toBe(200);
      await expectNothingOpens(sim, opening.call, handle, 'v2', { user: 'bob' });
    }
  });

  it('a new one on one of two instances: a key starts one run all the same', async () => {
    const sim = await startSim(['echo']);
    const one = await startInstance(sim, { handleSecret: [SECRET] });
    const two = await startInstance(sim, { handleSecret: [OTHER_SECRET, SECRET] });
    for (const [first, second, key] of [
      [one, two, 'k1'],
      [two, one, 'k2'],
    ]) {
      const headers = { 'idempotency-key': key };
      expect((await first.call('POST', '/flows/echo/run', { headers })).headers.get('idempotent-replayed')).toBe(null);
      expect((await second.call('POST', '/flows/echo/run', { headers })).headers.get('idempotent-replayed')).toBe(
        'true',
      );
    }
    expect(sim.runs).toHaveLength(2);
  });

  it('what was minted with a secret that is gone opens nothing', async () => {
    const sim = await startSim(['approve']);
    const one = await startInstance(sim, { handleSecret: SECRET });
    const two = await startInstance(sim, { handleSecret: OTHER_SECRET });
    await expectNothingOpens(sim, two.call, await start(one.call), 'v2');
  });
});
