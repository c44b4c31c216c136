// Watching runs: one poller however many watch, changes only, and going on whatever happens to connections or to Sim.

import { describe, expect, it } from 'vitest';
import { call, refusal, startAdapter, startAll, startHost } from '../http/support.mjs';
import { names, notFound, playSim, refused, runIs, start, stream, watch } from './support.mjs';

const reads = (sim) => sim.requests.filter(({ method }) => method === 'GET');

/** A played Sim whose run has the states of a list, one for each read; the last one stays. */
async function playedRun(states, options) {
  const sim = await playSim({
    execute: (_req, res) => {
      res.writeHead(202, { 'content-type': 'application/json' }).end('{"data":{"runId":"r"}}');
    },
    status: (req, res) => (states.length > 1 ? states.shift() : states[0])(req, res),
  });
  const adapter = startAdapter(sim, options);
  const host = await startHost(adapter);
  return { sim, adapter, host, id: await start(host, 'f') };
}

const fails =
  (status, headers = {}) =>
  (_req, res) =>
    res.writeHead(status, { 'content-type': 'application/json', ...headers }).end('{}');

describe.each(['v2', 'v1', 'flows'])('with Sim speaking %s', (apiVersion) => {
  const version = { sim: { apiVersions: [apiVersion], runMs: 1500 }, adapter: { apiVersion } };

  it('a run is told on each change, up to its end', async () => {
    const { host, call } = await startAll(['echo'], version);
    const id = await start(host, 'echo');
    const watched = await watch(host, id);
    const events = await watched.rest();
    const statuses = events.map(({ data }) => data.run.status);
    expect(names(events)).toEqual(statuses.map(() => 'status'));
    expect(statuses).toEqual([...new Set(statuses)]);
    expect(statuses.slice(-2)).toEqual(['running', 'completed']);
    expect(events.at(-1).data).toEqual((await call('GET', `/runs/${id}/status`)).json);
    expect(new Set(events.map(({ id }) => id)).size).toBe(events.length);
    expect(Object.fromEntries(watched.headers)).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-transform',
      'content-encoding': 'identity',
      'x-accel-buffering': 'no',
    });
  });

  it('a run that has ended is told once', async () => {
    const { sim, host } = await startAll(['fail'], version);
    const id = await start(host, 'fail');
    await sim.waitFor('status', ({ status }) => status === 'failed');
    const events = await (await watch(host, id)).rest();
    expect(events.map(({ data }) => data.run.status)).toEqual(['failed']);
  });
});

it('a run that another request cancels is told as cancelled', async () => {
  const { host, call } = await startAll(['wait']);
  const id = await start(host, 'wait');
  const watched = await watch(host, id);
  await watched.until('status', ({ run }) => run.status === 'running');
  await call('POST', `/runs/${id}/cancel`);
  expect((await watched.rest()).map(({ data }) => data.run.status)).toEqual(['cancelled']);
});

describe('many watchers', () => {
  it('of one run cost one read of Sim at a time, and whoever comes late hears at once what is known', async () => {
    const waiting = [];
    const { sim, host, id } = await playedRun([runIs('running'), (req, res) => waiting.push([req, res])]);
    const first = await watch(host, id);
    await first.next();
    await expect.poll(() => waiting.length).toBe(1);
    // The poller waits for Sim's answer: nothing of what follows can come from a read.
    const late = await Promise.all(Array.from({ length: 20 }, () => watch(host, id)));
    const heard = await Promise.all(late.map((watched) => watched.next()));
    expect(heard.map(({ data }) => data.run.status)).toEqual(Array(20).fill('running'));
    expect(new Set(heard.map((event) => event.id)).size).toBe(1);
    expect(reads(sim)).toHaveLength(2);
    runIs('completed')(...waiting[0]);
    const ends = await Promise.all([first, ...late].map((watched) => watched.rest()));
    expect(ends.map((events) => events.map(({ data }) => data.run.status))).toEqual(Array(21).fill(['completed']));
    expect(reads(sim)).toHaveLength(2);
  });

  it('10,000 of 100 runs cost at most one read of each run per interval', async () => {
    const [runs, each] = [100, 100];
    const { sim, adapter, host } = await startAll(['wait']);
    const user = { id: 'ann' };
    const ids = await Promise.all(Array.from({ length: runs }, () => start(host, 'wait')));
    await sim.waitFor('status', () => sim.runs.every(({ status }) => status === 'running'));
    sim.requests.length = 0;
    const watchers = ids.flatMap((id) => Array.from({ length: each }, () => adapter.watchRun(id, { user })));
    const first = await Promise.all(watchers.map((watcher) => watcher.next()));
    expect(first.every(({ value }) => value.data.run.status === 'running')).toBe(true);
    await sim.waitFor('request', () => reads(sim).length >= 4 * runs);
    const times = new Map();
    for (const { path, at } of reads(sim)) times.set(path, [...(times.get(path) ?? []), at]);
    expect(times.size).toBe(runs);
    for (const [, at] of times) {
      // The first wait is 200 ms at least, and they grow.
      expect(Math.min(...at.slice(1).map((time, index) => time - at[index]))).toBeGreaterThanOrEqual(195);
    }
    const ends = Promise.all(watchers.map((watcher) => watcher.next()));
    await Promise.all(ids.map((id) => adapter.cancelRun(id, { user })));
    expect(new Set((await ends).map(({ value }) => value.data.run.status))).toEqual(new Set(['cancelled']));
    expect(new Set((await Promise.all(watchers.map((watcher) => watcher.next()))).map(({ done }) => done))).toEqual(
      new Set([true]),
    );
  }, 60_000);
});

