// What is asked again after a fault and what never is, and that a start is one run whatever the network does.

import { describe, expect, it } from 'vitest';
import { documents, startAdapter, startAll, startSim } from '../http/support.mjs';

const posts = (sim, end) => sim.requests.filter(({ method, path }) => method === 'POST' && path.endsWith(end));

/** Faults after which nobody knows whether Sim acted. */
const UNCLEAR = ['reset', 'cut-head', 'cut-body', 'truncated'];

const v2 = { apiVersions: ['v2'] };

describe('a start', () => {
  const claims = { v2: 'x-run-id', v1: 'x-execution-id' };

  describe.each(Object.entries(claims))('in %s', (apiVersion, header) => {
    it.each(UNCLEAR.flatMap((kind) => [true, false].map((apply) => [kind, apply])))(
      'that met %s (taken by Sim: %s) is asked again with the same id, and is one run',
      async (kind, apply) => {
        const { sim, adapter } = await startAll(['echo'], {
          sim: { apiVersions: [apiVersion] },
          adapter: { apiVersion },
        });
        sim.addFault({ kind, apply, method: 'POST', times: 2 });
        const { run } = await adapter.runFlow('echo', { input: { a: 1 } });
        expect((await adapter.runStatus(run.id)).run.flowId).toBe('echo');
        const ids = posts(sim, '/execute').map(({ headers }) => headers[header]);
        expect(ids).toHaveLength(3);
        expect(new Set(ids).size).toBe(1);
        expect(sim.runs.map(({ id }) => id)).toEqual([ids[0]]);
      },
    );

    it('that never got an answer says under which handle it may be running', async () => {
      const { sim, adapter } = await startAll(['echo'], {
        sim: { apiVersions: [apiVersion] },
        adapter: { apiVersion },
      });
      sim.addFault({ kind: 'reset', apply: true, method: 'POST' });
      const error = await adapter.runFlow('echo').catch((error) => error);
      expect([error.code, error.status]).toEqual(['upstream_unreachable', 502]);
      sim.clearFaults();
      expect((await adapter.runStatus(error.details.runId)).run.flowId).toBe('echo');
      expect(sim.runs).toHaveLength(1);
    });

    it('whose later try was refused is still not said to have failed for certain', async () => {
      const { sim, adapter } = await startAll(['echo'], {
        sim: { apiVersions: [apiVersion] },
        adapter: { apiVersion },
      });
      sim.addFault({ kind: 'reset', apply: true, method: 'POST', times: 1 });
      sim.addFault({ kind: 'status', status: 429, method: 'POST' });
      const error = await adapter.runFlow('echo').catch((error) => error);
      expect(error.code).toBe('upstream_busy');
      expect((await adapter.runStatus(error.details.runId)).run.flowId).toBe('echo');
    });
  });

  it('that Sim may have queued is read, not sent again', async () => {
    const { sim, adapter } = await startAll(['echo'], { sim: { apiVersions: ['v1'] }, adapter: { apiVersion: 'v1' } });
    const body = { error: 'x', code: 'ASYNC_ENQUEUE_AMBIGUOUS', executionId: 'x' };
    sim.addFault({ kind: 'status', status: 503, body, apply: true, method: 'POST' });
    const { run } = await adapter.runFlow('echo');
    expect((await adapter.runStatus(run.id)).run.flowId).toBe('echo');
    expect([posts(sim, '/execute').length, sim.runs.length]).toEqual([1, 1]);
  });

  it('whose conflict proves nothing is a conflict', async () => {
    const { sim, adapter } = await startAll(['echo'], { sim: v2 });
    const body = { error: { code: 'CONFLICT', message: 'x', details: { code: 'CALL_CHAIN' } } };
    sim.addFault({ kind: 'status', status: 409, body, method: 'POST' });
    await expect(adapter.runFlow('echo')).rejects.toMatchObject({ code: 'conflict', details: { reason: 'state' } });
    expect(sim.runs).toEqual([]);
  });

  it('in a Sim without claims is never sent twice once a byte of it was', async () => {
    for (const kind of [...UNCLEAR, 'html', 'huge-header']) {
      const { sim, adapter } = await startAll(['echo'], {
        sim: { apiVersions: ['flows'] },
        adapter: { apiVersion: 'flows' },
      });
      sim.addFault({ kind, apply: true, method: 'POST' });
      const error = await adapter.runFlow('echo', { idempotencyKey: 'k' }).catch((error) => error);
      expect([kind, error.status]).toEqual([kind, 502]);
      expect([posts(sim, '/run').length, sim.runs.length]).toEqual([1, 1]);
      sim.clearFaults();
      await expect(adapter.runFlow('echo', { idempotencyKey: 'k' })).rejects.toMatchObject({
        code: 'conflict',
        details: { reason: 'in_progress' },
      });
      expect(sim.runs).toHaveLength(1);
    }
  });
});

