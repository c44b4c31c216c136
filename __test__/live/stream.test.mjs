// Streamed runs against the emulated Sim: what is told, in which order, and what is refused before anything is told.

import { EventEmitter, once } from 'node:events';
import compression from 'compression';
import { describe, expect, it } from 'vitest';
import { documents, express4, express5, refusal, startAdapter, startAll, startHost } from '../http/support.mjs';
import { names, playSim, refused, start, stream, watch } from './support.mjs';

const version = (apiVersion, more = {}) => ({
  sim: { apiVersions: [apiVersion], ...more.sim },
  adapter: { apiVersion, ...more.adapter },
});

const TEXT = 'You said: one two three';
const input = { message: 'one two three' };

/** Sim gives blocks ids of its own. */
const BLOCK = expect.stringMatching(/^[0-9a-f-]{36}$/);

describe.each(['v2', 'v1'])('with Sim speaking %s', (apiVersion) => {
  it('a run is told from its handle to its final state', async () => {
    const { sim, host } = await startAll(['agent'], version(apiVersion));
    const told = await stream(host, 'agent', { input });
    expect(told.status).toBe(200);
    const events = await told.rest();
    const [first, second] = events;
    expect(names(events)).toEqual(['run', 'thinking', ...Array(5).fill('chunk'), 'final']);
    expect(events.map(({ id }) => id)).toEqual(events.map((_, index) => String(index + 1)));
    const { id } = first.data.run;
    expect(first.data).toEqual({
      run: {
        id: expect.stringMatching(/^[A-Za-z0-9_-]+$/),
        status: 'running',
        statusUrl: `/api/sim/runs/${id}/status`,
        eventsUrl: `/api/sim/runs/${id}/events`,
      },
    });
    expect(second.data).toEqual({ blockId: BLOCK, data: 'The answer repeats the question.' });
    const chunks = events.filter(({ event }) => event === 'chunk');
    expect(chunks.map(({ data }) => data.chunk).join('')).toBe(TEXT);
    expect(Object.keys(chunks[0].data)).toEqual(['blockId', 'chunk']);
    const { run } = events.at(-1).data;
    expect(run).toMatchObject({ id, flowId: 'agent', status: 'completed', error: null, paused: null });
    expect(run.output.content).toBe(TEXT);
    expect(run.durationMs).toBeGreaterThanOrEqual(20);
    expect(Date.parse(run.startedAt)).toBeLessThanOrEqual(Date.parse(run.endedAt));
    expect(sim.runs).toHaveLength(1);
    expect(sim.runs[0].input).toEqual(input);
  });

  it('tools are told with their phases', async () => {
    const document = structuredClone(documents.agent);
    document.state.blocks.agent.subBlocks.tools.value = [{ title: 'Search', type: 'search' }];
    const { sim, host } = await startAll([], version(apiVersion));
    sim.addFlow({ id: 'tools', document });
    const events = await (await stream(host, 'tools', { input })).rest();
    const tools = events.filter(({ event }) => event === 'tool').map(({ data }) => data);
    expect(tools).toEqual([
      { blockId: BLOCK, id: 'call_1', name: 'Search', phase: 'start' },
      { blockId: BLOCK, id: 'call_1', name: 'Search', phase: 'end', status: 'success' },
    ]);
  });

  it('a failed run is told as failed, in the words of its flow', async () => {
    const { host } = await startAll(['fail'], version(apiVersion));
    const events = await (await stream(host, 'fail')).rest();
    expect(names(events)).toEqual(['run', 'final']);
    const { run } = events[1].data;
    expect(run.status).toBe('failed');
    expect(run.error.message).toContain('boom');
    expect(run.endedAt).not.toBeNull();
  });

  it('a paused run is told with its form, and not with Sim’s address to answer it', async () => {
    const { host } = await startAll(['approve'], version(apiVersion));
    const told = await stream(host, 'approve', { input });
    const events = await told.rest();
    expect(names(events)).toEqual(['run', 'final']);
    const { run } = events[1].data;
    expect(run).toMatchObject({ status: 'paused', paused: { contextId: BLOCK, kind: 'human' } });
    expect(run.output.data.inputFormat.map(({ name, type, required }) => [name, type, required])).toEqual([
      ['approved', 'boolean', true],
      ['comment', 'string', false],
    ]);
    expect(told.raw).not.toMatch(/_resume|\/api\/resume|127\.0\.0\.1/);
  });

  it('a paused run that is answered goes on, and is told to whoever watches it', async () => {
    const { host, call } = await startAll(['approve'], version(apiVersion));
    const { run } = (await (await stream(host, 'approve', { input })).until('final')).data;
    const watched = await watch(host, run.id);
    expect((await watched.next()).data.run.status).toBe('paused');
    const resumed = await call('POST', `/runs/${run.id}/resume`, { body: { input: { approved: true } } });
    expect([resumed.status, resumed.json.run.id]).toEqual([200, run.id]);
    expect(['queued', 'running']).toContain(resumed.json.run.status);
    const last = (await watched.rest()).at(-1);
    expect(last.data.run).toMatchObject({ status: 'completed', output: { result: { approved: true } } });
  });

  it('the first event is enough to cancel, and the stream tells the end', async () => {
    const { sim, host, call } = await startAll(['wait'], version(apiVersion));
    const told = await stream(host, 'wait');
    const { id } = (await told.next()).data.run;
    expect((await call('POST', `/runs/${id}/cancel`)).json.run.status).toBe('cancelled');
    const rest = await told.rest();
    expect(names(rest)).toEqual(['final']);
    expect(rest[0].data.run).toMatchObject({ id, status: 'cancelled' });
    expect(sim.runs.map(({ status }) => status)).toEqual(['cancelled']);
  });

  it('selected outputs are Sim’s to select', async () => {
    const { sim, host } = await startAll(['agent'], version(apiVersion));
    const told = await stream(host, 'agent', { input, selectedOutputs: ['agent.content'] });
    const events = await told.rest();
    expect(JSON.parse(sim.requests[0].body).selectedOutputs).toEqual(['agent.content']);
    expect(Object.entries(events.at(-1).data.run.output)).toEqual([[BLOCK, { content: TEXT }]]);
    await (await stream(host, 'agent', { input })).rest();
    expect(JSON.parse(sim.requests.findLast(({ method }) => method === 'POST').body)).not.toHaveProperty(
      'selectedOutputs',
    );
  });

  it('a flow that is not deployed is 409 in JSON, and no stream', async () => {
    const { sim, host } = await startAll([], version(apiVersion));
    sim.addFlow({ id: 'draft', document: documents.echo, deployed: false });
    const answer = await stream(host, 'draft');
    expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(await refused(answer)).toEqual([409, 'flow_not_deployed']);
  });

  it('the same key again tells the status of the run that it started', async () => {
    const { sim, host } = await startAll(['agent'], version(apiVersion));
    const headers = { 'idempotency-key': 'gesture' };
    const first = await (await stream(host, 'agent', { input, headers })).rest();
    const again = await stream(host, 'agent', { input, headers });
    expect(again.headers.get('idempotent-replayed')).toBe('true');
    const events = await again.rest();
    expect(names(events)).toEqual(['run', 'status', 'final']);
    expect(events[0].data.run.id).toBe(first[0].data.run.id);
    expect(events[2].data).toEqual(first.at(-1).data);
    expect(sim.runs).toHaveLength(1);
    expect(await refused(await stream(host, 'agent', { input: { message: 'other' }, headers }))).toEqual([
      422,
      'idempotency_mismatch',
    ]);
  });

  it.each([
    [400, {}, 400, 'invalid_request'],
    [401, {}, 502, 'upstream_auth'],
    [402, {}, 503, 'upstream_quota'],
    [404, {}, 404, 'not_found'],
    [409, { error: 'x' }, 409, 'conflict'],
    [413, {}, 413, 'payload_too_large'],
    [429, {}, 503, 'upstream_busy'],
    [500, {}, 502, 'upstream_error'],
  ])('%i before the stream is an answer in JSON', async (status, body, ours, code) => {
    const { sim, host } = await startAll(['agent'], version(apiVersion));
    sim.addFault({ kind: 'status', status, body, method: 'POST' });
    const answer = await stream(host, 'agent', { input });
    expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(await refused(answer)).toEqual([ours, code]);
    expect(sim.runs).toEqual([]);
  });
});

