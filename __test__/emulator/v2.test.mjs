// Sim's second API generation, operation by operation, with its errors. Where Sim's OpenAPI documents are at hand, every
// answer in here is held against them (see `call` in support.mjs).

import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { documents } from '../../emulator/index.js';
import { call, documented, haveOpenApi, start, startWith } from './support.mjs';

if (!haveOpenApi) {
  console.log('no OpenAPI documents beside this project: v2 answers are not held against them');
}

const UNKNOWN = '00000000-0000-4000-8000-000000000000';
const of = (id, rest = '') => `/api/v2/workflows/${id}${rest}`;

describe('workflows', () => {
  it('lists them newest first, page by page', async () => {
    const { emulator } = await startWith(['echo', 'fail', 'wait']);
    const path = `/api/v2/workflows?workspaceId=${emulator.workspaceId}&limit=2`;
    const first = await call(emulator, 'GET', path);
    expect(first.json.data.map(({ name }) => name)).toEqual(['wait', 'fail']);
    const second = await call(emulator, 'GET', `${path}&cursor=${first.json.nextCursor}`);
    expect(second.json.data.map(({ name }) => name)).toEqual(['echo']);
    expect(second.json.nextCursor).toBeNull();
  });

  it('lists the deployed ones only, when asked', async () => {
    const { emulator } = await startWith(['echo']);
    emulator.addFlow({ name: 'draft', document: documents.echo, deployed: false });
    const path = `/api/v2/workflows?workspaceId=${emulator.workspaceId}`;
    const names = async (query) => (await call(emulator, 'GET', path + query)).json.data.map(({ name }) => name);
    expect(await names('&deployedOnly=true')).toEqual(['echo']);
    expect(await names('&search=DRA')).toEqual(['draft']);
    expect(await names('&sortBy=name&sortOrder=desc')).toEqual(['echo', 'draft']);
  });

  it.each(['', '?workspaceId=', '?workspaceId=x&limit=0', '?workspaceId=x&sortBy=size'])(
    'refuses the query "%s"',
    async (query) => {
      const emulator = await start();
      const { status, json } = await call(emulator, 'GET', `/api/v2/workflows${query}`);
      expect(status).toBe(400);
      expect(json.error.details.length).toBeGreaterThan(0);
    },
  );

  it('hides another workspace as absent', async () => {
    const emulator = await start();
    const { status } = await call(emulator, 'GET', '/api/v2/workflows?workspaceId=other');
    expect(status).toBe(404);
  });

  it('creates an empty draft', async () => {
    const emulator = await start();
    const body = { workspaceId: emulator.workspaceId, name: 'New' };
    const { status, json } = await call(emulator, 'POST', '/api/v2/workflows', { body });
    expect(status).toBe(201);
    expect(json.data).toMatchObject({ name: 'New', description: null, isDeployed: false });
  });

  it.each([{}, { name: '' }, { name: 'x', color: 'red' }, { name: 'x'.repeat(256) }])(
    'refuses to create %j',
    async (fields) => {
      const emulator = await start();
      const body = { workspaceId: emulator.workspaceId, ...fields };
      const { status } = await call(emulator, 'POST', '/api/v2/workflows', { body });
      expect(status).toBe(400);
    },
  );

  it('imports a document, or the text of one, and gives its blocks new ids', async () => {
    const emulator = await start();
    const { echo } = documents;
    const forms = [echo, echo.state, { data: echo }, JSON.stringify(echo)];
    for (const workflow of forms) {
      const body = { workspaceId: emulator.workspaceId, workflow };
      const { status } = await call(emulator, 'POST', '/api/v2/workflows/import', { body });
      expect(status).toBe(201);
    }
    for (const { state } of emulator.flows) {
      expect(Object.keys(state.blocks)).not.toContain('work');
      expect(Object.keys(state.blocks)).toContain(state.edges[0].target);
    }
  });

  it('reads one with its inputs, and exports what can be imported again', async () => {
    const { emulator, id } = await startWith(['echo']);
    const read = await call(emulator, 'GET', of(id.echo));
    expect(read.json.data.inputs).toEqual([{ name: 'message', type: 'string' }]);
    const { json } = await call(emulator, 'GET', of(id.echo, '/export'));
    const body = { workspaceId: emulator.workspaceId, workflow: json.data, name: 'Again' };
    expect((await call(emulator, 'POST', '/api/v2/workflows/import', { body })).json.data.name).toBe('Again');
  });

  it('deploys asynchronously: the answer comes before the flow can run', async () => {
    const emulator = await start({ deployMs: 200 });
    const { id } = emulator.addFlow({ document: documents.echo, deployed: false });
    const active = once(emulator, 'deploy');
    const accepted = await call(emulator, 'POST', of(id, '/deploy'), { body: {} });
    expect(accepted.json.data).toMatchObject({ isDeployed: false, latestDeploymentAttempt: { status: 'preparing' } });
    await active;
    const { json } = await call(emulator, 'GET', of(id, '/deployment'));
    expect(json.data).toMatchObject({ isDeployed: true, latestDeploymentAttempt: { status: 'active' } });
    expect((await call(emulator, 'POST', of(id, '/execute'), { body: {} })).status).toBe(200);
  });

  it('runs nothing whose deployment is not active yet', async () => {
    const emulator = await start({ deployMs: 600_000 });
    const { id } = emulator.addFlow({ document: documents.echo, deployed: false });
    await call(emulator, 'POST', of(id, '/deploy'), { body: {} });
    const { status, json } = await call(emulator, 'POST', of(id, '/execute'), { body: {} });
    expect([status, json.error.details.code]).toEqual([403, 'WORKFLOW_NOT_DEPLOYED']);
  });

  it('takes a deployment back', async () => {
    const { emulator, id } = await startWith(['echo']);
    const { json } = await call(emulator, 'DELETE', of(id.echo, '/deploy'));
    expect(json.data).toMatchObject({ isDeployed: false, activeDeployment: null });
    expect((await call(emulator, 'POST', of(id.echo, '/execute'), { body: {} })).status).toBe(403);
  });
});

