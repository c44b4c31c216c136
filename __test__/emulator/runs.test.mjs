// What a run's id, status, cancellation and pause promise, in both of Sim's own API generations.

import { describe, expect, it } from 'vitest';
import { documents } from '../../emulator/index.js';
import { call, start, startWith } from './support.mjs';

// The two generations' ways of saying the same thing.
const v1 = {
  name: 'v1',
  start: (emulator, flow, { input = {}, id, timeout, mode } = {}) =>
    call(emulator, 'POST', `/api/workflows/${flow}/execute`, {
      body: input,
      headers: {
        ...(mode === 'sync' ? {} : { 'x-execution-mode': 'async' }),
        ...(id && { 'x-execution-id': id }),
        ...(timeout && { 'x-execution-timeout-seconds': String(timeout) }),
      },
    }),
  read: async (emulator, flow, run) => {
    const { json } = await call(emulator, 'GET', `/api/workflows/${flow}/executions/${run}?includeOutput=true`);
    return { status: json.status, output: json.finalOutput, error: json.error, paused: json.paused };
  },
  cancel: (emulator, flow, run) => call(emulator, 'POST', `/api/workflows/${flow}/executions/${run}/cancel`),
  resume: (emulator, flow, run, context, input) =>
    call(emulator, 'POST', `/api/resume/${flow}/${run}/${context}`, { body: { input } }),
  idOf: ({ json }) => json.executionId,
  conflictOf: ({ json }) => [json.code, json.executionId],
  conflict: 'EXECUTION_ID_CONFLICT',
  reasonOf: ({ json }) => json.reason,
};

const v2 = {
  name: 'v2',
  start: (emulator, flow, { input = {}, id, timeout, mode } = {}) =>
    call(emulator, 'POST', `/api/v2/workflows/${flow}/execute`, {
      body: { input, async: mode !== 'sync', ...(timeout && { executionTimeoutSeconds: timeout }) },
      headers: id ? { 'x-run-id': id } : {},
    }),
  read: async (emulator, flow, run) => {
    const { json } = await call(emulator, 'GET', `/api/v2/workflows/${flow}/runs/${run}?includeOutput=true`);
    return { ...json.data, error: json.data.error && json.data.error.message };
  },
  cancel: (emulator, flow, run) => call(emulator, 'POST', `/api/v2/workflows/${flow}/runs/${run}/cancel`),
  resume: (emulator, flow, run, contextId, input) =>
    call(emulator, 'POST', `/api/v2/workflows/${flow}/runs/${run}/resume`, { body: { contextId, input } }),
  idOf: ({ json }) => json.data.runId,
  conflictOf: ({ json }) => [json.error.details.code, json.error.details.runId],
  conflict: 'RUN_ID_CONFLICT',
  reasonOf: ({ json }) => json.data.reason,
};

const reached = (emulator, id, status) => emulator.waitFor('status', (run) => run.id === id && run.status === status);