describe('a stream', () => {
  it('of a Sim that has none tells the status of a run', async () => {
    const { sim, host } = await startAll(['echo'], version('flows'));
    const events = await (await stream(host, 'echo', { input: { a: 1 } })).rest();
    expect(names(events)[0]).toBe('run');
    expect(names(events).slice(1, -1)).toEqual(Array(events.length - 2).fill('status'));
    expect(events.at(-1)).toMatchObject({ event: 'final', data: { run: { status: 'completed' } } });
    expect(sim.runs).toHaveLength(1);
  });

  it('is not held back by proxies, nor changed on the way', async () => {
    const { host } = await startAll(['agent']);
    const told = await stream(host, 'agent', { input, headers: { 'x-request-id': 'mine' } });
    expect(Object.fromEntries(told.headers)).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-transform',
      'content-encoding': 'identity',
      'x-accel-buffering': 'no',
      'x-request-id': 'mine',
    });
  });

  it.each([
    ['Express 4', express4],
    ['Express 5', express5],
  ])('comes event by event behind the compression middleware (%s)', async (_name, express) => {
    const before = [compression({ threshold: 0 }), express.json()];
    const { sim, host } = await startAll(['agent', 'wait'], { host: { express, before } });
    const told = await stream(host, 'wait', { headers: { 'accept-encoding': 'gzip' } });
    // The first one arrives while the run, and with it the answer, is under way.
    expect((await told.next()).event).toBe('run');
    expect(sim.runs[0].status).toBe('running');
    expect(told.headers.get('content-encoding')).toBe('identity');
    told.abort();
    const events = await (await stream(host, 'agent', { input })).rest();
    expect(names(events).at(-1)).toBe('final');
  });

  it.each([
    ['a flow that canRunFlow hides', { canRunFlow: () => false }, [404, 'not_found']],
    ['an operation that the gate refuses', { gate: () => false }, [403, 'forbidden']],
    ['a flow that is not in the plan', { plans: { USER: { flows: ['other-*'] } } }, [404, 'not_found']],
    ['a plan without runs', { plans: { USER: { operations: ['flows.list'] } } }, [403, 'plan_required']],
  ])('of %s is refused in JSON, and Sim starts nothing', async (_what, options, expected) => {
    const { sim, host } = await startAll(['agent'], { adapter: options });
    expect(await refused(await stream(host, 'agent', { input }))).toEqual(expected);
    expect(sim.requests.filter(({ method }) => method === 'POST')).toEqual([]);
  });

  it('takes selectedOutputs, and no other mode does', async () => {
    const { sim, call } = await startAll(['agent']);
    for (const mode of [undefined, 'async', 'sync']) {
      const answer = await call('POST', '/flows/agent/run', { body: { mode, selectedOutputs: ['agent'] } });
      expect(refusal(answer)).toEqual([400, 'invalid_request']);
      expect(answer.json.error.details.fields.map(({ path }) => path)).toEqual(['selectedOutputs']);
    }
    expect(sim.requests).toEqual([]);
  });

  it('under a plan with a longest run is started, and ended by then', async () => {
    const plans = { USER: { maxRunSeconds: 1 } };
    const { sim, host } = await startAll(['wait'], { adapter: { plans } });
    const events = await (await stream(host, 'wait')).rest();
    expect(names(events)).toEqual(['run', 'status', 'final']);
    expect(events[2].data.run.status).toBe('cancelled');
    expect(sim.runs.map(({ status }) => status)).toEqual(['cancelled']);
  });
});

