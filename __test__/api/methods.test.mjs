// The Node API: each method resolves to what its route answers, and rejects with what its route refuses.

import { SimAdapter, SimError } from '@sigmacode/sim-adapter';
import { describe, expect, it } from 'vitest';
import { documents, startAdapter, startAll, startHost, startSim, call as to } from '../http/support.mjs';

const ANN = { id: 'ann', role: 'USER' };

/** What differs between two answers to the same question. */
const steady = (json) => JSON.parse(JSON.stringify(json), (key, value) => (key === 'latencyMs' ? 0 : value));

describe('each method resolves to its route’s JSON', () => {
  it.each([
    ['health', (adapter) => adapter.health({ user: ANN }), 'GET', '/health'],
    ['listFlows', (adapter) => adapter.listFlows({ user: ANN }), 'GET', '/flows'],
    [
      'listFlows of a page',
      (adapter) => adapter.listFlows({ user: ANN, limit: 1, cursor: null }),
      'GET',
      '/flows?limit=1',
    ],
    ['getFlow', (adapter) => adapter.getFlow('echo', { user: ANN }), 'GET', '/flows/echo'],
  ])('%s', async (_name, method, verb, path) => {
    const { adapter, call } = await startAll(['echo', 'fail']);
    expect(steady(await method(adapter))).toEqual(steady((await call(verb, path)).json));
  });

  it('listFlows goes on where a page ended', async () => {
    const { adapter } = await startAll(['echo', 'fail']);
    const { flows, nextCursor } = await adapter.listFlows({ limit: 1 });
    const rest = await adapter.listFlows({ cursor: nextCursor });
    expect([...flows, ...rest.flows]).toEqual((await adapter.listFlows()).flows);
    expect(rest.nextCursor).toBeNull();
  });

  it('createFlow, with a document as object and as text, and deployed', async () => {
    const { sim, adapter } = await startAll([], { adapter: { publicUrl: 'https://sim.example' } });
    for (const document of [documents.echo, JSON.stringify(documents.echo)]) {
      const { flow } = await adapter.createFlow({ name: 'n', document, deploy: true });
      expect(flow).toEqual({
        id: expect.any(String),
        name: 'n',
        url: expect.stringMatching(/^https:\/\/sim\.example/),
      });
    }
    expect(sim.flows.map(({ deployed }) => deployed)).toEqual([true, true]);
  });

  it('runFlow, runStatus: the handle of a user’s call opens in the user’s routes, and the other way round', async () => {
    const { sim, adapter, call } = await startAll(['echo']);
    const { run } = await adapter.runFlow('echo', { input: { a: 1 }, user: ANN });
    const [statusUrl, eventsUrl] = [`/runs/${run.id}/status`, `/runs/${run.id}/events`];
    expect(run).toEqual({ id: run.id, status: 'queued', statusUrl, eventsUrl });
    await sim.waitFor('status', ({ status }) => status === 'completed');
    const { json } = await call('GET', `/runs/${run.id}/status`);
    expect(await adapter.runStatus(run.id, { user: ANN })).toEqual(json);
    await expect(adapter.runStatus(run.id)).rejects.toMatchObject({ code: 'not_found' });
    await expect(adapter.runStatus(run.id, { user: { ...ANN, tenantId: 't' } })).rejects.toMatchObject({
      code: 'not_found',
    });
  });

  it('runFlow in sync mode resolves to the whole run, or at its time-out to a receipt', async () => {
    const { adapter } = await startAll(['echo', 'wait']);
    const { run } = await adapter.runFlow('echo', { input: { a: 1 }, mode: 'sync' });
    expect(run).toMatchObject({ status: 'completed', output: { result: { a: 1 } } });
    const late = await adapter.runFlow('wait', { mode: 'sync', timeoutMs: 50 });
    expect(Object.keys(late.run)).toEqual(['id', 'status', 'statusUrl', 'eventsUrl']);
  });

  it('runFlow with a key twice is one run', async () => {
    const { sim, adapter } = await startAll(['echo']);
    const start = () => adapter.runFlow('echo', { input: {}, idempotencyKey: 'k' });
    const [one, other] = await Promise.all([start(), start()]);
    expect(one.run.id).toBe(other.run.id);
    expect(sim.runs).toHaveLength(1);
  });

  it('cancelRun and resumeRun', async () => {
    const { sim, adapter } = await startAll(['wait', 'approve']);
    const long = await adapter.runFlow('wait');
    expect((await adapter.cancelRun(long.run.id)).run.status).toBe('cancelled');
    const asking = await adapter.runFlow('approve');
    await sim.waitFor('status', ({ status }) => status === 'paused');
    const { run } = await adapter.runStatus(asking.run.id);
    const resumed = await adapter.resumeRun(run.id, { input: { approved: true }, contextId: run.paused.contextId });
    expect(resumed.run.id).toBe(asking.run.id);
    await sim.waitFor('status', ({ status, flowId }) => flowId === 'approve' && status === 'completed');
    expect((await adapter.runStatus(run.id)).run.status).toBe('completed');
  });

  it('proxy', async () => {
    const { sim, adapter, call } = await startAll(['echo']);
    const request = { method: 'GET', path: '/api/v2/workflows', query: { workspaceId: sim.workspaceId } };
    const { status, json } = await call('POST', '/proxy', { body: request });
    expect(status).toBe(200);
    expect(await adapter.proxy(request, { user: ANN })).toEqual(json);
  });

  it('health resolves although Sim cannot be reached', async () => {
    const adapter = startAdapter(null, { baseUrl: 'http://127.0.0.1:1', apiKey: 'k' });
    expect(await adapter.health()).toMatchObject({ ok: false, sim: { reachable: false, latencyMs: null } });
  });
});

