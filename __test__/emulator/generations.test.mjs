// Which API generations answer, and how those that are switched off say so.

import { describe, expect, it } from 'vitest';
import { documents } from '../../emulator/index.js';
import { call, start, startWith } from './support.mjs';

const lists = { v2: '/api/v2/workflows', v1: '/api/v1/workflows', flows: '/api/flows' };

describe('health', () => {
  it.each([[['v2']], [['v1']], [['flows']], [[]]])('answers with %j switched on, without a key', async (apiVersions) => {
    const emulator = await start({ apiVersions });
    const { status, json } = await call(emulator, 'GET', '/api/health', { key: null });
    expect([status, json.status]).toEqual([200, 'ok']);
  });
});

describe('a generation that is switched off', () => {
  const answer = async (apiVersions, version, options) => {
    const emulator = await start({ apiVersions });
    return call(emulator, 'GET', `${lists[version]}?workspaceId=${emulator.workspaceId}`, options);
  };

  it('v2 looks at the key first, then says 404 in its own JSON', async () => {
    expect((await answer(['v1'], 'v2', { key: null })).status).toBe(401);
    expect((await answer(['v1'], 'v2', { key: 'wrong' })).status).toBe(401);
    const { status, json } = await answer(['v1'], 'v2');
    expect([status, json.error.code]).toEqual([404, 'NOT_FOUND']);
  });

  it('v2 says so on every path', async () => {
    const emulator = await start({ apiVersions: ['v1'] });
    const { status, json } = await call(emulator, 'GET', '/api/v2/workflows/x/runs/y');
    expect([status, json.error.code]).toEqual([404, 'NOT_FOUND']);
  });

  it('v1 says 404 in its own JSON', async () => {
    const { status, json } = await answer(['v2'], 'v1');
    expect([status, json]).toEqual([404, { error: 'Not found' }]);
  });

  it('flows is a page that is not there, as any path that Sim does not know', async () => {
    const { status, headers } = await answer(['v2', 'v1'], 'flows');
    expect([status, headers.get('content-type')]).toEqual([404, 'text/html; charset=utf-8']);
  });
});

it('refuses a generation that there is not', async () => {
  await expect(start({ apiVersions: ['v3'] })).rejects.toThrow('v3');
});

describe('what is for sessions only', () => {
  it('refuses a key', async () => {
    const { emulator, id } = await startWith(['echo']);
    const body = { name: 'x' };
    expect((await call(emulator, 'POST', '/api/workflows', { body })).status).toBe(401);
    const stream = `/api/workflows/${id.echo}/executions/run/stream`;
    expect((await call(emulator, 'GET', stream)).status).toBe(401);
  });
});

describe('flows', () => {
  const flowsOnly = { apiVersions: ['flows'] };

  it('lists and reads flows', async () => {
    const { emulator, id } = await startWith(['echo'], flowsOnly);
    const described = { id: id.echo, name: 'echo', description: 'Gives back its input', deployed: true };
    expect((await call(emulator, 'GET', '/api/flows')).json).toEqual({ flows: [described] });
    const { json } = await call(emulator, 'GET', `/api/flows/${id.echo}`);
    expect(json).toEqual({ flow: { ...described, inputs: [{ name: 'message', type: 'string' }] } });
  });

  it('creates a flow that can run at once, and reads its run', async () => {
    const emulator = await start(flowsOnly);
    const body = { name: 'Mine', workflow: documents.echo };
    const created = await call(emulator, 'POST', '/api/flows', { body });
    expect(created.status).toBe(201);
    const { id, name } = created.json.flow;
    expect(name).toBe('Mine');
    const started = await call(emulator, 'POST', `/api/flows/${id}/run`, { body: { input: { a: 1 } } });
    expect([started.status, started.json.status]).toEqual([202, 'queued']);
    const { runId } = started.json;
    await emulator.waitFor('status', (run) => run.id === runId && run.status === 'completed');
    const { json } = await call(emulator, 'GET', `/api/runs/${runId}`);
    expect(json).toEqual({
      id: runId,
      flowId: id,
      status: 'completed',
      startedAt: expect.any(String),
      endedAt: expect.any(String),
      output: { result: { a: 1 }, stdout: '' },
      error: null,
    });
  });

  it('starts a run each time that it is asked: nothing there makes two starts one', async () => {
    const { emulator, id } = await startWith(['echo'], flowsOnly);
    const headers = { 'x-run-id': 'same', 'x-execution-id': 'same', 'idempotency-key': 'same' };
    await call(emulator, 'POST', `/api/flows/${id.echo}/run`, { body: {}, headers });
    await call(emulator, 'POST', `/api/flows/${id.echo}/run`, { body: {}, headers });
    expect(emulator.runs).toHaveLength(2);
  });

  it.each([
    ['GET', '/api/flows/none', undefined, 404],
    ['GET', '/api/runs/none', undefined, 404],
    ['POST', '/api/flows', {}, 400],
    ['POST', '/api/flows', { name: 'x', workflow: { foo: 1 } }, 400],
    ['POST', '/api/flows/none/run', {}, 404],
  ])('%s %s with %j: %i', async (method, path, body, status) => {
    const emulator = await start(flowsOnly);
    expect((await call(emulator, method, path, { body })).status).toBe(status);
    expect((await call(emulator, method, path, { body, key: null })).status).toBe(401);
  });
});
