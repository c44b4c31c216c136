// The requests that starting, reading, cancelling and resuming runs makes, each held against the contract as its test
// ends; and what the adapter answers. Through each door, for each generation.

import { describe, expect, it } from 'vitest';
import { GENERATIONS, seen } from './support/contract.mjs';
import { DOORS } from './support/doors.mjs';
import { bodyOf, enter, refusal } from './support/scene.mjs';

const HANDLE = /^[A-Za-z0-9_-]{1,512}$/;
const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
const STARTS = /^\/api\/(v2\/workflows|workflows|flows)\/[^/]+\/(execute|run)$/;
const matrix = GENERATIONS.flatMap((generation) => DOORS.map((door) => ({ generation, door })));
const steerable = matrix.filter(({ generation }) => generation !== 'flows');

/** The header by which a start claims its run, in generations that know such a thing. */
const CLAIM = { v2: 'x-run-id', v1: 'x-execution-id' };

const runOf = (scene) => scene.emulator.runs.at(-1);

describe.each(matrix)('$generation through $door', ({ generation, door }) => {
  const start = (more) => enter({ generation, door, ...more });
  const told = (value) => (generation === 'flows' ? null : value);

  it('starts a run and says where to ask for it', async () => {
    const scene = await start({ flows: ['echo'] });
    const { run } = await scene.way.runFlow(scene.id.echo, { input: { message: 'hi', list: [1, { a: null }] } });
    expect(run).toMatchObject({ id: expect.stringMatching(HANDLE), status: 'queued' });
    expect(run.statusUrl).toBe(`${scene.way.prefix}/runs/${run.id}/status`);
    expect(run.id).not.toContain(runOf(scene).id);
    expect(runOf(scene).input).toEqual({ message: 'hi', list: [1, { a: null }] });
  });

  it('starts a run without any input', async () => {
    const scene = await start({ flows: ['echo'] });
    await scene.way.runFlow(scene.id.echo);
    expect(runOf(scene).input).toEqual({});
  });

  it('waits for a run when asked, and gives its output', async () => {
    const { way, id, emulator } = await start({ flows: ['echo'] });
    const { run } = await way.runFlow(id.echo, { mode: 'sync', input: { message: 'hi' } });
    const expected = {
      id: expect.stringMatching(HANDLE),
      flowId: id.echo,
      status: 'completed',
      startedAt: TIME,
      endedAt: TIME,
      durationMs: told(expect.any(Number)),
      output: { result: { message: 'hi' }, stdout: '' },
      error: null,
      cost: told({ total: 0.005 }),
      paused: null,
    };
    expect(run).toEqual(expected);
    expect(await way.runStatus(run.id)).toEqual({ run: { ...run, ...expected } });
    expect(emulator.runs).toHaveLength(1);
  });

  it('never lets a Response block choose the answer', async () => {
    const { way, id } = await start({ flows: ['response'] });
    const { run } = await way.runFlow(id.response, { mode: 'sync', input: { message: 'hi' } });
    expect(run).toMatchObject({ status: 'completed', output: { data: { echo: 'hi' } } });
  });

  it('gives a receipt when a run outlasts the wait, and tells of it while it runs', async () => {
    const { way, id, emulator } = await start({ flows: ['wait'] });
    const { run } = await way.runFlow(id.wait, { mode: 'sync', timeoutMs: 50 });
    expect(['queued', 'running']).toContain(run.status);
    await emulator.waitFor('status', ({ status }) => status === 'running');
    const { run: later } = await way.runStatus(run.id);
    expect(later).toMatchObject({ id: run.id, status: 'running', startedAt: TIME, endedAt: null, output: null });
  });

  it('gives a failed run as a result, with what its author sees', async () => {
    const { way, id, emulator } = await start({ flows: ['fail'] });
    const { run } = await way.runFlow(id.fail, { mode: 'sync' });
    expect(run).toMatchObject({ status: 'failed', output: null, paused: null });
    expect(run.error.message).toBe('Work: Line 1: `throw new Error("boom")` - boom');
    expect((await way.runStatus(run.id)).run).toEqual(run);
    expect(emulator.runs).toHaveLength(1);
  });

  it('starts one run for one key, and none for the same key with another input', async () => {
    const { way, id, emulator } = await start({ flows: ['echo'] });
    const options = { input: { message: 'once' }, idempotencyKey: 'gesture-1' };
    const first = await way.runFlow(id.echo, options);
    const second = await way.runFlow(id.echo, options);
    expect(second.run.id).toBe(first.run.id);
    const other = await refusal(way.runFlow(id.echo, { ...options, input: { message: 'twice' } }));
    expect(other).toMatchObject({ code: 'idempotency_mismatch', status: 422 });
    expect(emulator.runs).toHaveLength(1);
  });

  it('asks nothing of Sim for a handle that is not one of its own', async () => {
    const { way, emulator } = await start();
    for (const handle of ['nonsense', 'x'.repeat(512)]) {
      for (const call of [way.runStatus, way.cancelRun, way.resumeRun]) {
        expect(await refusal(call(handle))).toMatchObject({ code: 'not_found', status: 404 });
      }
    }
    expect(emulator.requests).toEqual([]);
  });

  it('does not find a run that Sim has forgotten', async () => {
    const { way, id, emulator } = await start({ flows: ['echo'] });
    const { run } = await way.runFlow(id.echo, { mode: 'sync' });
    emulator.reset();
    expect(await refusal(way.runStatus(run.id))).toMatchObject({ code: 'not_found', status: 404 });
  });
});

