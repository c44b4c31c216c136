// Plans at the router: what a user may do, how much of it, and what a refusal tells. Sim never hears of what a plan
// refuses.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it, vi } from 'vitest';

import { atEnd, refusal, startAll, withoutSim } from './support.mjs';

const started = (plans, more = {}, names = ['echo', 'wait', 'approve']) =>
  startAll(names, { adapter: { plans, ...more.adapter }, sim: more.sim });

const as = (role, more) => ({ role, ...more });

/** The operations of a plan, and a request for each. */
const REQUESTS = {
  'flows.list': ['GET', '/flows'],
  'flows.get': ['GET', '/flows/echo'],
  'flows.create': ['POST', '/flows/create', { name: 'draft' }],
  'flows.deploy': ['POST', '/flows/create', { name: 'draft', deploy: true }],
  'flows.run': ['POST', '/flows/echo/run'],
  'runs.read': ['GET', '/runs/{run}/status'],
  'runs.cancel': ['POST', '/runs/{run}/cancel'],
  'runs.resume': ['POST', '/runs/{run}/resume', { contextId: 'x' }],
  proxy: ['POST', '/proxy', { method: 'GET', path: '/api/v2/workflows/folders' }],
};

describe('operations', () => {
  it.each(Object.keys(REQUESTS))('%s is done with the right, and refused without it', async (operation) => {
    const others = [...Object.keys(REQUESTS), 'knowledge'].filter((name) => name !== operation);
    const plans = { with: { operations: [operation, 'flows.create', 'flows.run'] }, without: { operations: others } };
    const { sim, call } = await started(plans, { adapter: { proxyRules: ['GET /api/v2/workflows/folders'] } });
    const run = (await call('POST', '/flows/wait/run', as('with'))).json.run.id;
    const [method, template, body] = REQUESTS[operation];
    const target = template.replace('{run}', run);
    await withoutSim(sim, async () => {
      const answer = await call(method, target, as('without', { body }));
      expect(refusal(answer)).toEqual([403, 'plan_required']);
      expect(answer.json.error.details).toEqual({ plan: 'without', limit: operation, value: null });
    });
    const { status } = await call(method, target, as('with', { body }));
    expect([200, 201, 202, 404, 409]).toContain(status);
    expect(sim.requests.length).toBeGreaterThan(1);
  });

  it('health is for whoever is signed in', async () => {
    const { call } = await started({ nothing: { operations: ['runs.read'] } });
    expect((await call('GET', '/health')).status).toBe(200);
  });

  it('without plans everybody drafts and runs, and only ADMIN deploys', async () => {
    const { sim, call } = await started(undefined);
    expect((await call('POST', '/flows/create', { body: { name: 'draft' } })).status).toBe(201);
    expect((await call('POST', '/flows/echo/run')).status).toBe(202);
    const deploy = { body: { name: 'draft', deploy: true } };
    await withoutSim(sim, async () => {
      for (const role of ['USER', 'admin', 'Admin', 'ADMINISTRATOR']) {
        expect(refusal(await call('POST', '/flows/create', as(role, deploy)))).toEqual([403, 'forbidden']);
      }
    });
    expect((await call('POST', '/flows/create', as('ADMIN', deploy))).status).toBe(201);
  });

  it('a plan may let others deploy, and a plan that lists its operations binds ADMIN too', async () => {
    const { sim, call } = await started({
      author: { operations: ['flows.create', 'flows.deploy'] },
      ADMIN: { operations: ['flows.create'] },
      deployer: { operations: ['flows.deploy'] },
    });
    const deploy = { body: { name: 'draft', deploy: true } };
    expect((await call('POST', '/flows/create', as('author', deploy))).status).toBe(201);
    await withoutSim(sim, async () => {
      for (const [role, limit] of [
        ['ADMIN', 'flows.deploy'],
        ['deployer', 'flows.create'],
      ]) {
        const answer = await call('POST', '/flows/create', as(role, deploy));
        expect([...refusal(answer), answer.json.error.details.limit]).toEqual([403, 'plan_required', limit]);
      }
    });
  });
});

