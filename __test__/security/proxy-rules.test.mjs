// Rules that a server adds to the allow-list open no way around the adapter: what is one of its operations is carried
// out as that operation, with plan, gate, limits, claim and handle, and an answer never holds a run id of Sim's.

import { describe, expect, it } from 'vitest';

import { documents, refusal, startAll, withoutSim } from './support.mjs';

const RULES = [
  'POST /api/v2/workflows',
  'POST /api/v2/workflows/import',
  'POST /api/v2/workflows/{id}/execute',
  'POST /api/v2/workflows/{id}/deploy',
  'POST /api/v2/workflows/{id}/runs/{run}/cancel',
  'POST /api/v2/workflows/{id}/runs/{run}/resume',
  'GET /api/v2/workflows/{id}/runs',
  'POST /api/workflows/{id}/execute',
  'POST /api/workflows/{id}/executions/{run}/cancel',
  'POST /api/resume/{id}/{run}/{context}',
  'GET /api/v1/logs',
  'GET /api/v1/logs/{id}',
  'GET /api/jobs/{id}',
];

const post = (path, body = {}) => ({ method: 'POST', path, body });
const EXECUTE = post('/api/v2/workflows/echo/execute', { input: { a: 1 } });

const started = (adapter, sim) =>
  startAll(['echo', 'wait', 'approve'], {
    adapter: { proxyRules: RULES, ...adapter },
    sim,
  });

/** `call` for `/proxy` only. */
const through = (call) => (body, more) => call('POST', '/proxy', { body, ...more });

/** Each rule that is an operation, as that operation's name. */
const operations = (workspaceId, handle) => [
  ['flows.run', EXECUTE],
  ['flows.create', post('/api/v2/workflows', { workspaceId, name: 'draft' })],
  ['flows.create', post('/api/v2/workflows/import', { workspaceId, workflow: documents.echo })],
  ['flows.deploy', post('/api/v2/workflows/echo/deploy')],
  ['runs.cancel', post(`/api/v2/workflows/approve/runs/${handle}/cancel`)],
  ['runs.resume', post(`/api/v2/workflows/approve/runs/${handle}/resume`, { contextId: 'x', input: {} })],
  ['flows.list', { method: 'GET', path: '/api/v2/workflows' }],
  ['flows.get', { method: 'GET', path: '/api/v2/workflows/echo' }],
  ['runs.read', { method: 'GET', path: `/api/v2/workflows/approve/runs/${handle}` }],
  ['proxy', { method: 'GET', path: '/api/v1/logs', query: { workspaceId } }],
];

const paused = async (sim, call) => {
  const { json } = await call('POST', '/flows/approve/run');
  await sim.waitFor('status', ({ status }) => status === 'paused');
  return json.run.id;
};