describe.each([v1, v2])('$name', (api) => {
  it('runs through queued and running to completed, with the input as output', async () => {
    const { emulator, id } = await startWith(['echo']);
    const statuses = [];
    emulator.on('status', ({ status }) => statuses.push(status));
    const run = api.idOf(await api.start(emulator, id.echo, { input: { n: 1 } }));
    await reached(emulator, run, 'completed');
    expect(statuses).toEqual(['queued', 'running', 'completed']);
    const read = await api.read(emulator, id.echo, run);
    expect(read.output).toEqual({ result: { n: 1 }, stdout: '' });
  });

  it('of ten concurrent starts with one id, starts one', async () => {
    const { emulator, id } = await startWith(['echo']);
    const starts = Array.from({ length: 10 }, () => api.start(emulator, id.echo, { id: 'mine' }));
    const answers = await Promise.all(starts);
    const statuses = answers.map(({ status }) => status).sort();
    expect(statuses).toEqual([202, ...Array(9).fill(409)]);
    const refused = answers.find(({ status }) => status === 409);
    expect(api.conflictOf(refused)).toEqual([api.conflict, 'mine']);
    expect(emulator.runs).toHaveLength(1);
  });

  it('makes a run readable at once, under both generations, with the id as sent', async () => {
    const { emulator, id } = await startWith(['wait']);
    await api.start(emulator, id.wait, { id: 'as:sent.1' });
    for (const { read } of [v1, v2]) {
      expect(['queued', 'running']).toContain((await read(emulator, id.wait, 'as:sent.1')).status);
    }
  });

  it('refuses a flow that is not deployed, and does not use the id up', async () => {
    const emulator = await start();
    const flow = emulator.addFlow({ document: documents.echo, deployed: false });
    const refused = await api.start(emulator, flow.id, { id: 'once' });
    expect(refused.status).toBe(403);
    await call(emulator, 'POST', `/api/v1/workflows/${flow.id}/deploy`);
    expect((await api.start(emulator, flow.id, { id: 'once' })).status).toBe(202);
  });

  it('cancels a running run, and says so again when asked again', async () => {
    const { emulator, id } = await startWith(['wait']);
    const run = api.idOf(await api.start(emulator, id.wait));
    await reached(emulator, run, 'running');
    expect(api.reasonOf(await api.cancel(emulator, id.wait, run))).toBe('recorded');
    expect((await api.read(emulator, id.wait, run)).status).toBe('cancelled');
    expect(api.reasonOf(await api.cancel(emulator, id.wait, run))).toBe('already_cancelled');
  });

  it('cannot cancel what is over', async () => {
    const { emulator, id } = await startWith(['echo', 'fail']);
    for (const [name, status] of [
      ['echo', 'completed'],
      ['fail', 'failed'],
    ]) {
      const run = api.idOf(await api.start(emulator, id[name]));
      await reached(emulator, run, status);
      const answer = await api.cancel(emulator, id[name], run);
      // v1 calls it a conflict, v2 a success without effect.
      expect(api === v1 ? answer.status : api.reasonOf(answer)).toBe(api === v1 ? 409 : `already_${status}`);
      expect((await api.read(emulator, id[name], run)).status).toBe(status);
    }
  });

  it('knows a run only under its own flow', async () => {
    const { emulator, id } = await startWith(['echo', 'wait']);
    const run = api.idOf(await api.start(emulator, id.wait));
    expect((await api.cancel(emulator, id.echo, run)).status).toBe(404);
    expect((await api.cancel(emulator, id.wait, 'nobody')).status).toBe(404);
  });

  it('ends a run at its time limit as failed', async () => {
    const { emulator, id } = await startWith(['wait']);
    const run = api.idOf(await api.start(emulator, id.wait, { timeout: 1 }));
    await reached(emulator, run, 'failed');
    expect((await api.read(emulator, id.wait, run)).error).toMatch(/timed out/);
  });

  it('pauses for a person; the answer goes on as a new run, and the first one ends with its output', async () => {
    const { emulator, id } = await startWith(['approve']);
    const started = await api.start(emulator, id.approve, { input: { message: 'Well?' }, mode: 'sync' });
    const run = api.idOf(started);
    const { status, paused } = await api.read(emulator, id.approve, run);
    expect([status, paused.pauseKind]).toEqual(['paused', 'human']);
    const resumed = await api.resume(emulator, id.approve, run, paused.contextId, { approved: true });
    expect(resumed.status).toBe(200);
    expect(api.idOf(resumed)).not.toBe(run);
    const output = { result: { approved: true }, stdout: '' };
    expect(await api.read(emulator, id.approve, run)).toMatchObject({ status: 'completed', output, paused: null });
    expect(await api.read(emulator, id.approve, api.idOf(resumed))).toMatchObject({ status: 'completed', output });
  });

  it('answers the resume of an asynchronous run before it has gone on', async () => {
    const { emulator, id } = await startWith(['approve']);
    const run = api.idOf(await api.start(emulator, id.approve));
    await reached(emulator, run, 'paused');
    const { paused } = await api.read(emulator, id.approve, run);
    expect((await api.resume(emulator, id.approve, run, paused.contextId, {})).status).toBe(202);
    await reached(emulator, run, 'completed');
  });

  it('resumes a pause once, however often it is asked', async () => {
    const { emulator, id } = await startWith(['approve']);
    const run = api.idOf(await api.start(emulator, id.approve, { mode: 'sync' }));
    const { paused } = await api.read(emulator, id.approve, run);
    const resume = () => api.resume(emulator, id.approve, run, paused.contextId, { approved: true });
    const answers = await Promise.all([resume(), resume(), resume()]);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409, 409]);
    expect((await resume()).status).toBe(409);
  });

  it('knows no pause of a run that never paused, and no other context of one that did', async () => {
    const { emulator, id } = await startWith(['approve', 'wait']);
    const waiting = api.idOf(await api.start(emulator, id.wait));
    expect((await api.resume(emulator, id.wait, waiting, 'context', {})).status).toBe(404);
    const paused = api.idOf(await api.start(emulator, id.approve, { mode: 'sync' }));
    expect((await api.resume(emulator, id.approve, paused, 'context', {})).status).toBe(404);
  });

  it('cancels a pause, which then cannot be resumed', async () => {
    const { emulator, id } = await startWith(['approve']);
    const run = api.idOf(await api.start(emulator, id.approve, { mode: 'sync' }));
    const { paused } = await api.read(emulator, id.approve, run);
    const { json } = await api.cancel(emulator, id.approve, run);
    expect((json.data ?? json).pausedCancelled).toBe(true);
    expect((await api.resume(emulator, id.approve, run, paused.contextId, {})).status).toBe(409);
    expect((await api.read(emulator, id.approve, run)).status).toBe('cancelled');
  });

  it('pauses twice when the flow asks twice', async () => {
    const emulator = await start();
    const document = structuredClone(documents.approve);
    document.state.blocks.after = { ...structuredClone(document.state.blocks.ask), id: 'after', name: 'Ask again' };
    const flow = emulator.addFlow({ document });
    const run = api.idOf(await api.start(emulator, flow.id, { mode: 'sync' }));
    const first = (await api.read(emulator, flow.id, run)).paused.contextId;
    await api.resume(emulator, flow.id, run, first, { approved: true });
    const again = await api.read(emulator, flow.id, run);
    expect([again.status, again.paused.resumedCount]).toEqual(['paused', 1]);
    await api.resume(emulator, flow.id, run, again.paused.contextId, { approved: false });
    expect((await api.read(emulator, flow.id, run)).output).toEqual({ approved: false });
  });

  it('cancels a synchronous run when its client goes away', async () => {
    const { emulator, id } = await startWith(['wait']);
    const client = new AbortController();
    const path = api === v1 ? `/api/workflows/${id.wait}/execute` : `/api/v2/workflows/${id.wait}/execute`;
    const asked = call(emulator, 'POST', path, { body: {}, signal: client.signal });
    await emulator.waitFor('status', ({ status }) => status === 'running');
    client.abort();
    await expect(asked).rejects.toThrow();
    await emulator.waitFor('status', ({ status }) => status === 'cancelled');
  });
});