describe('flow patterns', () => {
  const PLANS = { narrow: { flows: ['echo', 'app*'] }, wide: {} };

  it('narrow the list, and what they hide is not found: get, run, /proxy', async () => {
    const { sim, call } = await started(PLANS);
    const listed = await call('GET', '/flows', as('narrow'));
    expect(listed.json.flows.map(({ id }) => id).sort()).toEqual(['approve', 'echo']);
    expect((await call('GET', '/flows', as('wide'))).json.flows).toHaveLength(3);
    await withoutSim(sim, async () => {
      for (const [method, target, body] of [
        ['GET', '/flows/wait'],
        ['POST', '/flows/wait/run'],
        ['POST', '/proxy', { method: 'GET', path: '/api/v2/workflows/wait' }],
      ]) {
        expect(refusal(await call(method, target, as('narrow', { body })))).toEqual([404, 'not_found']);
      }
    });
    const proxied = await call('POST', '/proxy', as('narrow', { body: { method: 'GET', path: '/api/v2/workflows' } }));
    expect(proxied.json.data.map(({ id }) => id).sort()).toEqual(['approve', 'echo']);
    expect((await call('POST', '/flows/approve/run', as('narrow'))).status).toBe(202);
  });
});

describe('runsPerDay', () => {
  it('counts runs that started; a refusal names plan, limit and midnight', async () => {
    const { sim, call } = await started({ USER: { runsPerDay: 2 } });
    for (let run = 0; run < 2; run += 1) expect((await call('POST', '/flows/echo/run')).status).toBe(202);
    await withoutSim(sim, async () => {
      const answer = await call('POST', '/flows/echo/run');
      expect(refusal(answer)).toEqual([429, 'quota_exceeded']);
      const { plan, limit, value, resetsAt } = answer.json.error.details;
      expect([plan, limit, value]).toEqual(['USER', 'runsPerDay', 2]);
      expect(resetsAt).toMatch(/T00:00:00(\.\d+)?Z$/);
      expect(answer.headers.get('ratelimit-policy')).toBe('"runs-per-day";q=2;w=86400');
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    });
    expect((await call('POST', '/flows/echo/run', { user: 'bob' })).status).toBe(202);
    expect((await call('GET', '/flows/echo')).status).toBe(200);
  });

  it('gives back a run that Sim refused, and takes nothing for a replay', async () => {
    const { sim, call } = await started({ USER: { runsPerDay: 1 } });
    const run = (key) => call('POST', '/flows/echo/run', { headers: { 'idempotency-key': key } });
    sim.addFault({ kind: 'status', status: 429, path: /execute$/, times: 1 });
    expect(refusal(await run('k1'))).toEqual([503, 'upstream_busy']);
    expect((await run('k2')).status).toBe(202);
    for (let times = 0; times < 3; times += 1)
      expect((await run('k2')).headers.get('idempotent-replayed')).toBe('true');
    expect(refusal(await run('k3'))).toEqual([429, 'quota_exceeded']);
    expect(sim.runs).toHaveLength(1);
  });

  it('gives back what the gate refused', async () => {
    let open = false;
    const { call } = await started({ USER: { runsPerDay: 1 } }, { adapter: { gate: () => open } });
    for (let times = 0; times < 3; times += 1) expect((await call('POST', '/flows/echo/run')).status).toBe(403);
    open = true;
    expect((await call('POST', '/flows/echo/run')).status).toBe(202);
  });

  it('keeps what nobody can tell: the run may exist', async () => {
    const { sim, call } = await started({ USER: { runsPerDay: 1 } });
    sim.addFault({ kind: 'reset', path: /execute$/, apply: true });
    const lost = await call('POST', '/flows/echo/run');
    sim.clearFaults();
    const handle = lost.json.error?.details?.runId ?? lost.json.run.id;
    expect((await call('GET', `/runs/${handle}/status`)).status).toBe(200);
    expect(refusal(await call('POST', '/flows/echo/run'))).toEqual([429, 'quota_exceeded']);
    expect(sim.runs).toHaveLength(1);
  });
});

