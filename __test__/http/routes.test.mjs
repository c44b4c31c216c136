// Every route of the contract, in all three generations of Sim's API: one answer's shape, whichever Sim is behind it.

import { describe, expect, it } from 'vitest';
import { documents, readUntil, refusal, startAll } from './support.mjs';

const NAMES = ['echo', 'fail', 'wait', 'approve'];
const HANDLE = /^[A-Za-z0-9_-]{1,512}$/;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/;
const RUN_KEYS = 'cost durationMs endedAt error flowId id output paused startedAt status'.split(' ');

const named = (version, more = {}) => ({
  sim: { apiVersions: [version] },
  adapter: { apiVersion: version, ...more },
});

const asked = (sim) => sim.requests.map(({ method, path }) => `${method} ${path.split('?')[0]}`);

describe.each(['v2', 'v1', 'flows'])('with Sim speaking %s', (version) => {
  it('health says that Sim is there', async () => {
    const { call } = await startAll(NAMES, named(version));
    const { status, json } = await call('GET', '/health');
    expect(status).toBe(200);
    expect(json).toEqual({
      ok: true,
      sim: { reachable: true, apiVersion: version, latencyMs: expect.any(Number) },
      breaker: 'closed',
    });
  });

  it('the deployed flows are listed, and drafts are not', async () => {
    const { sim, call } = await startAll(NAMES, named(version));
    sim.addFlow({ id: 'draft', name: 'draft', document: documents.echo, deployed: false });
    const { status, json } = await call('GET', '/flows');
    expect(status).toBe(200);
    expect(json.nextCursor).toBeNull();
    expect(json.flows.map(({ id }) => id).sort()).toEqual([...NAMES].sort());
    expect(json.flows[0]).toEqual({
      id: expect.any(String),
      name: expect.any(String),
      description: expect.any(String),
      deployed: true,
    });
  });

  it('pages follow each other without a gap, and an unknown cursor is refused', async () => {
    const { call } = await startAll(NAMES, named(version));
    const all = (await call('GET', '/flows')).json.flows.map(({ id }) => id);
    const seen = [];
    let query = '?limit=3';
    while (query !== null) {
      const { json } = await call('GET', `/flows${query}`);
      seen.push(...json.flows.map(({ id }) => id));
      query = json.nextCursor === null ? null : `?limit=3&cursor=${encodeURIComponent(json.nextCursor)}`;
    }
    expect(seen).toEqual(all);
    expect(refusal(await call('GET', '/flows?cursor=never-seen'))).toEqual([400, 'invalid_request']);
  });

  it('one flow shows its inputs', async () => {
    const { call } = await startAll(NAMES, named(version));
    const { status, json } = await call('GET', '/flows/approve');
    expect(status).toBe(200);
    expect(json.flow).toMatchObject({ id: 'approve', name: 'approve', deployed: true });
    for (const input of json.flow.inputs) expect(Object.keys(input)).toEqual(['name', 'type']);
    expect(refusal(await call('GET', '/flows/nowhere'))).toEqual([404, 'not_found']);
  });

  it('a flow is created from a name, a document and the text of a document', async () => {
    const { sim, call } = await startAll([], named(version, { publicUrl: 'https://sim.example/app/' }));
    const drafts = [
      { name: 'Only a name' },
      { name: 'From a document', document: documents.echo },
      { name: 'From text', description: 'text', document: JSON.stringify(documents.echo) },
    ];
    for (const draft of drafts) {
      const { status, json } = await call('POST', '/flows/create', { body: draft });
      expect(status).toBe(201);
      expect(Object.keys(json)).toEqual(['flow']);
      expect(json.flow).toEqual({ id: expect.any(String), name: draft.name, url: expect.any(String) });
      expect(json.flow.url).toMatch(/^https:\/\/sim\.example\/app\//);
      expect(json.flow.url.endsWith(`/w/${json.flow.id}`)).toBe(true);
    }
    expect(sim.flows.map(({ name }) => name).reverse()).toEqual(drafts.map(({ name }) => name));
  });

  it('a flow that is created to be deployed runs at once', async () => {
    const { sim, call } = await startAll([], named(version));
    const body = { name: 'Ready', document: documents.echo, deploy: true };
    expect(refusal(await call('POST', '/flows/create', { body }))).toEqual([403, 'forbidden']);
    expect(sim.requests).toEqual([]);
    const { json } = await call('POST', '/flows/create', { body, role: 'ADMIN' });
    expect(json.flow.url).toBeNull();
    expect((await call('POST', `/flows/${json.flow.id}/run`)).status).toBe(202);
    expect(sim.runs).toHaveLength(1);
  });

  it('a run is started, and read until it has ended', async () => {
    const { sim, host, call } = await startAll(NAMES, named(version));
    const started = await call('POST', '/flows/echo/run', { body: { input: { a: 1 } } });
    expect(started.status).toBe(202);
    const { id } = started.json.run;
    expect(id).toMatch(HANDLE);
    const [statusUrl, eventsUrl] = [`/api/sim/runs/${id}/status`, `/api/sim/runs/${id}/events`];
    expect(started.json.run).toEqual({ id, status: 'queued', statusUrl, eventsUrl });
    const { status, json } = await readUntil(sim, host, id, 'completed');
    expect(status).toBe(200);
    expect(Object.keys(json.run).sort()).toEqual(RUN_KEYS);
    expect(json.run).toMatchObject({ id, flowId: 'echo', status: 'completed', error: null, paused: null });
    expect(json.run.output).toMatchObject({ result: { a: 1 } });
    expect(json.run.startedAt).toMatch(TIME);
    expect(json.run.endedAt).toMatch(TIME);
  });

  it('a failed run is a successful answer', async () => {
    const { call } = await startAll(NAMES, named(version));
    const { status, json } = await call('POST', '/flows/fail/run', { body: { mode: 'sync' } });
    expect(status).toBe(200);
    expect(json.run).toMatchObject({ status: 'failed', output: null });
    expect(json.run.error.message).toContain('boom');
  });

  it('mode sync waits for the end, and at its time-out hands out a receipt', async () => {
    const { call } = await startAll(NAMES, named(version));
    const whole = await call('POST', '/flows/echo/run', { body: { input: { b: 2 }, mode: 'sync' } });
    expect([whole.status, whole.json.run.status]).toEqual([200, 'completed']);
    expect(whole.json.run.output).toMatchObject({ result: { b: 2 } });
    const late = await call('POST', '/flows/wait/run', { body: { mode: 'sync', timeoutMs: 100 } });
    expect(late.status).toBe(202);
    expect(Object.keys(late.json.run).sort()).toEqual(['eventsUrl', 'id', 'status', 'statusUrl']);
  });

  it('mode sync waits no longer than SIM_SYNC_TIMEOUT_MS, whatever timeoutMs says', async () => {
    const { call } = await startAll(NAMES, named(version, { syncTimeoutMs: 50 }));
    const { status } = await call('POST', '/flows/wait/run', { body: { mode: 'sync', timeoutMs: 600_000 } });
    expect(status).toBe(202);
  });

  it('Prefer: wait waits as asked and says so', async () => {
    const { call } = await startAll(NAMES, named(version));
    const headers = { prefer: 'respond-async, wait=10' };
    const { status, headers: answered, json } = await call('POST', '/flows/echo/run', { headers });
    expect([status, json.run.status]).toEqual([200, 'completed']);
    expect(answered.get('preference-applied')).toBe('wait=10');
    const at = await call('POST', '/flows/wait/run', { headers: { prefer: 'wait=0' } });
    expect([at.status, at.headers.get('preference-applied')]).toEqual([202, 'wait=0']);
  });

  it('a run is cancelled once; one that has ended is a conflict', async () => {
    const { sim, host, call } = await startAll(NAMES, named(version));
    const { id } = (await call('POST', '/flows/wait/run')).json.run;
    const cancelled = await call('POST', `/runs/${id}/cancel`);
    if (version === 'flows') {
      expect([...refusal(cancelled), cancelled.json.error.details.reason]).toEqual([409, 'conflict', 'unsupported']);
      return;
    }
    expect([cancelled.status, cancelled.json.run.status]).toEqual([200, 'cancelled']);
    const done = (await call('POST', '/flows/echo/run')).json.run;
    await readUntil(sim, host, done.id, 'completed');
    const late = await call('POST', `/runs/${done.id}/cancel`);
    expect([...refusal(late), late.json.error.details.reason]).toEqual([409, 'conflict', 'already_finished']);
  });

  it('a paused run is resumed once, under the handle it had', async () => {
    const { sim, host, call } = await startAll(NAMES, named(version));
    const { id } = (await call('POST', '/flows/approve/run')).json.run;
    const paused = await readUntil(sim, host, id, 'paused');
    expect(paused.json.run.status).toBe('paused');
    expect(paused.text).not.toContain(sim.url);
    const resumed = await call('POST', `/runs/${id}/resume`, { body: { input: { approved: true } } });
    if (version === 'flows') {
      expect([...refusal(resumed), resumed.json.error.details.reason]).toEqual([409, 'conflict', 'unsupported']);
      return;
    }
    expect(paused.json.run.paused).toMatchObject({ kind: 'human', contextId: expect.any(String) });
    expect([resumed.status, resumed.json.run.id]).toEqual([200, id]);
    const { contextId } = paused.json.run.paused;
    const again = await call('POST', `/runs/${id}/resume`, { body: { contextId, input: { approved: true } } });
    expect(refusal(again)).toEqual([409, 'conflict']);
    const end = await readUntil(sim, host, id, 'completed');
    expect(end.json.run).toMatchObject({ id, status: 'completed' });
  });

  it('no other generation is asked', async () => {
    const { sim, call } = await startAll(NAMES, named(version));
    await call('GET', '/flows');
    await call('POST', '/flows/echo/run', { body: { mode: 'sync' } });
    const prefix = { v2: /^\w+ \/api\/v2\//, v1: /^\w+ \/api\/(v1\/)?workflows/, flows: /^\w+ \/api\/(flows|runs)/ };
    for (const line of asked(sim)) expect(line).toMatch(prefix[version]);
  });
});

describe('with the generation found by asking', () => {
  it.each([
    [['v2', 'v1'], 'v2'],
    [['v1'], 'v1'],
    [['flows'], 'flows'],
  ])('a Sim that speaks %s is spoken to in %s', async (apiVersions, found) => {
    const { sim, call } = await startAll(['echo'], { sim: { apiVersions }, adapter: { apiVersion: 'auto' } });
    const runs = await Promise.all(Array.from({ length: 5 }, () => call('POST', '/flows/echo/run')));
    expect(runs.map(({ status }) => status)).toEqual([202, 202, 202, 202, 202]);
    expect((await call('GET', '/health')).json.sim.apiVersion).toBe(found);
    const probes = asked(sim).filter((line) => /^GET \/api\/(v2\/workflows|v1\/workflows|flows)$/.test(line));
    expect(probes).toHaveLength({ v2: 1, v1: 2, flows: 3 }[found]);
  });

  it('a start that v1 could take for a control key is refused with its path', async () => {
    const { sim, call } = await startAll(['echo'], named('v1'));
    const body = { input: { message: 'hi', stream: true, triggerBlockId: 'x' } };
    const { status, json } = await call('POST', '/flows/echo/run', { body });
    expect(status).toBe(400);
    expect(json.error.details.fields.map(({ path }) => path)).toEqual(['input.stream', 'input.triggerBlockId']);
    expect(sim.runs).toEqual([]);
  });
});
