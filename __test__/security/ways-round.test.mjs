// Ways round: what is refused in one place must not be had through another.

import { expect, test } from 'vitest';

import { refusal, startAll, startInstance, startSim, withoutSim } from './support.mjs';

const proxied = (call, body, more) => call('POST', '/proxy', { body, ...more });

test('a flow that plan or host hides is hidden below every path of it', async () => {
  const proxyRules = ['GET /api/v2/workflows/{id}/export', 'POST /api/v2/workflows/{id}/rollback'];
  const plans = { p: { flows: ['echo'] } };
  const { sim, call } = await startAll(['echo', 'wait'], { adapter: { proxyRules, plans, planOf: () => 'p' } });
  const exported = (flow) => proxied(call, { method: 'GET', path: `/api/v2/workflows/${flow}/export` });
  expect((await exported('echo')).status).toBe(200);
  await withoutSim(sim, async () => expect(refusal(await exported('wait'))).toEqual([404, 'not_found']));
  const host = await startInstance(sim, { proxyRules, canRunFlow: (_user, { id }) => id === 'echo' });
  const below = { method: 'GET', path: '/api/v2/workflows/wait/export' };
  expect(refusal(await proxied(host.call, below))).toEqual([404, 'not_found']);
  expect(sim.requests.filter(({ path }) => path.includes('wait/export'))).toEqual([]);
});

test('going back to an earlier deployment needs the right to deploy', async () => {
  const proxyRules = ['POST /api/v2/workflows/{id}/rollback'];
  const { sim, call } = await startAll(['echo'], { adapter: { proxyRules } });
  const body = { method: 'POST', path: '/api/v2/workflows/echo/rollback', body: { version: 1 } };
  await withoutSim(sim, async () => expect(refusal(await proxied(call, body))).toEqual([403, 'forbidden']));
});

test('an address starts no more runs through /proxy than on the route', async () => {
  const proxyRules = ['POST /api/v2/workflows/{id}/execute'];
  const { sim, call } = await startAll(['echo'], { adapter: { proxyRules, ipMax: 2 } });
  for (let number = 0; number < 2; number += 1) await call('POST', '/flows/echo/run', { user: `u${number}` });
  const body = { method: 'POST', path: '/api/v2/workflows/echo/execute', body: { input: {} } };
  await withoutSim(sim, async () =>
    expect(refusal(await proxied(call, body, { user: 'another' }))).toEqual([429, 'rate_limited']),
  );
});

test('a run that may exist keeps what it took, also in a Sim without claims', async () => {
  const plans = { p: { runsPerDay: 1 } };
  const sim = await startSim(['echo'], { apiVersions: ['flows'] });
  const { call } = await startInstance(sim, { apiVersion: 'flows', plans, planOf: () => 'p' });
  sim.addFault({ kind: 'reset', path: /run$/, apply: true, times: 1 });
  expect((await call('POST', '/flows/echo/run')).status).toBe(502);
  expect(refusal(await call('POST', '/flows/echo/run'))).toEqual([429, 'quota_exceeded']);
  expect(sim.runs).toHaveLength(1);
});

test('a user that is nobody is refused in Node too, and is not the host', async () => {
  const { sim, adapter } = await startAll(['echo']);
  await withoutSim(sim, async () => {
    for (const user of [undefined, null, {}]) {
      await expect(adapter.runFlow('echo', { user })).rejects.toMatchObject({ code: 'unauthenticated' });
    }
  });
  expect((await adapter.runFlow('echo')).run.status).toBe('queued');
});

test('a tenant that cannot be read is not the same as none', async () => {
  const { sim, adapter } = await startAll(['echo']);
  await withoutSim(sim, async () => {
    for (const tenantId of [{}, [], true]) {
      const user = { id: 'ann', tenantId };
      await expect(adapter.runFlow('echo', { user })).rejects.toMatchObject({ code: 'unauthenticated' });
    }
  });
});