describe('concurrentRuns', () => {
  const PLANS = { USER: { concurrentRuns: 1, maxRunSeconds: 600 } };

  it('holds a slot until a final status is seen', async () => {
    const { sim, call } = await started(PLANS);
    const { json } = await call('POST', '/flows/echo/run');
    await sim.waitFor('status', ({ status }) => status === 'completed');
    await withoutSim(sim, async () => {
      const answer = await call('POST', '/flows/echo/run');
      expect(refusal(answer)).toEqual([429, 'quota_exceeded']);
      expect(answer.json.error.details).toMatchObject({ plan: 'USER', limit: 'concurrentRuns', value: 1 });
      expect(Number(answer.headers.get('retry-after'))).toBeLessThanOrEqual(5);
    });
    await call('GET', `/runs/${json.run.id}/status`);
    expect((await call('POST', '/flows/echo/run')).status).toBe(202);
  });

  it('frees it after a cancel, after a run in sync mode, and not while a run is paused', async () => {
    const { sim, call } = await started(PLANS);
    const waiting = await call('POST', '/flows/wait/run');
    expect((await call('POST', `/runs/${waiting.json.run.id}/cancel`)).status).toBe(200);
    expect((await call('POST', '/flows/echo/run', { body: { mode: 'sync' } })).status).toBe(200);
    const paused = await call('POST', '/flows/approve/run');
    expect(paused.status).toBe(202);
    await sim.waitFor('status', ({ status }) => status === 'paused');
    await call('GET', `/runs/${paused.json.run.id}/status`);
    expect(refusal(await call('POST', '/flows/echo/run'))).toEqual([429, 'quota_exceeded']);
  });

  it('another user’s status frees nothing', async () => {
    const { sim, call } = await started(PLANS);
    const { json } = await call('POST', '/flows/echo/run');
    await sim.waitFor('status', ({ status }) => status === 'completed');
    await call('GET', `/runs/${json.run.id}/status`, { user: 'bob' });
    expect(refusal(await call('POST', '/flows/echo/run'))).toEqual([429, 'quota_exceeded']);
  });
});

describe('the size and the length of a run', () => {
  it('maxInputBytes refuses a larger input, and names itself', async () => {
    const { sim, call } = await started({ USER: { maxInputBytes: 20 } });
    const input = (length) => ({ body: { input: { a: 'x'.repeat(length - 8) } } });
    expect((await call('POST', '/flows/echo/run', input(20))).status).toBe(202);
    await withoutSim(sim, async () => {
      const answer = await call('POST', '/flows/echo/run', input(21));
      expect(refusal(answer)).toEqual([403, 'plan_required']);
      expect(answer.json.error.details).toEqual({ plan: 'USER', limit: 'maxInputBytes', value: 20 });
    });
  });

  it('maxRunSeconds reaches Sim: executionTimeoutSeconds in v2, X-Execution-Timeout-Seconds in v1', async () => {
    for (const apiVersion of ['v2', 'v1']) {
      const plans = { USER: { maxRunSeconds: 77 }, free: {} };
      const { sim, call } = await started(plans, { adapter: { apiVersion }, sim: { apiVersions: [apiVersion] } });
      await call('POST', '/flows/echo/run');
      const { body, headers } = sim.requests.at(-1);
      const told =
        apiVersion === 'v2' ? JSON.parse(body).executionTimeoutSeconds : headers['x-execution-timeout-seconds'];
      expect(Number(told)).toBe(77);
      await call('POST', '/flows/echo/run', as('free'));
      const last = sim.requests.at(-1);
      expect(JSON.parse(last.body).executionTimeoutSeconds).toBe(undefined);
      expect(last.headers['x-execution-timeout-seconds']).toBe(undefined);
    }
  });
});