describe('an operation through /proxy', () => {
  it('needs the right of that operation in the plan, and is nothing to Sim without it', async () => {
    const plans = {
      none: { operations: ['runs.read'] },
      all: {
        operations: [
          'proxy',
          'flows.run',
          'flows.create',
          'flows.deploy',
          'runs.cancel',
          'runs.resume',
          'flows.list',
          'flows.get',
          'runs.read',
        ],
      },
    };
    const { sim, call } = await started({ plans });
    const handle = (await call('POST', '/flows/approve/run', { role: 'all' })).json.run.id;
    await withoutSim(sim, async () => {
      for (const [operation, body] of operations(sim.workspaceId, handle).filter(([name]) => name !== 'runs.read')) {
        const answer = await through(call)(body, { role: 'none' });
        expect([operation, ...refusal(answer)]).toEqual([operation, 403, 'plan_required']);
        expect(answer.json.error.details).toEqual({ plan: 'none', limit: operation, value: null });
      }
    });
  });

  it('is asked of the gate under its own name, with its flow', async () => {
    const asked = [];
    const gate = (_user, operation, flowId) => {
      asked.push([operation, flowId]);
      return operation === 'flows.run' && asked.length === 1;
    };
    const { sim, call } = await started({ gate });
    const handle = await paused(sim, call);
    asked.length = 0;
    asked.push(['first']);
    await withoutSim(sim, async () => {
      for (const [operation, body] of operations(sim.workspaceId, handle)) {
        const answer = await through(call)(body, { role: 'ADMIN' });
        expect([operation, ...refusal(answer)]).toEqual([operation, 403, 'forbidden']);
        expect(asked.at(-1)[0]).toBe(operation);
      }
    });
    expect(asked[1]).toEqual(['flows.run', 'echo']);
  });

  it('to a flow that the plan or canRunFlow hides is not found', async () => {
    const canRunFlow = (_user, { id }) => id !== 'echo';
    const plans = { USER: { flows: ['echo', 'approve'] } };
    for (const [adapter, flow] of [
      [{ canRunFlow }, 'echo'],
      [{ plans }, 'wait'],
    ]) {
      const { sim, call } = await started(adapter);
      for (const body of [
        { method: 'GET', path: `/api/v2/workflows/${flow}` },
        post(`/api/v2/workflows/${flow}/execute`),
      ]) {
        expect(refusal(await through(call)(body))).toEqual([404, 'not_found']);
      }
      const { json } = await through(call)({ method: 'GET', path: '/api/v2/workflows' });
      expect(json.data.map(({ id }) => id)).not.toContain(flow);
      expect(json.data.length).toBeGreaterThan(0);
      expect(sim.runs).toEqual([]);
    }
  });

  it('execute claims a run id, honours the key, and answers with a handle', async () => {
    const { sim, call } = await started();
    const headers = { 'idempotency-key': 'k1' };
    const first = await through(call)(EXECUTE, { headers });
    const second = await through(call)(EXECUTE, { headers });
    const third = await call('POST', '/flows/echo/run', { headers, body: { input: { a: 1 } } });
    expect([first, second, third].map(({ status }) => status)).toEqual([202, 202, 202]);
    expect([second, third].map((answer) => answer.headers.get('idempotent-replayed'))).toEqual(['true', 'true']);
    expect(new Set([first, second, third].map(({ json }) => json.run.id)).size).toBe(1);
    expect(sim.runs).toHaveLength(1);
    expect(first.text).not.toContain(sim.runs[0].id);
    expect((await call('GET', `/runs/${first.json.run.id}/status`)).status).toBe(200);
    expect(refusal(await through(call)(post(EXECUTE.path, { input: { a: 2 } }), { headers }))[0]).toBe(422);
  });

  it('execute takes no word of Sim’s that would change how it runs', async () => {
    const { sim, call } = await started();
    await withoutSim(sim, async () => {
      for (const word of [
        'stream',
        'selectedOutputs',
        'executionTimeoutSeconds',
        'useDraftState',
        'triggerType',
        'runId',
      ]) {
        const answer = await through(call)(post(EXECUTE.path, { input: {}, [word]: true }));
        expect([word, ...refusal(answer)]).toEqual([word, 400, 'invalid_request']);
      }
    });
  });

  it('execute counts against the limits of runs', async () => {
    const { sim, call } = await started({ plans: { USER: { runsPerDay: 1 } } });
    expect((await through(call)(EXECUTE)).status).toBe(202);
    await withoutSim(sim, async () => {
      expect(refusal(await through(call)(EXECUTE))).toEqual([429, 'quota_exceeded']);
      expect(refusal(await call('POST', '/flows/echo/run'))).toEqual([429, 'quota_exceeded']);
    });
  });

  it('execute counts against the rate of runs', async () => {
    const { sim, call } = await started({ plans: { USER: { rates: { run: { max: 1, windowMinutes: 60 } } } } });
    expect((await through(call)(EXECUTE)).headers.get('ratelimit-policy')).toBe('"run";q=1;w=3600');
    await withoutSim(sim, async () => expect(refusal(await through(call)(EXECUTE))).toEqual([429, 'rate_limited']));
    expect((await through(call)({ method: 'GET', path: '/api/v2/workflows' })).status).toBe(200);
  });

  it('deploy is for ADMIN by default', async () => {
    const { sim, call } = await started();
    const deploy = post('/api/v2/workflows/echo/deploy');
    await withoutSim(sim, async () => expect(refusal(await through(call)(deploy))).toEqual([403, 'forbidden']));
    expect((await through(call)(deploy, { role: 'ADMIN' })).status).toBe(200);
    expect(sim.requests.at(-1)).toMatchObject({ method: 'POST', path: '/api/v2/workflows/echo/deploy' });
  });

  it('create and import make a draft in the configured workspace only', async () => {
    const { sim, call } = await started();
    const made = await through(call)(post('/api/v2/workflows', { workspaceId: sim.workspaceId, name: 'one' }));
    const imported = await through(call)(
      post('/api/v2/workflows/import', { workspaceId: sim.workspaceId, name: 'two', workflow: documents.echo }),
    );
    expect([made.status, imported.status]).toEqual([201, 201]);
    expect(sim.flows.filter(({ name }) => ['one', 'two'].includes(name)).map(({ deployed }) => deployed)).toEqual([
      false,
      false,
    ]);
    await withoutSim(sim, async () => {
      for (const path of ['/api/v2/workflows', '/api/v2/workflows/import']) {
        const body = post(path, { workspaceId: 'another', name: 'x', workflow: documents.echo });
        expect(refusal(await through(call)(body))).toEqual([403, 'forbidden']);
      }
    });
  });

  it('cancel and resume open the handle, and only for its user', async () => {
    const { sim, call } = await started();
    const handle = await paused(sim, call);
    const raw = sim.runs[0].id;
    const path = (id) => `/api/v2/workflows/approve/runs/${id}`;
    await withoutSim(sim, async () => {
      for (const [id, user] of [
        [handle, 'bob'],
        [raw, 'ann'],
      ]) {
        for (const body of [
          post(`${path(id)}/cancel`),
          post(`${path(id)}/resume`, { contextId: 'x' }),
          post(`/api/workflows/approve/executions/${id}/cancel`),
          post(`/api/resume/approve/${id}/x`),
        ]) {
          expect([body.path, ...refusal(await through(call)(body, { user }))]).toEqual([body.path, 404, 'not_found']);
        }
      }
    });
    const { json } = await call('GET', `/runs/${handle}/status`);
    const body = { contextId: json.run.paused.contextId, input: { approved: true } };
    expect((await through(call)(post(`${path(handle)}/resume`, body))).status).toBe(200);
    await sim.waitFor('status', ({ id, status }) => id === raw && status === 'completed');
    expect(refusal(await through(call)(post(`${path(handle)}/cancel`)))).toEqual([409, 'conflict']);
  });

  it('v1’s execute is an operation too', async () => {
    const { sim, call } = await started({ apiVersion: 'v1' }, { apiVersions: ['v1'] });
    const answer = await through(call)(post('/api/workflows/echo/execute', { a: 1 }));
    expect(answer.status).toBe(202);
    expect(sim.runs.map(({ input }) => input)).toEqual([{ a: 1 }]);
    expect(sim.requests.at(-1).headers['x-execution-mode']).toBe('async');
    expect(answer.text).not.toContain(sim.runs[0].id);
    const steering = await through(call)(post('/api/workflows/echo/execute', { a: 1, useDraftState: true }));
    expect(refusal(steering)).toEqual([400, 'invalid_request']);
  });

  it('a run that is read through it gives its slot back when it has ended', async () => {
    const { sim, call } = await started({ plans: { USER: { concurrentRuns: 1, maxRunSeconds: 600 } } });
    const { json } = await call('POST', '/flows/echo/run');
    await sim.waitFor('status', ({ status }) => status === 'completed');
    expect(refusal(await call('POST', '/flows/echo/run'))).toEqual([429, 'quota_exceeded']);
    const read = { method: 'GET', path: `/api/v2/workflows/echo/runs/${json.run.id}` };
    expect((await through(call)(read)).json.data.status).toBe('completed');
    expect((await call('POST', '/flows/echo/run')).status).toBe(202);
  });
});