describe.each(steerable)('$generation through $door', ({ generation, door }) => {
  const start = (more) => enter({ generation, door, ...more });

  const pause = async (scene) => {
    const { run } = await scene.way.runFlow(scene.id.approve, { mode: 'sync', input: { message: 'ok?' } });
    return run;
  };

  const settled = async ({ way, emulator }, run, status) => {
    await emulator.waitFor('status', (one) => one.status === status);
    return (await way.runStatus(run.id)).run;
  };

  it('tells that a run waits for a person, and for what', async () => {
    const run = await pause(await start({ flows: ['approve'], sim: { apiVersions: ['v2', 'v1'] } }));
    expect(run.output.data.responseStructure).toEqual([expect.objectContaining({ name: 'question', value: 'ok?' })]);
    expect(run.output.data.inputFormat.map(({ name }) => name)).toEqual(['approved', 'comment']);
    expect(run).toMatchObject({ status: 'paused', startedAt: TIME, error: null });
    expect(run.paused).toEqual({ contextId: expect.any(String), kind: 'human', pausedAt: TIME, resumeAt: null });
    expect(JSON.stringify(run)).not.toMatch(/_resume|127\.0\.0\.1/);
  });

  it.each(['with the context that it told', 'without naming a context'])('resumes a paused run %s', async (way) => {
    const scene = await start({ flows: ['approve'] });
    const run = await pause(scene);
    const context = way.startsWith('with ') ? { contextId: run.paused.contextId } : {};
    const { run: resumed } = await scene.way.resumeRun(run.id, { input: { approved: true }, ...context });
    expect(resumed).toMatchObject({ id: run.id, flowId: scene.id.approve });
    expect(['queued', 'running', 'completed']).toContain(resumed.status);
    const end = await settled(scene, run, 'completed');
    expect(end).toMatchObject({
      id: run.id,
      status: 'completed',
      output: { result: { approved: true } },
      paused: null,
    });
  });

  it('resumes without an input', async () => {
    const scene = await start({ flows: ['approve'] });
    const run = await pause(scene);
    await scene.way.resumeRun(run.id);
    expect(await settled(scene, run, 'completed')).toMatchObject({ status: 'completed' });
  });

  it('resumes a pause once', async () => {
    const scene = await start({ flows: ['approve'] });
    const run = await pause(scene);
    const answer = { input: { approved: true }, contextId: run.paused.contextId };
    await scene.way.resumeRun(run.id, answer);
    const again = await refusal(scene.way.resumeRun(run.id, answer));
    expect(again).toMatchObject({ code: 'conflict', status: 409, details: { reason: 'already_resumed' } });
  });

  it('does not find a pause that is none of the run', async () => {
    const scene = await start({ flows: ['approve'] });
    const run = await pause(scene);
    const error = await refusal(scene.way.resumeRun(run.id, { contextId: 'another' }));
    expect(error).toMatchObject({ code: 'not_found', status: 404 });
  });

  it('asks nothing of Sim for a context or an input that cannot be one', async () => {
    const scene = await start({ flows: ['approve'] });
    const run = await pause(scene);
    const before = scene.emulator.requests.length;
    for (const body of [{ contextId: '../x' }, { contextId: 'a/b' }, { input: 'yes' }, { input: [] }]) {
      expect(await refusal(scene.way.resumeRun(run.id, body))).toMatchObject({ code: 'invalid_request' });
    }
    expect(scene.emulator.requests).toHaveLength(before);
  });

  it('cancels a run, and a second time too', async () => {
    const scene = await start({ flows: ['wait'] });
    const { run } = await scene.way.runFlow(scene.id.wait);
    expect((await scene.way.cancelRun(run.id)).run).toMatchObject({ id: run.id, status: 'cancelled', endedAt: TIME });
    expect((await scene.way.cancelRun(run.id)).run.status).toBe('cancelled');
    expect(runOf(scene).status).toBe('cancelled');
  });

  it('cancels a run that waits for a person', async () => {
    const scene = await start({ flows: ['approve'] });
    const run = await pause(scene);
    expect((await scene.way.cancelRun(run.id)).run).toMatchObject({ status: 'cancelled', paused: null });
  });

  it.each(['echo', 'fail'])('cannot cancel or resume a run that has ended (%s)', async (flow) => {
    const { way, id } = await start({ flows: [flow] });
    const { run } = await way.runFlow(id[flow], { mode: 'sync' });
    const finished = { code: 'conflict', status: 409, details: { reason: 'already_finished' } };
    expect(await refusal(way.cancelRun(run.id))).toMatchObject(finished);
    expect(await refusal(way.resumeRun(run.id, { input: {} }))).toMatchObject(finished);
  });

  it('says that a flow is not deployed', async () => {
    const { way, emulator } = await start();
    const { flow } = await way.createFlow({ name: 'Draft' });
    expect(await refusal(way.runFlow(flow.id))).toMatchObject({ code: 'flow_not_deployed', status: 409 });
    expect(emulator.runs).toEqual([]);
  });

  it('starts one run when the answer to a start gets lost, under one id', async () => {
    const { way, id, emulator, sent } = await start({ flows: ['echo'] });
    emulator.addFault({ kind: 'reset', method: 'POST', path: STARTS, times: 1, apply: true });
    const { run } = await way.runFlow(id.echo, { mode: 'sync', input: { message: 'hi' } });
    expect(run).toMatchObject({ status: 'completed', output: { result: { message: 'hi' } } });
    expect(emulator.runs).toHaveLength(1);
    const ids = sent('POST', STARTS).map(({ headers }) => headers[CLAIM[generation]]);
    expect(ids).toEqual([emulator.runs[0].id, emulator.runs[0].id]);
  });
});