describe('whose plan', () => {
  // `small` is the most restricted one.
  const PLANS = { small: { operations: ['runs.read'] }, big: {} };
  const status = async ({ call }, more) => (await call('GET', '/flows/echo', more)).status;

  it('planOf is the role, a field path, a function, or a function that takes its time', async () => {
    expect(await status(await started(PLANS), as('big'))).toBe(200);
    expect(await status(await started(PLANS, { adapter: { planOf: 'id' } }), { user: 'big' })).toBe(200);
    expect(await status(await started(PLANS, { adapter: { planOf: 'no.such.field' } }))).toBe(403);
    const byUser = ({ id }) => (id === 'ann' ? 'big' : 'small');
    for (const planOf of [byUser, async (user) => byUser(user)]) {
      const scene = await started(PLANS, { adapter: { planOf } });
      expect([await status(scene, { user: 'ann' }), await status(scene, { user: 'bob' })]).toEqual([200, 403]);
    }
  });

  it.each([['unknown'], ['BIG'], [''], [null], [undefined], [7], [{}], ['__proto__'], ['constructor']])(
    'a plan %j that is none is the most restricted one',
    async (plan) => {
      const { sim, call } = await started(PLANS, { adapter: { planOf: () => plan } });
      await withoutSim(sim, async () => {
        const answer = await call('GET', '/flows/echo');
        expect([...refusal(answer), answer.json.error.details.plan]).toEqual([403, 'plan_required', 'small']);
      });
    },
  );

  it.each([
    ['throws', () => JSON.parse('{')],
    ['rejects', () => Promise.reject(new Error('mongodb://user:password@db'))],
  ])('planOf that %s gives the most restricted one, and a line in the log', async (_how, planOf) => {
    const lines = [];
    const logger = { warn: (_message, { event }) => lines.push(event) };
    const { sim, call } = await started(PLANS, { adapter: { planOf, logger } });
    await withoutSim(sim, async () => {
      const answer = await call('GET', '/flows/echo');
      expect([...refusal(answer), answer.json.error.details.plan]).toEqual([403, 'plan_required', 'small']);
    });
    expect(lines).toEqual(['hook_failed']);
  });

  it('planOf that never answers gives the most restricted one after ten seconds', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    atEnd(() => vi.useRealTimers());
    const lines = [];
    const logger = { warn: (_message, { event }) => lines.push(event) };
    let asked;
    const waiting = new Promise((resolve) => {
      asked = resolve;
    });
    const planOf = () => {
      asked();
      return new Promise(() => {});
    };
    const { sim, call } = await started(PLANS, { adapter: { planOf, logger } });
    await withoutSim(sim, async () => {
      const answering = call('GET', '/flows/echo');
      await waiting;
      vi.advanceTimersByTime(9_999);
      await new Promise(setImmediate);
      expect(lines).toEqual([]);
      vi.advanceTimersByTime(1);
      expect(refusal(await answering)).toEqual([403, 'plan_required']);
    });
    expect(lines).toEqual(['hook_failed']);
  });

  it('the plans may be a file of YAML or JSON, and a mistake in it stops the start', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'plans-'));
    atEnd(() => rm(folder, { recursive: true }));
    const file = path.join(folder, 'plans.yaml');
    await writeFile(file, 'small:\n  operations: [runs.read]\nbig: {}\n');
    const scene = await started(undefined, { adapter: { plansFile: file } });
    expect([await status(scene, as('big')), await status(scene, as('small'))]).toEqual([200, 403]);
    await writeFile(file, 'small:\n  runsPerDay: lots\n  operation: [runs.read]\n');
    await expect(started(undefined, { adapter: { plansFile: file } })).rejects.toMatchObject({
      code: 'not_configured',
    });
  });
});