describe('v1 alone', () => {
  it('takes every key that steers nothing as input, and `input` as one of them', async () => {
    const { emulator, id } = await startWith(['echo']);
    const body = { message: 'hi', input: { nested: true }, stream: false, triggerType: 'api' };
    const { json } = await call(emulator, 'POST', `/api/workflows/${id.echo}/execute`, { body });
    expect(json.output.result).toEqual({ message: 'hi', input: { nested: true } });
  });

  it('lets a Response block choose status, headers and body', async () => {
    const { emulator, id } = await startWith(['response']);
    const body = { message: 'say "hi"' };
    const answer = await call(emulator, 'POST', `/api/workflows/${id.response}/execute`, { body });
    expect([answer.status, answer.headers.get('x-custom'), answer.json]).toEqual([201, 'abc', { echo: 'say "hi"' }]);
  });

  it('hides a pause from its jobs, which call it completed', async () => {
    const { emulator, id } = await startWith(['approve']);
    const { json } = await v1.start(emulator, id.approve);
    await reached(emulator, json.executionId, 'paused');
    const job = await call(emulator, 'GET', `/api/jobs/${json.jobId}`);
    expect(job.json.status).toBe('completed');
  });

  it('has jobs of asynchronous runs only', async () => {
    const { emulator, id } = await startWith(['echo']);
    const { json } = await v1.start(emulator, id.echo, { mode: 'sync' });
    const job = await call(emulator, 'GET', `/api/jobs/workflow-execution:${json.executionId}`);
    expect([job.status, job.json.code]).toEqual([404, 'TASK_NOT_FOUND']);
  });

  it('shows a failed job with its error', async () => {
    const { emulator, id } = await startWith(['fail']);
    const { json } = await v1.start(emulator, id.fail);
    await reached(emulator, json.executionId, 'failed');
    const job = await call(emulator, 'GET', `/api/jobs/${json.jobId}`);
    expect(job.json).toMatchObject({ status: 'failed', output: null, error: expect.stringContaining('boom') });
  });

  it.each([
    [{ 'x-execution-id': 'a b' }, {}],
    [{ 'x-execution-mode': 'async', 'x-execution-timeout-seconds': '0' }, {}],
    [{}, { stream: 'yes' }],
    [{}, { runFromBlock: { id: 'x' } }],
    [{}, []],
  ])('refuses %j with the body %j', async (headers, body) => {
    const { emulator, id } = await startWith(['echo']);
    const answer = await call(emulator, 'POST', `/api/workflows/${id.echo}/execute`, { body, headers });
    expect(answer.status).toBe(400);
    expect(emulator.runs).toEqual([]);
  });

  it('shows paused runs, one by one and with the snapshot that must not be handed on', async () => {
    const { emulator, id } = await startWith(['approve']);
    const run = v1.idOf(await v1.start(emulator, id.approve, { input: { message: 'secret' }, mode: 'sync' }));
    const detail = await call(emulator, 'GET', `/api/workflows/${id.approve}/paused/${run}`);
    expect(detail.json.executionSnapshot.snapshot).toContain('secret');
    const { contextId } = detail.json.pausePoints[0];
    const point = await call(emulator, 'GET', `/api/resume/${id.approve}/${run}/${contextId}`);
    expect(point.json.pausePoint.resumeStatus).toBe('paused');
    expect((await call(emulator, 'GET', `/api/resume/${id.approve}/${run}`)).json.executionId).toBe(run);
  });

  it('lists and imports by workspace, and answers rate limits in epoch milliseconds', async () => {
    const emulator = await start({ rateLimit: 4 });
    const list = (query) => call(emulator, 'GET', `/api/v1/workflows${query}`);
    expect((await list('')).status).toBe(400);
    expect((await list('?workspaceId=other')).status).toBe(403);
    const body = { workspaceId: emulator.workspaceId, workflow: JSON.stringify(documents.echo) };
    expect((await call(emulator, 'POST', '/api/v1/workflows/import', { body })).status).toBe(201);
    const { json } = await list(`?workspaceId=${emulator.workspaceId}`);
    expect(json.data[0]).toMatchObject({ name: 'Echo', isDeployed: false });
    const refused = await list(`?workspaceId=${emulator.workspaceId}`);
    expect([refused.status, typeof refused.json.retryAfter]).toEqual([429, 'number']);
    expect(refused.headers.has('retry-after')).toBe(true);
  });
});