describe.each(DOORS)('flows through %s', (door) => {
  it('says that these forks can neither cancel nor resume', async () => {
    const { way, id, emulator } = await enter({ generation: 'flows', door, flows: ['echo'] });
    const { run } = await way.runFlow(id.echo);
    const before = emulator.requests.length;
    const unsupported = { code: 'conflict', status: 409, details: { reason: 'unsupported' } };
    expect(await refusal(way.cancelRun(run.id))).toMatchObject(unsupported);
    expect(await refusal(way.resumeRun(run.id, { contextId: 'any' }))).toMatchObject(unsupported);
    expect(emulator.requests).toHaveLength(before);
  });

  it('does not start a run again when the answer got lost', async () => {
    const { way, id, emulator, sent } = await enter({ generation: 'flows', door, flows: ['echo'] });
    emulator.addFault({ kind: 'reset', method: 'POST', path: STARTS, times: 1, apply: true });
    expect(await refusal(way.runFlow(id.echo))).toMatchObject({ code: 'upstream_unreachable', status: 502 });
    expect(sent('POST', STARTS)).toHaveLength(1);
    expect(emulator.runs).toHaveLength(1);
  });
});

describe.each(DOORS)('v1 through %s', (door) => {
  it("refuses an input that holds one of Sim's control keys, without asking Sim", async () => {
    const { way, id, emulator } = await enter({ generation: 'v1', door, flows: ['echo'] });
    const error = await refusal(way.runFlow(id.echo, { input: { message: 'hi', stream: true, triggerType: 'chat' } }));
    expect(error).toMatchObject({ code: 'invalid_request', status: 400 });
    expect(error.details.fields.map(({ path }) => path).sort()).toEqual(['input.stream', 'input.triggerType']);
    expect(emulator.requests).toEqual([]);
  });
});

describe.each(['v2', 'v1'])('%s', (generation) => {
  it('starts a run under the id that it claims, and nothing else names it', async () => {
    const { way, id, emulator, sent } = await enter({ generation, flows: ['echo'] });
    await way.runFlow(id.echo, { input: { input: { nested: true } } });
    const [started] = sent('POST', STARTS);
    expect(started.headers[CLAIM[generation]]).toBe(emulator.runs[0].id);
    const input = { input: { nested: true } };
    expect(bodyOf(started)).toEqual(generation === 'v2' ? { input, async: true } : input);
  });
});

it('made every request that has to do with runs', () => {
  const expected = [
    ...['cancel', 'createFlow', 'readPause', 'readRun', 'resume', 'start'].map((name) => `v2 ${name}`),
    ...['cancel', 'importFlow', 'readPause', 'readRun', 'resume', 'start'].map((name) => `v1 ${name}`),
    ...['readRun', 'start'].map((name) => `flows ${name}`),
  ];
  expect([...seen].sort()).toEqual(expected.sort());
});