describe('an answer through /proxy', () => {
  it('has handles for run ids, and neither statusUrl, _resume nor an address of Sim’s', async () => {
    const { sim, call } = await started();
    const handle = await paused(sim, call);
    const [{ id }] = sim.runs;
    const path = `/api/v2/workflows/approve/runs/${handle}`;
    const own = await through(call)({ method: 'GET', path, query: { includeOutput: true } });
    expect(own.json.data).toMatchObject({ runId: handle, status: 'paused' });
    // All that Sim has been seen to say of itself, at once.
    const apiUrl = `${sim.url}/api/resume/approve/${id}/c`;
    const data = {
      runId: id,
      executionId: 'of-another-run',
      statusUrl: `${sim.url}/api/v2/workflows/approve/runs/${id}`,
      status: 'paused',
      output: { data: { operation: 'human', _resume: { apiUrl, executionId: id } } },
      paused: { contextId: 'c', _resume: { apiUrl } },
    };
    sim.addFault({ kind: 'status', status: 200, body: { data } });
    const told = await through(call)({ method: 'GET', path });
    expect(told.json).toEqual({
      data: { runId: handle, status: 'paused', output: { data: { operation: 'human' } }, paused: { contextId: 'c' } },
    });
    for (const { text } of [own, told]) {
      for (const word of [id, '_resume', 'statusUrl', new URL(sim.url).host]) expect(text).not.toContain(word);
    }
  });

  it('to a plain rule shows no run ids: logs, one log, runs of a flow', async () => {
    const { sim, call } = await started();
    await call('POST', '/flows/echo/run', { body: { mode: 'sync' } });
    const query = { workspaceId: sim.workspaceId };
    const logs = await through(call)({ method: 'GET', path: '/api/v1/logs', query });
    expect(logs.json.data).toHaveLength(1);
    const log = await through(call)({ method: 'GET', path: `/api/v1/logs/${logs.json.data[0].id}` });
    const runs = await through(call)({ method: 'GET', path: '/api/v2/workflows/echo/runs' });
    expect(runs.json.data).toHaveLength(1);
    for (const { status, text } of [logs, log, runs]) {
      expect(status).toBe(200);
      expect(text).not.toContain(sim.runs[0].id);
    }
  });

  it.each([400, 401, 403, 404, 409, 413, 429, 500, 503])('that is %i repeats nothing of Sim’s', async (status) => {
    const { sim, call } = await started();
    const secret = 'sims-own-words http://sim.internal/ user@example.com';
    const body = { error: { code: 'X', message: secret, details: [{ path: 'a', message: secret }] }, stack: secret };
    sim.addFault({ kind: 'status', status, body, headers: { 'x-secret': 'sims-own-words' } });
    const { headers, text } = await through(call)({ method: 'GET', path: '/api/v2/workflows' });
    expect(text + JSON.stringify([...headers])).not.toContain('sims-own-words');
  });
});