describe('never sent twice', () => {
  it.each(UNCLEAR)('is a creation, after %s', async (kind) => {
    const { sim, adapter } = await startAll([], { sim: v2 });
    for (const [draft, end] of [
      [{ name: 'a' }, '/workflows'],
      [{ name: 'b', document: documents.echo }, '/import'],
    ]) {
      sim.addFault({ kind, apply: true, method: 'POST', times: 1 });
      await expect(adapter.createFlow(draft)).rejects.toMatchObject({ status: 502 });
      expect(posts(sim, end)).toHaveLength(1);
    }
    expect(sim.flows).toHaveLength(2);
  });

  it.each(UNCLEAR)('is a deployment, after %s; the flow that was made is told', async (kind) => {
    const { sim, adapter } = await startAll([], { sim: v2 });
    sim.addFault({ kind, apply: true, method: 'POST', path: /deploy$/ });
    const draft = { name: 'b', document: documents.echo, deploy: true };
    const error = await adapter.createFlow(draft).catch((error) => error);
    expect(error.details.flowId).toBe(sim.flows[0].id);
    expect(posts(sim, '/deploy')).toHaveLength(1);
  });

  it.each(UNCLEAR)('is an answer to a pause, after %s', async (kind) => {
    const { sim, adapter } = await startAll(['approve'], { sim: v2 });
    const { run } = await adapter.runFlow('approve');
    await sim.waitFor('status', ({ status }) => status === 'paused');
    sim.addFault({ kind, apply: true, method: 'POST', path: /resume$/ });
    await expect(adapter.resumeRun(run.id, { input: { approved: true } })).rejects.toMatchObject({ status: 502 });
    expect(posts(sim, '/resume')).toHaveLength(1);
  });

  it('is a write through /proxy', async () => {
    const { sim, adapter } = await startAll([], { sim: v2, adapter: { proxyRules: ['POST /api/v2/workflows'] } });
    sim.addFault({ kind: 'reset', apply: true, method: 'POST' });
    const body = { workspaceId: sim.workspaceId, name: 'a' };
    const request = { method: 'POST', path: '/api/v2/workflows', body };
    await expect(adapter.proxy(request)).rejects.toMatchObject({ status: 502 });
    expect(posts(sim, '/workflows')).toHaveLength(1);
  });
});

describe('sent again', () => {
  it('is a read and a cancellation, four times at the most', async () => {
    const { sim, adapter } = await startAll(['wait'], { sim: v2 });
    const { run } = await adapter.runFlow('wait');
    sim.requests.length = 0;
    sim.addFault({ kind: 'reset' });
    await expect(adapter.runStatus(run.id)).rejects.toMatchObject({ code: 'upstream_unreachable' });
    expect(sim.requests).toHaveLength(4);
    sim.clearFaults();
    sim.addFault({ kind: 'reset', apply: true, method: 'POST', times: 2 });
    expect((await adapter.cancelRun(run.id)).run.status).toBe('cancelled');
    expect(posts(sim, '/cancel')).toHaveLength(3);
  });

  it('is not everything for ever: retries have a budget that an outage uses up', async () => {
    const { sim, adapter } = await startAll(['echo'], { sim: v2 });
    sim.addFault({ kind: 'reset' });
    for (let call = 0; call < 40; call += 1) await adapter.getFlow('echo').catch(() => {});
    expect(sim.requests.length).toBeLessThan(40 + 30);
    expect(sim.requests.length).toBeGreaterThan(40 + 15);
  });

  it('is nothing after the caller’s time is up', async () => {
    const { sim, adapter } = await startAll(['echo'], { sim: { ...v2, latency: 60 } });
    sim.addFault({ kind: 'status', status: 500, body: {} });
    const error = await adapter.getFlow('echo', { timeoutMs: 100 }).catch((error) => error);
    expect(['upstream_error', 'upstream_timeout']).toContain(error.code);
    const asked = sim.requests.length;
    expect(asked).toBeLessThan(4);
  });
});

it('a thousand starts over a network that cuts everywhere are a thousand runs, each with a handle that opens', async () => {
  const RUNS = 1000;
  const sim = await startSim(['echo'], { runMs: 0 });
  const execute = { method: 'POST', path: /execute$/ };
  const cuts = [
    { kind: 'reset', apply: false },
    { kind: 'reset', apply: true },
    { kind: 'cut-head' },
    { kind: 'truncated', after: 0 },
    { kind: 'cut-body' },
    { kind: 'refuse' },
  ];
  cuts.forEach((cut, seed) => {
    sim.addFault({ ...execute, ...cut, probability: 0.06, seed: seed + 1 });
  });
  sim.addFault({ method: 'GET', kind: 'reset', probability: 0.05, seed: 9 });
  const adapter = startAdapter(sim);
  const handles = [];
  let next = 0;
  const lane = async () => {
    while (next < RUNS) {
      const input = { number: next++ };
      // Whoever is told no is told which run it may be, and asks again with the same key: as a client would.
      const start = () => adapter.runFlow('echo', { input, idempotencyKey: `gesture-${input.number}` });
      let answer;
      for (let asked = 0; answer === undefined && asked < 10; asked += 1) answer = await start().catch(() => undefined);
      handles.push([answer.run.id, input.number]);
    }
  };
  await Promise.all(Array.from({ length: 25 }, lane));
  expect(sim.runs).toHaveLength(RUNS);
  expect(new Set(sim.runs.map(({ input }) => input.number)).size).toBe(RUNS);
  sim.clearFaults();
  const read = async ([id, number]) => {
    const { run } = await adapter.runStatus(id);
    expect(run.output.result).toEqual({ number });
  };
  for (let at = 0; at < handles.length; at += 50) await Promise.all(handles.slice(at, at + 50).map(read));
  expect(new Set(handles.map(([id]) => id)).size).toBe(RUNS);
}, 60_000);
