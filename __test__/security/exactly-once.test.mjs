// One key, one run: whatever the network does to the answer, whichever process is asked, in every generation of Sim's
// API that can claim a run id. Where it cannot, a start is never tried twice.

import { describe, expect, it } from 'vitest';

import {
  atEnd,
  documents,
  randomFrom,
  refusal,
  SECRET,
  startAll,
  startInstance,
  startProcess,
  startSim,
} from './support.mjs';

/** How many answers are lost. */
const STARTS = { v2: 1000, v1: 1000 };
const AT_ONCE = 50;

const version = (apiVersion) => ({ sim: { apiVersions: [apiVersion] }, adapter: { apiVersion } });
const replayed = ({ headers }) => headers.get('idempotent-replayed');
const FINAL = ['completed', 'failed', 'cancelled'];

/** How an answer can be lost: before its head, in the middle of it, or after it. Sim acts each time. */
const CUTS = [{ kind: 'reset' }, { kind: 'cut-head' }, { kind: 'cut-body' }, { kind: 'truncated' }];

/**
 * Starts `count` runs, `AT_ONCE` at a time, each with its number as input; `before` prepares each start and
 * answers what is to be done after it.
 */
async function startMany(call, count, before) {
  const random = randomFrom(3);
  const starts = [];
  let next = 0;
  const worker = async (flow) => {
    while (next < count) {
      const number = next;
      next += 1;
      const after = before(flow, CUTS[Math.floor(random() * CUTS.length)]);
      const answer = await call('POST', `/flows/${flow}/run`, {
        body: { input: { number } },
        user: `user-${number % 7}`,
      });
      after();
      starts.push({ number, flow, answer });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, (_, at) => worker(`flow-${at}`)));
  return starts;
}

const flowsFor = (apiVersion) => ({
  sim: {
    apiVersions: [apiVersion],
    runMs: 0,
    flows: Array.from({ length: AT_ONCE }, (_, at) => ({ id: `flow-${at}`, document: documents.echo })),
  },
  adapter: { apiVersion },
});