describe('Last-Event-ID', () => {
  const last = (id) => ({ headers: { 'last-event-id': id } });

  it('of the present state: it is not told again', async () => {
    const { host, call } = await startAll(['wait']);
    const id = await start(host, 'wait');
    const first = await watch(host, id);
    const running = await first.until('status', ({ run }) => run.status === 'running');
    first.abort();
    const again = await watch(host, id, last(running.id));
    expect(again.status).toBe(200);
    await call('POST', `/runs/${id}/cancel`);
    expect((await again.rest()).map(({ data }) => data.run.status)).toEqual(['cancelled']);
  });

  it('of an older state: the present one is told, also by another instance', async () => {
    const { sim, host, call } = await startAll(['wait']);
    const other = await startHost(startAdapter(sim));
    const id = await start(host, 'wait');
    const running = await (await watch(host, id)).until('status', ({ run }) => run.status === 'running');
    const silent = await watch(other, id, last(running.id));
    await call('POST', `/runs/${id}/cancel`);
    const [cancelled] = await silent.rest();
    const later = await (await watch(other, id, last(running.id))).rest();
    expect(later).toEqual([cancelled]);
    expect(later[0].data.run.status).toBe('cancelled');
    expect(await (await watch(other, id, last(cancelled.id))).rest()).toEqual([]);
  });

  it('of a streamed run whose client left: how it ended is told', async () => {
    const { sim, host } = await startAll(['wait']);
    const streamed = await stream(host, 'wait');
    const { id, data } = await streamed.next();
    streamed.abort();
    await sim.waitFor('status', ({ status }) => status === 'cancelled');
    const events = await (await watch(host, data.run.id, last(id))).rest();
    expect([id, events.map(({ data }) => data.run.status)]).toEqual(['1', ['cancelled']]);
  });

  it.each(['7', 'nonsense', 'x'.repeat(4000)])('that means nothing (%.9s) brings the present state', async (id) => {
    const { sim, host } = await startAll(['echo']);
    const run = await start(host, 'echo');
    await sim.waitFor('status', ({ status }) => status === 'completed');
    expect(await (await watch(host, run, last(id))).rest()).toHaveLength(1);
  });
});