describe('a refusal', () => {
  it('is a SimError with all that the route says', async () => {
    const { sim, adapter } = await startAll(['echo']);
    sim.addFault({ kind: 'status', status: 429, retryAfter: 3 });
    const error = await adapter.getFlow('echo', { requestId: 'mine' }).catch((error) => error);
    expect(error).toBeInstanceOf(SimError);
    expect(error).toBeInstanceOf(Error);
    expect({ ...error, message: error.message }).toEqual({
      name: 'SimError',
      code: 'upstream_busy',
      status: 503,
      message: 'Sim is busy',
      requestId: 'mine',
      retryAfterMs: 3000,
      details: undefined,
    });
    expect(error.stack).toContain('SimError');
  });

  it('names the fields of a wrong argument, and rejects instead of throwing', async () => {
    const { sim, adapter } = await startAll(['echo']);
    const wrong = [
      [adapter.createFlow({ name: 1, stray: 2 }), ['name', 'stray']],
      [adapter.createFlow(), ['name']],
      [adapter.createFlow('text'), ['']],
      [adapter.runFlow('echo', { input: 'text' }), ['input']],
      [adapter.runFlow('../users'), ['flowId']],
      [adapter.runFlow(''), ['flowId']],
      [adapter.getFlow(''), ['flowId']],
      [adapter.getFlow('\ud800'), ['flowId']],
      [adapter.runFlow(undefined), ['flowId']],
      [adapter.runFlow('echo', { mode: 'never' }), ['mode']],
      [adapter.getFlow('a b'), ['flowId']],
      [adapter.listFlows({ limit: 'x' }), ['limit']],
    ];
    for (const [promise, fields] of wrong) {
      const error = await promise.catch((error) => error);
      expect(error).toBeInstanceOf(SimError);
      if (fields) expect(error.details.fields.map(({ path }) => path)).toEqual(fields);
    }
    expect(sim.requests).toEqual([]);
  });

  it('of a user without an id is unauthenticated: never the host’s own call', async () => {
    const { sim, adapter } = await startAll(['echo']);
    for (const user of [null, {}, { id: '' }, { name: 'ann' }, { id: null }]) {
      await expect(adapter.runFlow('echo', { user })).rejects.toMatchObject({ code: 'unauthenticated', status: 401 });
    }
    expect(sim.requests).toEqual([]);
  });

  it.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '100', 2 ** 32, 2 ** 31])(
    'of a time-out that is %s is a TypeError',
    async (timeoutMs) => {
      const { sim, adapter } = await startAll(['echo']);
      await expect(adapter.health({ timeoutMs })).rejects.toThrow(TypeError);
      expect(sim.requests).toEqual([]);
    },
  );

  it('takes ids that are no strings as their text', async () => {
    const { sim, adapter } = await startAll(['echo']);
    const objectId = { toHexString: () => '65f0' };
    await adapter.runFlow('echo', { user: { _id: objectId, tenantId: 7 }, requestId: 5, idempotencyKey: 6 });
    expect(sim.requests[0].headers['x-sim-user']).toBe(Buffer.from('7\x0065f0').toString('base64url'));
    expect(sim.requests[0].headers['x-request-id']).toBe('5');
  });
});

