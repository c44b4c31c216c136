// Sim's refusals in our words: the table of the HTTP contract, for each operation. Nothing of what Sim says comes through.

import { describe, expect, it } from 'vitest';
import { expectNothingOf, read, readEach } from './support/reading.mjs';
import { enter, refusal } from './support/scene.mjs';

const TEXT = 'Secret words of postgres.internal:5432';

const v2 = (code, details) => ({ error: { code, message: TEXT, ...(details && { details }) } });
const v1 = (error = TEXT, more = {}) => ({ error, ...more });

/** Sim's status, its answer in v2 and in v1, and our code and status. */
const TABLE = [
  [400, v2('BAD_REQUEST'), v1(), 'invalid_request', 400],
  [401, v2('UNAUTHORIZED'), v1(), 'upstream_auth', 502],
  [402, v2('USAGE_LIMIT_EXCEEDED'), v1(), 'upstream_quota', 503],
  [403, v2('FORBIDDEN'), v1('API key is not authorized for this workspace'), 'upstream_auth', 502],
  [403, v2('FORBIDDEN', { code: 'WORKFLOW_NOT_DEPLOYED' }), v1('Workflow is not deployed'), 'flow_not_deployed', 409],
  [404, v2('NOT_FOUND'), v1(), 'not_found', 404],
  [408, v2('TIMEOUT'), v1(), 'upstream_timeout', 504],
  [409, v2('CONFLICT'), v1(), 'conflict', 409],
  [413, v2('PAYLOAD_TOO_LARGE'), v1(), 'payload_too_large', 413],
  [423, v2('LOCKED'), v1(), 'conflict', 409],
  [429, v2('RATE_LIMITED'), v1(TEXT, { retryAfter: 1_799_999_999_999 }), 'upstream_busy', 503],
  [499, v2('CLIENT_CLOSED_REQUEST'), v1(), 'upstream_error', 502],
  [418, v2('TEAPOT'), v1(), 'upstream_error', 502],
];

const OPERATIONS = {
  v2: [
    'listFlows',
    'getFlow',
    'createFlow',
    'importFlow',
    'deploy',
    'deployment',
    'start',
    'readRun',
    'cancel',
    'resume',
  ],
  v1: ['listFlows', 'getFlow', 'importFlow', 'deploy', 'start', 'readRun', 'cancel', 'resume'],
};
const cases = Object.entries(OPERATIONS).flatMap(([generation, names]) =>
  names.map((operation) => ({ generation, operation })),
);

describe.concurrent.each(cases)('$generation $operation', ({ generation, operation }) => {
  it('answers every refusal of Sim with the code of the table', async () => {
    const bodies = TABLE.map(([status, ofV2, ofV1]) => ({ status, body: generation === 'v2' ? ofV2 : ofV1 }));
    const answers = await readEach(generation, operation, bodies);
    expect(answers.map(({ status, json }) => [json.error?.code, status])).toEqual(
      TABLE.map(([, , , code, status]) => [code, status]),
    );
    for (const [index, { json, text }] of answers.entries()) {
      expectNothingOf(bodies[index].body, text);
      expect(Object.keys(json)).toEqual(['error']);
      expect(json.error).toMatchObject({ message: expect.any(String), requestId: expect.any(String) });
      if (bodies[index].status === 423) expect(json.error.details.reason).toBe('locked');
    }
  });

  it("answers Sim's own failure as such, without a word of it", async () => {
    const body =
      generation === 'v2' ? v2('INTERNAL_ERROR', { stack: TEXT }) : v1(TEXT, { success: false, output: { TEXT } });
    const answer = await read(generation, operation, { status: 500, body });
    expect([answer.json.error.code, answer.status]).toEqual(['upstream_error', 502]);
    expectNothingOf(body, answer.text);
  });
});

