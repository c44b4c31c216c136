// What the adapter makes of Sim's answers: played by a real server, compared with what the HTTP contract promises.

import { describe, expect, it } from 'vitest';
import { GENERATIONS, ourApis } from './support/contract.mjs';
import { readRuns, resumes } from './support/examples.mjs';
import { flowAnswers } from './support/flow-examples.mjs';
import { promised } from './support/promise.mjs';
import { read, readEach } from './support/reading.mjs';

const examples = [...readRuns, ...resumes, ...flowAnswers];

/** The answer, with a run's own id and flow checked and taken out. */
function withoutIds({ json, run }) {
  if (json.run === undefined) return json;
  const { id, flowId, ...rest } = json.run;
  expect([id, flowId]).toEqual([run, 'flow-1']);
  return { run: rest };
}

describe.concurrent.each(GENERATIONS)('%s', (generation) => {
  const ours = examples.filter((one) => one.generation === generation);

  it.each(ours)('reads $operation: $what ($status)', async ({ operation, status, body, expected }) => {
    const operationOf = ourApis[generation].operations.find(({ name }) => name === operation);
    expect(ourApis[generation].answerFaults(operationOf, status, body)).toEqual([]);
    const answer = await read(generation, operation, { status, body });
    expect(answer.status).toBe(status === 201 ? 201 : 200);
    expect(withoutIds(answer)).toEqual(expected);
    // The reading that recorded answers are compared with.
    expect(promised[generation][operation](body)).toEqual(expected);
    expect(answer.text).not.toMatch(/_resume|sim\.internal/);
  });

  it.each([
    ['a status that it has never heard of', { status: 'unheard' }],
    ['no status', { status: undefined }],
  ])('does not guess what %s means', async (_what, change) => {
    const { body } = readRuns.find((one) => one.generation === generation);
    const spoiled = body.data ? { data: { ...body.data, ...change } } : { ...body, ...change };
    const answer = await read(generation, 'readRun', { status: 200, body: spoiled });
    expect([answer.status, answer.json.error.code]).toEqual([502, 'upstream_error']);
  });

  it('takes nothing for an answer that is no JSON, cut short, empty or of another shape', async () => {
    const bodies = [
      '<html>secret.example</html>',
      '{"data": {"status": "comple',
      '',
      '[]',
      'null',
      '{"data": null}',
      '"text"',
    ];
    const answers = await readEach(
      generation,
      'getFlow',
      bodies.map((body) => ({ status: 200, body })),
    );
    expect(answers.map(({ status, json }) => [status, json.error?.code])).toEqual(
      bodies.map(() => [502, 'upstream_error']),
    );
    for (const { text } of answers) expect(text).not.toContain('secret');
  });
});

describe.concurrent.each(['v2', 'v1'])('%s: a run that waits for a person', (generation) => {
  const waiting = readRuns.find((one) => one.generation === generation && one.what === 'that waits for a person');
  const told = waiting.body.data ?? waiting.body;
  const silent = { ...told, output: null, finalOutput: null };
  const state = { status: 200, body: generation === 'v2' ? { data: silent } : silent };
  const asked = waiting.expected.run.output.data;

  it('tells what it asks, which Sim keeps apart, and nothing of where to answer', async () => {
    const point = {
      contextId: 'pause-1',
      response: told.output ?? told.finalOutput,
      resumeLinks: { apiUrl: 'http://sim.internal' },
    };
    const other = {
      contextId: 'pause-0',
      response: { data: { operation: 'human', inputFormat: [], responseStructure: [] } },
    };
    const more = {
      readPause: { status: 200, body: { pausePoints: [other, point], executionSnapshot: { snapshot: '{}' } } },
    };
    const { json, text } = await read(generation, 'readRun', state, { more });
    const { operation, inputFormat, responseStructure } = asked;
    expect(json.run.output).toEqual({ data: { operation, inputFormat, responseStructure } });
    expect(text).not.toMatch(/_resume|resumeLinks|snapshot|sim\.internal/);
  });

  it.each([
    ['refuses to tell', { status: 404, body: { error: 'Paused execution not found' } }],
    ['fails', { status: 500, body: { error: 'postgres.internal' } }],
    ['tells something else', { status: 200, body: { pausePoints: 'none' } }],
  ])('is told of without it when Sim %s', async (_what, readPause) => {
    const { status, json } = await read(generation, 'readRun', state, { more: { readPause } });
    expect([status, json.run.status, json.run.output]).toEqual([200, 'paused', null]);
    expect(json.run.paused).toEqual(waiting.expected.run.paused);
  });
});

describe.concurrent.each([
  ['v2', { data: { success: true, reason: 'recorded' } }, 200],
  ['v2', { data: { success: true, reason: 'already_cancelled' } }, 200],
  ['v2', { data: { success: true, reason: 'already_completed' } }, 'already_finished'],
  ['v2', { data: { success: true, reason: 'already_failed' } }, 'already_finished'],
  ['v2', { data: { success: false, reason: 'redis_write_failed' } }, 'upstream_error'],
  ['v1', { success: true, reason: 'recorded' }, 200],
  ['v1', { success: true, reason: 'already_cancelled' }, 200],
  ['v1', { success: true }, 200],
  ['v1', { success: false, reason: 'redis_unavailable' }, 'upstream_error'],
])('%s: the answer %j to a cancel', (generation, body, expected) => {
  it(`means ${expected}`, async () => {
    const state = readRuns.find((one) => one.generation === generation && one.what === 'cancelled');
    const more = { readRun: { status: 200, body: state.body } };
    const { status, json } = await read(generation, 'cancel', { status: 200, body }, { more });
    expect(json.error?.details?.reason ?? json.error?.code ?? status).toBe(expected);
    if (expected === 200) expect(json.run.status).toBe('cancelled');
  });
});

describe.concurrent.each([
  ['v2', { data: { isDeployed: true, latestDeploymentAttempt: { status: 'active' } } }, 201],
  ['v2', { data: { isDeployed: true, latestDeploymentAttempt: null } }, 201],
  ['v2', { data: { isDeployed: false, latestDeploymentAttempt: { status: 'failed' } } }, 'upstream_error'],
  ['v2', { data: { isDeployed: false, latestDeploymentAttempt: { status: 'superseded' } } }, 'upstream_error'],
])('%s: the deployment %j', (generation, body, expected) => {
  it(`means ${expected}`, async () => {
    const { status, json } = await read(generation, 'deployment', { status: 200, body });
    expect(json.error?.code ?? status).toBe(expected);
    // The flow exists: whoever made it must find it.
    if (json.error) expect(json.error.details.flowId).toBe('flow-1');
  });
});