describe('a signal', () => {
  it('that is aborted cancels the request to Sim, and the call rejects with its reason', async () => {
    const { sim, adapter } = await startAll(['echo']);
    sim.addFault({ kind: 'hang', times: 1 });
    const reason = new Error('the user left');
    const controller = new AbortController();
    const call = adapter.getFlow('echo', { signal: controller.signal });
    const request = await sim.waitFor('request');
    controller.abort(reason);
    await expect(call).rejects.toBe(reason);
    expect((await sim.waitFor('abort')).request).toBe(request);
    expect((await adapter.getFlow('echo')).flow.id).toBe('echo');
  });

  it('that was aborted before sends nothing', async () => {
    const { sim, adapter } = await startAll(['echo']);
    await expect(adapter.runFlow('echo', { signal: AbortSignal.abort() })).rejects.toMatchObject({
      name: 'AbortError',
    });
    expect(sim.requests).toEqual([]);
  });

  it('that is aborted afterwards does nothing, and is let go', async () => {
    const { adapter } = await startAll(['echo']);
    const controller = new AbortController();
    let listening = 0;
    const { signal } = controller;
    for (const [name, change] of [
      ['addEventListener', 1],
      ['removeEventListener', -1],
    ]) {
      const own = signal[name];
      signal[name] = (...args) => {
        listening += change;
        own.apply(signal, args);
      };
    }
    for (let round = 0; round < 20; round += 1) await adapter.getFlow('echo', { signal });
    expect(listening).toBe(0);
    controller.abort();
    expect((await adapter.getFlow('echo')).flow.id).toBe('echo');
  });

  it('AbortSignal.timeout is a time-out of the caller’s own', async () => {
    const { sim, adapter } = await startAll(['echo']);
    sim.addFault({ kind: 'hang' });
    await expect(adapter.getFlow('echo', { signal: AbortSignal.timeout(50) })).rejects.toMatchObject({
      name: 'TimeoutError',
    });
    await sim.waitFor('abort');
  });
});

describe('timeoutMs', () => {
  it('ends a call with upstream_timeout, and cancels the request to Sim', async () => {
    const { sim, adapter } = await startAll(['echo']);
    sim.addFault({ kind: 'hang' });
    const error = await adapter.getFlow('echo', { timeoutMs: 50 }).catch((error) => error);
    expect([error.code, error.status]).toEqual(['upstream_timeout', 504]);
    await sim.waitFor('abort');
  });

  it('of a start tells which run may have started', async () => {
    const { sim, adapter } = await startAll(['echo']);
    sim.addFault({ kind: 'hang', apply: true, method: 'POST' });
    const error = await adapter.runFlow('echo', { timeoutMs: 500 }).catch((error) => error);
    expect(error.code).toBe('upstream_timeout');
    expect((await adapter.runStatus(error.details.runId)).run.flowId).toBe('echo');
  });

  it('also counts while another call finds out which API Sim speaks', async () => {
    const { sim, adapter } = await startAll(['echo'], { adapter: { apiVersion: 'auto' } });
    sim.addFault({ kind: 'hang' });
    const controller = new AbortController();
    const slow = adapter.getFlow('echo', { signal: controller.signal }).catch(() => {});
    await sim.waitFor('request');
    await expect(adapter.getFlow('echo', { timeoutMs: 50 })).rejects.toMatchObject({ code: 'upstream_timeout' });
    controller.abort();
    await slow;
  });

  it('of a caller in a hurry does not open the circuit for the others', async () => {
    const { sim, adapter } = await startAll(['echo']);
    const remove = sim.addFault({ kind: 'hang' });
    for (let round = 0; round < 6; round += 1) {
      await expect(adapter.getFlow('echo', { timeoutMs: 5 })).rejects.toMatchObject({ code: 'upstream_timeout' });
    }
    remove();
    expect((await adapter.getFlow('echo')).flow.id).toBe('echo');
  });
});

describe('two adapters in one process', () => {
  it('have their own Sim, users and limits', async () => {
    const [one, other] = [await startSim(['echo']), await startSim(['fail'])];
    const [first, second] = [startAdapter(one), startAdapter(other, { handleSecret: 'o'.repeat(40) })];
    expect((await first.listFlows()).flows.map(({ id }) => id)).toEqual(['echo']);
    expect((await second.listFlows()).flows.map(({ id }) => id)).toEqual(['fail']);
    const { run } = await first.runFlow('echo');
    await expect(second.runStatus(run.id)).rejects.toMatchObject({ code: 'not_found' });
    await first.close();
    expect((await second.listFlows()).flows).toHaveLength(1);
  });

  it('many made and closed leave no thread behind', async () => {
    const sim = await startSim(['echo']);
    const threads = async () => (await import('node:fs')).readdirSync('/proc/self/task').length;
    const use = async () => {
      const adapter = new SimAdapter({ baseUrl: sim.url, apiKey: sim.apiKey });
      await adapter.health();
      await adapter.close();
    };
    await use();
    const before = await threads();
    for (let round = 0; round < 30; round += 1) await use();
    await expect.poll(threads).toBeLessThanOrEqual(before + 1);
  });
});

it('answers of a size reach both callers whole', async () => {
  const { sim, adapter } = await startAll(['echo']);
  const host = await startHost(adapter, { before: [] });
  const input = { text: 'ü'.repeat(600_000) };
  const { run } = await adapter.runFlow('echo', { input, user: ANN });
  await sim.waitFor('status', ({ status }) => status === 'completed');
  expect((await adapter.runStatus(run.id, { user: ANN })).run.output.result).toEqual(input);
  expect((await to(host, 'GET', `/runs/${run.id}/status`)).json.run.output.result).toEqual(input);
});