describe.each(['v2', 'v1'])('%s', (generation) => {
  it('says when to come back, in seconds', async () => {
    const body = generation === 'v2' ? v2('RATE_LIMITED') : v1();
    const busy = { status: 429, headers: { 'retry-after': '17' }, body };
    const { status, headers } = await read(generation, 'getFlow', busy);
    expect([status, headers.get('retry-after')]).toEqual([503, '17']);
  });

  it('names the fields that Sim refuses by their paths, and repeats nothing else', async () => {
    const details = [
      { path: 'input.message', message: TEXT },
      { path: ['input', 'list', 0], message: TEXT },
    ];
    const body = generation === 'v2' ? v2('BAD_REQUEST', details) : v1(TEXT, { details });
    const { json, text } = await read(generation, 'start', { status: 400, body });
    expect(json.error.details.fields.map(({ path }) => path)).toEqual(['input.message', 'input.list.0']);
    expect(text).not.toContain(TEXT);
  });

  it('never answers 401, whatever Sim says', async () => {
    const html = { status: 401, headers: { 'content-type': 'text/html' }, body: '<html>Sign in</html>' };
    expect((await read(generation, 'getFlow', html)).status).toBe(502);
  });

  it('takes a taken run id for the proof that the run was started, and reads that run', async () => {
    const conflict =
      generation === 'v2' ? v2('CONFLICT', { code: 'RUN_ID_CONFLICT' }) : v1(TEXT, { code: 'EXECUTION_ID_CONFLICT' });
    const state = { startedAt: null, endedAt: null, paused: null, cost: null, error: null };
    const of = { v2: { data: { status: 'running', ...state } }, v1: { status: 'running', ...state } };
    const more = { readRun: { status: 200, body: of[generation] } };
    const answer = await read(generation, 'start', { status: 409, body: conflict }, { more });
    expect([answer.status, answer.json.run.status]).toEqual([202, 'running']);
    expect(answer.headers.has('idempotent-replayed')).toBe(false);
    const headers = { 'idempotency-key': 'gesture-1' };
    const replay = await read(generation, 'start', { status: 409, body: conflict }, { more, headers });
    expect([replay.status, replay.headers.get('idempotent-replayed')]).toEqual([202, 'true']);
  });

  it('takes no other conflict for that proof', async () => {
    const body = generation === 'v2' ? v2('CONFLICT', { code: 'CALL_CHAIN' }) : v1(TEXT, { code: 'OTHER' });
    const { json } = await read(generation, 'start', { status: 409, body });
    expect(json.error.code).toBe('conflict');
  });
});

it('v1: asks for the run when Sim cannot say whether it was queued, and starts no other', async () => {
  const body = v1(TEXT, { code: 'ASYNC_ENQUEUE_AMBIGUOUS', executionId: 'run-1' });
  const state = { status: 'queued', startedAt: null, endedAt: null, paused: null, cost: null, error: null };
  const more = { readRun: { status: 200, body: state } };
  const { status, json } = await read('v1', 'start', { status: 503, body }, { more });
  expect([status, json.run.status]).toEqual([202, 'queued']);
});

describe.each(['v2', 'v1', 'flows'])('%s, of an emulated Sim', (generation) => {
  it('calls a refused key a matter between the adapter and Sim', async () => {
    const { way } = await enter({ generation, options: { apiKey: 'wrong' } });
    const calls = [way.listFlows(), way.getFlow('one'), way.createFlow({ name: 'One' }), way.runFlow('one')];
    for (const error of await Promise.all(calls.map(refusal))) {
      expect(error).toMatchObject({ code: 'upstream_auth', status: 502 });
    }
  });

  it('calls a rate limit of Sim a busy Sim', async () => {
    const { way } = await enter({ generation, sim: { rateLimit: 1 } });
    await way.listFlows();
    const error = await refusal(way.getFlow('one'));
    expect(error).toMatchObject({ code: 'upstream_busy', status: 503 });
    expect(error.retryAfterMs).toBeGreaterThan(0);
  });
});