describe('a client that goes away', () => {
  it.each(['v2', 'v1'])('ends its streamed run in Sim at once (%s)', async (apiVersion) => {
    const { sim, host } = await startAll(['wait'], version(apiVersion));
    const told = await stream(host, 'wait');
    await told.next();
    const began = performance.now();
    told.abort();
    const { run } = await sim.waitFor('abort');
    expect(performance.now() - began).toBeLessThan(1000);
    expect(run.flowId).toBe('wait');
    await sim.waitFor('status', ({ status }) => status === 'cancelled');
  });

  it('ends it also before Sim has begun to answer', async () => {
    const starts = new EventEmitter();
    const sim = await playSim({
      execute: (_req, res) => {
        res.once('close', () => starts.emit('left'));
        starts.emit('asked');
      },
    });
    const host = await startHost(startAdapter(sim));
    const asked = once(starts, 'asked');
    const client = new AbortController();
    const answer = fetch(`${host.url}/flows/f/run`, {
      method: 'POST',
      headers: { 'x-test-user': 'ann', 'content-type': 'application/json' },
      body: '{"mode":"stream"}',
      signal: client.signal,
    });
    await asked;
    const left = once(starts, 'left');
    const began = performance.now();
    client.abort();
    await expect(answer).rejects.toThrow();
    await left;
    expect(performance.now() - began).toBeLessThan(1000);
  });

  it('frees its place among the runs of its plan', async () => {
    const plans = { USER: { concurrentRuns: 1, maxRunSeconds: 600 } };
    const { sim, host } = await startAll(['wait', 'agent'], { adapter: { plans } });
    const told = await stream(host, 'wait');
    await told.next();
    expect(await refused(await stream(host, 'agent', { input }))).toEqual([429, 'quota_exceeded']);
    told.abort();
    await sim.waitFor('abort');
    const next = async () => {
      const answer = await stream(host, 'agent', { input });
      return answer.status === 200 ? names(await answer.rest()).at(-1) : answer.status;
    };
    await expect.poll(next).toBe('final');
    // Each that ends by itself frees it too.
    expect([await next(), await next()]).toEqual(['final', 'final']);
  });

  it('leaves a run in async mode alone', async () => {
    const { sim, host } = await startAll(['wait']);
    const id = await start(host, 'wait');
    const watched = await watch(host, id);
    expect((await watched.next()).event).toBe('status');
    sim.addFault({ kind: 'hang', method: 'GET', times: 1 });
    const polled = new Promise((resolve) => sim.once('request', resolve));
    await polled;
    watched.abort();
    // Another watcher is served, and the run is as it was.
    expect((await (await watch(host, id)).next()).data.run.status).toBe('running');
    expect(sim.requests.filter(({ path }) => path.includes('cancel'))).toEqual([]);
  });

  it('leaves a run that an earlier start of the same key began alone', async () => {
    const { sim, host } = await startAll(['wait']);
    const headers = { 'idempotency-key': 'gesture' };
    const first = await stream(host, 'wait', { headers });
    await first.next();
    const again = await stream(host, 'wait', { headers });
    await again.until('status');
    again.abort();
    const other = await watch(host, (await (await stream(host, 'wait', { headers })).next()).data.run.id);
    expect((await other.next()).data.run.status).toBe('running');
    expect(sim.runs.map(({ status }) => status)).toEqual(['running']);
  });
});

it('a second instance with the same secret replays the stream of the first', async () => {
  const { sim, host } = await startAll(['agent']);
  const other = await startHost(startAdapter(sim));
  const headers = { 'idempotency-key': 'gesture' };
  const first = await (await stream(host, 'agent', { input, headers })).rest();
  const again = await stream(other, 'agent', { input, headers });
  expect(again.headers.get('idempotent-replayed')).toBe('true');
  expect((await again.rest()).at(-1).data).toEqual(first.at(-1).data);
});