describe('runs', () => {
  it('gives a failed run as a result, and names the block that failed', async () => {
    const { emulator, id } = await startWith(['fail']);
    const { status, json, headers } = await call(emulator, 'POST', of(id.fail, '/execute'), { body: { input: {} } });
    expect(status).toBe(200);
    const { blockId, ...error } = json.data.error;
    expect(error).toEqual({
      message: 'Line 1: `throw new Error("boom")` - boom',
      code: 'BLOCK_EXECUTION_FAILED',
      blockName: 'Work',
      blockType: 'function',
    });
    expect(headers.get('x-run-id')).toBe(json.data.runId);
  });

  it('reads a failed run back without its block', async () => {
    const { emulator, id } = await startWith(['fail']);
    const { json } = await call(emulator, 'POST', of(id.fail, '/execute'), { body: {} });
    const read = await call(emulator, 'GET', of(id.fail, `/runs/${json.data.runId}`));
    expect(read.json.data.error).toEqual({
      message: 'Work: Line 1: `throw new Error("boom")` - boom',
      code: 'EXECUTION_FAILED',
    });
  });

  it('never lets a Response block choose status and headers', async () => {
    const { emulator, id } = await startWith(['response']);
    const body = { input: { message: 'hi' } };
    const { status, json, headers } = await call(emulator, 'POST', of(id.response, '/execute'), { body });
    expect(status).toBe(200);
    expect(headers.has('x-custom')).toBe(false);
    expect(json.data.output).toMatchObject({ data: { echo: 'hi' }, status: 201 });
  });

  it('shows the output of a completed run only when asked, and chosen block outputs', async () => {
    const { emulator, id } = await startWith(['echo']);
    const { json } = await call(emulator, 'POST', of(id.echo, '/execute'), { body: { input: { a: 1 } } });
    const path = of(id.echo, `/runs/${json.data.runId}`);
    expect((await call(emulator, 'GET', path)).json.data.output).toBeNull();
    expect((await call(emulator, 'GET', `${path}?includeOutput=true`)).json.data.output.result).toEqual({ a: 1 });
    const { blockOutputs } = (await call(emulator, 'GET', `${path}?selectedOutputs=work.result`)).json.data;
    expect(Object.values(blockOutputs)).toEqual([{ result: { a: 1 } }]);
  });

  it('lists runs by status, newest first, page by page', async () => {
    const { emulator, id } = await startWith(['echo', 'wait']);
    const runId = async (name) =>
      (await call(emulator, 'POST', of(id[name], '/execute'), { body: { async: true } })).json.data.runId;
    const ids = [await runId('wait'), await runId('wait'), await runId('wait')];
    await Promise.all(ids.map((one) => emulator.waitFor('status', (run) => run.id === one && run.status === 'running')));
    const list = (query) => call(emulator, 'GET', of(id.wait, `/runs${query}`));
    const first = (await list('?limit=2&status=running')).json;
    const second = (await list(`?limit=2&cursor=${first.nextCursor}`)).json;
    expect([...first.data, ...second.data].map((run) => run.runId)).toEqual(ids.toReversed());
    expect((await list('?status=completed')).json.data).toEqual([]);
    expect((await list('?status=unheard')).status).toBe(400);
  });

  it.each([
    { unknown: 1 },
    { input: 'text' },
    { async: 'yes' },
    { async: true, stream: true },
    { async: true, selectedOutputs: ['work'] },
    { executionTimeoutSeconds: 5 },
    { async: true, executionTimeoutSeconds: 0 },
    { includeThinking: true },
    [],
    '{oops',
  ])('refuses the body %j and does not start', async (body) => {
    const { emulator, id } = await startWith(['echo']);
    const { status, json } = await call(emulator, 'POST', of(id.echo, '/execute'), { body });
    expect(status).toBe(400);
    expect(json.error.code).toBe('BAD_REQUEST');
    expect(emulator.runs).toEqual([]);
  });

  it('refuses a run id that is no run id', async () => {
    const { emulator, id } = await startWith(['echo']);
    const headers = { 'x-run-id': 'a b' };
    expect((await call(emulator, 'POST', of(id.echo, '/execute'), { body: {}, headers })).status).toBe(400);
  });

  it('refuses a body above 10 MiB', async () => {
    const { emulator, id } = await startWith(['echo']);
    const body = { input: { text: 'x'.repeat(10 * 1024 * 1024) } };
    const { status, json } = await call(emulator, 'POST', of(id.echo, '/execute'), { body });
    expect([status, json.error.code]).toEqual([413, 'PAYLOAD_TOO_LARGE']);
  });

  it.each([
    ['GET', ''],
    ['GET', '/export'],
    ['GET', '/deployment'],
    ['POST', '/deploy'],
    ['DELETE', '/deploy'],
    ['POST', '/execute'],
    ['GET', '/runs'],
    ['GET', '/runs/some-run'],
    ['POST', '/runs/some-run/cancel'],
    ['POST', '/runs/some-run/resume'],
  ])('%s …%s of a workflow that is not there: 404; without a key: 401', async (method, rest) => {
    const emulator = await start();
    expect((await call(emulator, method, of(UNKNOWN, rest))).json.error.code).toBe('NOT_FOUND');
    const refused = await call(emulator, method, of(UNKNOWN, rest), { key: null });
    expect([refused.status, refused.json.error.message]).toEqual([401, 'Unauthorized']);
    expect(refused.headers.get('www-authenticate')).toBe('SimApiKey realm="Sim API", header="x-api-key"');
  });

  it('limits the rate, and says until when', async () => {
    const emulator = await start({ rateLimit: 2 });
    const path = `/api/v2/workflows?workspaceId=${emulator.workspaceId}`;
    const answers = [];
    for (let sent = 0; sent < 3; sent += 1) {
      answers.push(await call(emulator, 'GET', path));
    }
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 429]);
    expect(answers.map(({ headers }) => headers.get('x-ratelimit-remaining'))).toEqual(['1', '0', '0']);
    expect(Number(answers[2].headers.get('retry-after'))).toBeGreaterThan(0);
    expect(answers[2].json.error.details.retryAfter).toBe(answers[2].headers.get('x-ratelimit-reset'));
  });
});

it('held answers of every operation against the OpenAPI documents', { skip: !haveOpenApi }, () => {
  const operations = new Set([...documented].map((one) => one.split(' ').slice(0, 2).join(' ')));
  expect([...operations].sort()).toEqual([
    'DELETE /api/v2/workflows/{id}/deploy',
    'GET /api/v2/workflows',
    'GET /api/v2/workflows/{id}',
    'GET /api/v2/workflows/{id}/deployment',
    'GET /api/v2/workflows/{id}/export',
    'GET /api/v2/workflows/{id}/runs',
    'GET /api/v2/workflows/{id}/runs/{runId}',
    'POST /api/v2/workflows',
    'POST /api/v2/workflows/import',
    'POST /api/v2/workflows/{id}/deploy',
    'POST /api/v2/workflows/{id}/execute',
    'POST /api/v2/workflows/{id}/runs/{runId}/cancel',
    'POST /api/v2/workflows/{id}/runs/{runId}/resume',
  ]);
});
