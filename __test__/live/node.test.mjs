// streamRun and watchRun: the same streams as async iterators, that stop with whoever listens.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { startAdapter, startAll, startHost, startSim } from '../http/support.mjs';
import { begin, frame, names, notFound, playSim, runIs, start } from './support.mjs';

const user = { id: 'ann' };
const input = { message: 'one two three' };

async function all(events) {
  const list = [];
  for await (const event of events) list.push(event);
  return list;
}

describe('streamRun', () => {
  it('yields the events of the route', async () => {
    const { sim, adapter } = await startAll(['agent']);
    const events = await all(adapter.streamRun('agent', { input, selectedOutputs: ['agent'], user }));
    expect(names(events)).toEqual(['run', 'thinking', ...Array(5).fill('chunk'), 'final']);
    expect(events.map(({ id }) => id)).toEqual(events.map((_, index) => String(index + 1)));
    expect(events[0].data.run).toMatchObject({ status: 'running', eventsUrl: expect.stringMatching(/^\/runs\//) });
    expect(JSON.parse(sim.requests[0].body)).toMatchObject({ input, selectedOutputs: ['agent'] });
    expect((await adapter.runStatus(events[0].data.run.id, { user })).run.status).toBe('completed');
  });

  it('starts nothing until somebody listens', async () => {
    const { sim, adapter } = await startAll(['agent']);
    const events = adapter.streamRun('agent', { input });
    await adapter.health();
    expect(sim.runs).toEqual([]);
    await events.next();
    expect(sim.runs).toHaveLength(1);
  });

  it('stops the run with a break', async () => {
    const { sim, adapter } = await startAll(['wait']);
    for await (const { event } of adapter.streamRun('wait')) {
      expect(event).toBe('run');
      break;
    }
    expect((await sim.waitFor('abort')).run.flowId).toBe('wait');
    await sim.waitFor('status', ({ status }) => status === 'cancelled');
  });

  it('stops the run with what is thrown over an event', async () => {
    const { sim, adapter } = await startAll(['wait']);
    const consume = async () => {
      for await (const { event } of adapter.streamRun('wait')) throw new Error(event);
    };
    await expect(consume()).rejects.toThrow('run');
    await sim.waitFor('status', ({ status }) => status === 'cancelled');
  });

  it('rejects with the reason of its signal and stops the run', async () => {
    const { sim, adapter } = await startAll(['wait']);
    const controller = new AbortController();
    const events = adapter.streamRun('wait', { signal: controller.signal });
    await events.next();
    const waiting = events.next();
    controller.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    await sim.waitFor('status', ({ status }) => status === 'cancelled');
    expect(await events.next()).toEqual({ done: true, value: undefined });
  });

  it('stops the run with its signal also while nobody asks for the next event', async () => {
    const { sim, adapter } = await startAll(['agent', 'wait']);
    const controller = new AbortController();
    const events = adapter.streamRun('wait', { signal: controller.signal });
    await events.next();
    controller.abort();
    await sim.waitFor('status', ({ status }) => status === 'cancelled');
    await expect(events.next()).rejects.toMatchObject({ name: 'AbortError' });
  });

  it('drops what had come when it is aborted', async () => {
    const sim = await playSim({
      execute: (_req, res) => begin(res).write(frame({ blockId: 'b', chunk: 'x' }).repeat(100)),
    });
    const controller = new AbortController();
    const events = startAdapter(sim).streamRun('f', { signal: controller.signal });
    await events.next();
    expect((await events.next()).value.event).toBe('chunk');
    controller.abort();
    await expect(events.next()).rejects.toMatchObject({ name: 'AbortError' });
  });

  it('with a signal that was aborted before asks Sim nothing', async () => {
    const { sim, adapter } = await startAll(['wait']);
    const events = adapter.streamRun('wait', { signal: AbortSignal.abort() });
    await expect(events.next()).rejects.toMatchObject({ name: 'AbortError' });
    expect(sim.requests).toEqual([]);
  });

  it('throws a SimError where the route would answer one', async () => {
    const { sim, adapter } = await startAll(['agent']);
    const first = (options, flow = 'agent') => adapter.streamRun(flow, options).next();
    await expect(first({ input: 7 })).rejects.toMatchObject({ name: 'SimError', code: 'invalid_request', status: 400 });
    await expect(first({ requestId: 'mine' }, 'nowhere')).rejects.toMatchObject({
      code: 'not_found',
      status: 404,
      requestId: 'mine',
    });
    await expect(first({ timeoutMs: 0.5 })).rejects.toThrow(TypeError);
    sim.addFault({ kind: 'status', status: 429, retryAfter: 3 });
    await expect(first({ input })).rejects.toMatchObject({ code: 'upstream_busy', status: 503, retryAfterMs: 3000 });
  });

  it('limits the time until its first event, and no more', async () => {
    const { sim, adapter } = await startAll(['agent'], { sim: { runMs: 1500 } });
    const events = await all(adapter.streamRun('agent', { input, timeoutMs: 1200 }));
    expect(names(events).at(-1)).toBe('final');
    sim.addFault({ kind: 'hang' });
    await expect(adapter.streamRun('agent', { timeoutMs: 100 }).next()).rejects.toMatchObject({
      code: 'upstream_timeout',
    });
  });

  it('tells of the run that an earlier call with the same key started', async () => {
    const { sim, adapter } = await startAll(['agent']);
    const first = await all(adapter.streamRun('agent', { input, user, idempotencyKey: 'k' }));
    const again = await all(adapter.streamRun('agent', { input, user, idempotencyKey: 'k' }));
    expect(names(again)).toEqual(['run', 'status', 'final']);
    expect(again[2].data).toEqual(first.at(-1).data);
    expect(sim.runs).toHaveLength(1);
  });

  it('is not what mode stream of runFlow is', async () => {
    const { adapter } = await startAll(['agent']);
    await expect(adapter.runFlow('agent', { mode: 'stream' })).rejects.toThrow(TypeError);
  });
});

describe('watchRun', () => {
  it('yields each change up to the end, and goes on from lastEventId', async () => {
    const { adapter } = await startAll(['wait']);
    const { run } = await adapter.runFlow('wait', { user });
    const events = adapter.watchRun(run.id, { user });
    let last = await events.next();
    while (last.value.data.run.status !== 'running') last = await events.next();
    const again = adapter.watchRun(run.id, { user, lastEventId: last.value.id });
    const rest = all(again);
    await adapter.cancelRun(run.id, { user });
    expect((await rest).map(({ data }) => data.run.status)).toEqual(['cancelled']);
    expect((await all(events)).map(({ data }) => data.run.status)).toEqual(['cancelled']);
  });

  it('leaves the run alone when nobody listens any more', async () => {
    const { sim, adapter } = await startAll(['wait']);
    const { run } = await adapter.runFlow('wait', { user });
    for await (const _event of adapter.watchRun(run.id, { user })) break;
    expect((await adapter.runStatus(run.id, { user })).run.status).toBe('running');
    expect(sim.requests.filter(({ path }) => path.includes('cancel'))).toEqual([]);
  });

  it('is not for another user, nor for a user’s run as the host', async () => {
    const { adapter } = await startAll(['wait']);
    const { run } = await adapter.runFlow('wait', { user });
    for (const options of [{ user: { id: 'bob' } }, {}]) {
      await expect(adapter.watchRun(run.id, options).next()).rejects.toMatchObject({ code: 'not_found' });
    }
  });

  it('throws a SimError with its status when the run is gone', async () => {
    const states = [runIs('running'), notFound];
    const sim = await playSim({
      execute: (_req, res) => res.writeHead(202, { 'content-type': 'application/json' }).end('{"data":{"runId":"r"}}'),
      status: (req, res) => (states.length > 1 ? states.shift() : states[0])(req, res),
    });
    const adapter = startAdapter(sim);
    const { run } = await adapter.runFlow('f');
    const events = adapter.watchRun(run.id, { requestId: 'mine' });
    expect((await events.next()).value.data.run.status).toBe('running');
    await expect(events.next()).rejects.toMatchObject({
      name: 'SimError',
      code: 'not_found',
      status: 404,
      requestId: 'mine',
    });
  });

  it('waits for the first state no longer than timeoutMs', { timeout: 5000 }, async () => {
    const { sim, adapter } = await startAll(['wait']);
    const { run } = await adapter.runFlow('wait');
    sim.addFault({ kind: 'hang', method: 'GET' });
    await expect(adapter.watchRun(run.id, { timeoutMs: 100 }).next()).rejects.toMatchObject({
      code: 'upstream_timeout',
      status: 504,
    });
  });

  it('sees a run that the route started for the same user', async () => {
    const { adapter } = await startAll(['echo']);
    const host = await startHost(adapter);
    const events = await all(adapter.watchRun(await start(host, 'echo'), { user }));
    expect(events.at(-1).data.run.status).toBe('completed');
  });
});

describe('a process', () => {
  /** Runs a script to its own end; one that does not end is a failure. */
  const run = async (sim, code) => {
    const script = `const { SimAdapter } = require('@sigmacode/sim-adapter'); const adapter = new SimAdapter(); ${code}`;
    const env = { PATH: process.env.PATH, SIM_BASE_URL: sim.url, SIM_API_KEY: sim.apiKey, SIM_API_VERSION: 'v2' };
    const { stdout, stderr } = await promisify(execFile)(process.execPath, ['-e', script], {
      cwd: import.meta.dirname,
      env,
      timeout: 15_000,
    });
    expect(stderr).toBe('');
    return stdout;
  };

  it.each([
    ['has heard all', "(async () => { for await (const _ of adapter.streamRun('agent')); })()"],
    ['has stopped listening', "(async () => { for await (const _ of adapter.streamRun('wait')) break; })()"],
    ['never asks for the next event', "adapter.streamRun('wait').next()"],
    ['closes its adapter while it waits', "adapter.streamRun('wait').next().then(() => adapter.close({ drainMs: 0 }))"],
  ])('that %s ends by itself', async (_what, code) => {
    expect(await run(await startSim(['agent', 'wait']), code)).toBe('');
  });

  it('that waits for the next event stays', async () => {
    const sim = await startSim(['agent'], { runMs: 300 });
    const code = "(async () => { for await (const { event } of adapter.streamRun('agent')) console.log(event); })()";
    expect((await run(sim, code)).split('\n').slice(-2)).toEqual(['final', '']);
  });
});