describe('trouble', () => {
  it('with the first read is an answer in JSON', async () => {
    const { sim, host } = await startAll(['wait']);
    const id = await start(host, 'wait');
    const remove = sim.addFault({ kind: 'status', status: 429, retryAfter: 7, method: 'GET' });
    const answer = await watch(host, id);
    expect(answer.headers.get('retry-after')).toBe('7');
    expect(await refused(answer)).toEqual([503, 'upstream_busy']);
    remove();
    sim.addFault({ kind: 'status', status: 500, method: 'GET', times: 10 });
    expect(await refused(await watch(host, id))).toEqual([502, 'upstream_error']);
    sim.clearFaults();
    expect((await (await watch(host, id)).next()).data.run.status).toBe('running');
  });

  it('with later reads is not told: the next one may work', async () => {
    const { sim, host, id } = await playedRun([
      runIs('running'),
      fails(500),
      (_req, res) => res.socket.destroy(),
      (_req, res) => res.writeHead(502, { 'content-type': 'text/html' }).end('<html>'),
      fails(404),
      runIs('completed'),
    ]);
    const events = await (await watch(host, id)).rest();
    expect(events.map(({ event, data }) => [event, data.run.status])).toEqual([
      ['status', 'running'],
      ['status', 'completed'],
    ]);
    expect(reads(sim).length).toBeGreaterThanOrEqual(6);
  });

  it('Retry-After is honoured', async () => {
    const times = [];
    const note = (state) => (req, res) => {
      times.push(performance.now());
      state(req, res);
    };
    const { host, id } = await playedRun([
      note(runIs('running')),
      note(fails(429, { 'retry-after': '2' })),
      note(runIs('completed')),
    ]);
    expect(names(await (await watch(host, id)).rest())).toEqual(['status', 'status']);
    expect(times).toHaveLength(3);
    expect(times[2] - times[1]).toBeGreaterThan(1990);
  });

  it('a rate limit of Sim that is nearly used up slows the reads down before it is met', async () => {
    const times = [];
    const left = (remaining, state) => (req, res) => {
      times.push(performance.now());
      const reset = new Date(Date.now() + 4000).toISOString();
      res.setHeader('x-ratelimit-remaining', remaining).setHeader('x-ratelimit-reset', reset);
      state(req, res);
    };
    const { host, id } = await playedRun([
      left('1000', runIs('running')),
      left('4', runIs('paused')),
      left('3', runIs('completed')),
    ]);
    expect(names(await (await watch(host, id)).rest())).toEqual(['status', 'status', 'status']);
    // Two of the four are for whoever watches, and have to last what is left of 4 s; without a limit it were 0.25 s.
    expect(times[2] - times[1]).toBeGreaterThan(1000);
  });

  it('a rate limit of Sim that is used up is waited for, also when Sim does not say how long', async () => {
    const reset = new Date(Date.now() + 40_000).toISOString();
    const { host, id } = await playedRun([fails(429, { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': reset })]);
    const answer = await watch(host, id);
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(20);
    expect(await refused(answer)).toEqual([503, 'upstream_busy']);
  });

  it('of a restart of Sim ends nothing', async () => {
    const { sim, host, id } = await playedRun([runIs('running')]);
    const watched = await watch(host, id);
    await watched.next();
    await sim.close();
    const again = await playSim({ port: sim.port, status: runIs('completed') });
    expect((await watched.rest()).map(({ data }) => data.run.status)).toEqual(['completed']);
    expect(again.requests).toHaveLength(1);
  });

  it('of a run that is gone ends with an error, without an id', async () => {
    const { sim, host, id } = await playedRun([runIs('running'), notFound]);
    const watched = await watch(host, id, { headers: { 'x-request-id': 'mine' } });
    const events = await watched.rest();
    expect(names(events)).toEqual(['status', 'error']);
    expect(events[1].id).toBeUndefined();
    expect(events[1].data).toEqual({
      error: { code: 'not_found', message: expect.any(String), requestId: 'mine' },
    });
    expect(reads(sim)).toHaveLength(6);
  });
});

describe('a stranger', () => {
  it('does not hear of another’s run, and Sim is not asked', async () => {
    const { sim, host } = await startAll(['wait']);
    const id = await start(host, 'wait');
    await (await watch(host, id)).next();
    const before = sim.requests.length;
    for (const handle of [id, sim.runs[0].id, `${id}x`]) {
      expect(await refused(await watch(host, handle, { user: 'bob' }))).toEqual([404, 'not_found']);
    }
    const asked = new Set(sim.requests.slice(before).map(({ path }) => path));
    // The poller of the one who may hear goes on, and nothing else is asked.
    expect([...asked].filter((path) => !path.includes(`/runs/${sim.runs[0].id}?`))).toEqual([]);
    expect(new Set(sim.requests.map(({ headers }) => headers['x-sim-user'])).size).toBe(1);
  });

  it('without a name hears nothing', async () => {
    const { host } = await startAll(['wait']);
    const id = await start(host, 'wait');
    expect(refusal(await call(host, 'GET', `/runs/${id}/events`, { user: null }))).toEqual([401, 'unauthenticated']);
  });
});

describe('close', () => {
  it('ends those who only watch at once, with shutting_down, and waits for the others', async () => {
    const { sim, adapter, host } = await startAll(['wait', 'agent'], { sim: { runMs: 200 } });
    const id = await start(host, 'wait');
    const watched = await watch(host, id, { headers: { 'x-request-id': 'mine' } });
    await watched.next();
    const watching = adapter.watchRun(id, { user: { id: 'ann' } });
    await watching.next();
    const running = adapter.runFlow('agent', { mode: 'sync' });
    await sim.waitFor('run', ({ flowId }) => flowId === 'agent');
    const closed = adapter.close({ drainMs: 600_000 });
    const [last] = (await watched.rest()).slice(-1);
    expect([last.event, last.id, last.data.error.code, last.data.error.requestId]).toEqual([
      'error',
      undefined,
      'shutting_down',
      'mine',
    ]);
    await expect(watching.next()).rejects.toMatchObject({ code: 'shutting_down', status: 503, retryAfterMs: 1000 });
    expect((await running).run.status).toBe('completed');
    await closed;
  });

  it('lets a streamed run end, and stops one that takes too long', async () => {
    const { sim, adapter } = await startAll(['wait', 'agent'], { sim: { runMs: 50 } });
    const short = adapter.streamRun('agent', { input: { message: 'a b c' } });
    const long = adapter.streamRun('wait');
    await Promise.all([short.next(), long.next()]);
    const closed = adapter.close({ drainMs: 2000 });
    const events = [];
    for await (const event of short) events.push(event);
    expect(events.at(-1).event).toBe('final');
    await expect(long.next()).rejects.toMatchObject({ code: 'shutting_down' });
    await closed;
    await sim.waitFor('status', ({ flowId, status }) => flowId === 'wait' && status === 'cancelled');
  });
});