describe.each(['v2', 'v1'])('with Sim speaking %s', (apiVersion) => {
  const count = STARTS[apiVersion];

  it(`${count} lost answers, in random order: exactly ${count} runs, and each caller holds the handle of its own`, async () => {
    const { sim, call } = await startAll([], flowsFor(apiVersion));
    const starts = await startMany(call, count, (flow, cut) =>
      sim.addFault({ ...cut, path: new RegExp(`/${flow}/execute$`), times: 1, apply: true }),
    );
    expect(starts.map(({ answer }) => answer.status)).toEqual(Array(count).fill(202));
    expect(sim.runs).toHaveLength(count);
    expect(new Set(sim.runs.map(({ input }) => input.number)).size).toBe(count);
    // Each answer was lost once, and asked for once more.
    expect(sim.requests.filter(({ method, path }) => method === 'POST' && path.endsWith('/execute'))).toHaveLength(
      2 * count,
    );
    const moving = sim.runs.filter(({ status }) => !FINAL.includes(status));
    await Promise.all(
      moving.map(({ id }) => sim.waitFor('status', (run) => run.id === id && FINAL.includes(run.status))),
    );
    const read = async ({ number, flow, answer }) => {
      const { json } = await call('GET', `/runs/${answer.json.run.id}/status`, { user: `user-${number % 7}` });
      expect([json.run.flowId, json.run.output.result]).toEqual([flow, { number }]);
    };
    while (starts.length > 0) await Promise.all(starts.splice(0, AT_ONCE).map(read));
  }, 60_000);

  it('answers that are lost again and again: one run for each start, and a handle of it also in the error', async () => {
    const { sim, call } = await startAll(['echo'], version(apiVersion));
    const cut = (kind, seed) => sim.addFault({ kind, seed, path: /execute$/, probability: 0.4, apply: true });
    cut('reset', 1);
    cut('cut-head', 2);
    cut('cut-body', 3);
    const starts = await Promise.all(
      Array.from({ length: 100 }, async (_, number) => {
        const answer = await call('POST', '/flows/echo/run', { body: { input: { number } } });
        return { number, answer };
      }),
    );
    sim.clearFaults();
    expect(sim.runs).toHaveLength(100);
    const seen = { answered: 0, unclear: 0 };
    for (const { answer } of starts) {
      seen[answer.status === 202 ? 'answered' : 'unclear'] += 1;
      const handle = answer.status === 202 ? answer.json.run.id : answer.json.error.details.runId;
      expect((await call('GET', `/runs/${handle}/status`)).status).toBe(200);
    }
    expect(seen.answered).toBeGreaterThan(0);
    expect(seen.unclear).toBeGreaterThan(0);
  });

  it('the key of another process with the same secret is the same key', async () => {
    const sim = await startSim(['echo'], { apiVersions: [apiVersion] });
    const env = {
      SIM_BASE_URL: sim.url,
      SIM_API_KEY: sim.apiKey,
      SIM_WORKSPACE_ID: sim.workspaceId,
      SIM_API_VERSION: apiVersion,
    };
    const [one, two] = await Promise.all([0, 1].map(() => startProcess({ ...env, SIM_HANDLE_SECRET: SECRET })));
    const headers = { 'idempotency-key': 'gesture-1' };
    const first = await one.call('POST', '/flows/echo/run', { headers, body: { input: { a: 1 } } });
    const second = await two.call('POST', '/flows/echo/run', { headers, body: { input: { a: 1 } } });
    expect([replayed(first), replayed(second)]).toEqual([null, 'true']);
    expect(second.json.run.id).toBe(first.json.run.id);
    // It was not there when the key came with its first input: what it can keep is that no second run is started.
    const other = await two.call('POST', '/flows/echo/run', { headers, body: { input: { a: 2 } } });
    expect([202, 422]).toContain(other.status);
    expect(sim.runs.map(({ input }) => input)).toEqual([{ a: 1 }]);
  });

  it('an instance that does not remember the first input replays the first run, and starts no other', async () => {
    const { sim, call } = await startAll(['echo'], version(apiVersion));
    const other = await startInstance(sim, { apiVersion });
    const headers = { 'idempotency-key': 'k1' };
    const first = await call('POST', '/flows/echo/run', { headers, body: { input: { a: 1 } } });
    const second = await other.call('POST', '/flows/echo/run', { headers, body: { input: { a: 2 } } });
    expect([second.status, replayed(second), second.json.run.id]).toEqual([202, 'true', first.json.run.id]);
    expect(refusal(await call('POST', '/flows/echo/run', { headers, body: { input: { a: 2 } } }))).toEqual([
      422,
      'idempotency_mismatch',
    ]);
    expect(sim.runs.map(({ input }) => input)).toEqual([{ a: 1 }]);
  });

  it('the same key of another tenant is another key', async () => {
    const { sim, call } = await startAll(['echo'], version(apiVersion));
    for (const tenant of ['acme', 'other', undefined]) {
      const headers = { 'idempotency-key': 'k1', ...(tenant && { 'x-test-tenant': tenant }) };
      expect(replayed(await call('POST', '/flows/echo/run', { headers }))).toBe(null);
    }
    expect(sim.runs).toHaveLength(3);
  });

  it('a conflict that is no proof of a start is no run', async () => {
    const { sim, call } = await startAll(['echo'], version(apiVersion));
    const body = { error: { code: 'CONFLICT', message: 'x', details: { code: 'CALL_CHAIN' } } };
    sim.addFault({ kind: 'status', status: 409, body, path: /execute$/ });
    expect(refusal(await call('POST', '/flows/echo/run'))).toEqual([409, 'conflict']);
    expect(sim.runs).toEqual([]);
  });
});

describe('with Sim speaking flows, which cannot claim a run id', () => {
  it.each(CUTS)('an answer lost by $kind is an error, and the start is never tried twice', async ({ kind }) => {
    const { sim, call } = await startAll(['echo'], version('flows'));
    sim.addFault({ kind, path: /run$/, apply: true });
    const answers = await Promise.all(Array.from({ length: 20 }, () => call('POST', '/flows/echo/run')));
    for (const answer of answers) expect(answer.status).toBe(502);
    expect(sim.requests.filter(({ method }) => method === 'POST')).toHaveLength(20);
    expect(sim.runs).toHaveLength(20);
  });
});

describe.each(['v2', 'v1'])('with Sim speaking %s, what cannot be claimed', (apiVersion) => {
  it.each(['reset', 'cut-head', 'cut-body'])(
    'is done once at the most when %s loses its answer: create, deploy, resume',
    async (kind) => {
      const { sim, call } = await startAll(['approve'], version(apiVersion));
      const { json } = await call('POST', '/flows/approve/run');
      await sim.waitFor('status', ({ status }) => status === 'paused');
      const begun = sim.requests.length;
      atEnd(sim.addFault({ kind, method: 'POST', apply: true }));
      await call('POST', '/flows/create', { body: { name: 'one' }, role: 'ADMIN' });
      await call('POST', '/flows/create', { body: { document: documents.echo }, role: 'ADMIN' });
      await call('POST', `/runs/${json.run.id}/resume`, { body: { input: { approved: true } } });
      const posts = sim.requests.slice(begun).filter(({ method }) => method === 'POST');
      expect(posts).toHaveLength(3);
      expect(sim.flows).toHaveLength(3);
    },
  );
});
