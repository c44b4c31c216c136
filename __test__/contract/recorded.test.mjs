// Every answer that was recorded from a running Sim and belongs to an operation of the adapter, played to it again. The
// recordings are not part of this project; answers written for these tests say the same in `answers.test.mjs`.

import { describe, expect, it } from 'vitest';
import { promised } from './support/promise.mjs';
import { expectNothingOf, read } from './support/reading.mjs';
import { exchanges, haveRecordings, sayMissing } from './support/shared.mjs';

/** What each recorded success is an answer to. */
const SUCCESSES = {
  '00-health': 'v1 health',
  '10-v1-import-wfFn': 'v1 importFlow',
  '10-v1-import-wfResponse': 'v1 importFlow',
  '12-v1-deploy-wfFn': 'v1 deploy',
  '12-v1-deploy-wfResponse': 'v1 deploy',
  '22-execute-async': 'v1 start',
  '40-v1-import-wfAgent': 'v1 importFlow',
  '40-v1-import-wfFail': 'v1 importFlow',
  '40-v1-import-wfHitl': 'v1 importFlow',
  '40-v1-import-wfWait': 'v1 importFlow',
  '42-execute-async-failed': 'v1 start',
  '44-execution-status-failed': 'v1 readRun',
  '50-async-wait': 'v1 start',
  '51b-exec-running': 'v1 readRun',
  '52-cancel': 'v1 cancel',
  '53b-exec-cancelled': 'v1 readRun',
  '54-cancel-again': 'v1 cancel',
  '61-exec-paused': 'v1 readRun',
  '64-resume-post': 'v1 resume',
  '65-exec-after-resume': 'v1 readRun',
  '66-hitl-async': 'v1 start',
  '71-v1-workflows': 'v1 listFlows',
  '72-v1-workflow': 'v1 getFlow',
  'v2-02-execute-async': 'v2 start',
  'v2-03-run-poll-0': 'v2 readRun',
  'v2-08-run-paused': 'v2 readRun',
  'v2-09-resume': 'v2 resume',
  'v2-10-wait-async': 'v2 start',
  'v2-11-run-running': 'v2 readRun',
  'v2-12-cancel': 'v2 cancel',
  'v2-16-create': 'v2 createFlow',
  // Answers to a synchronous start, which the adapter does not make; Sim answers a resume in the same form.
  'v2-01-execute-sync': 'v2 resume',
  'v2-05-execute-failed': 'v2 resume',
  'v2-07-hitl': 'v2 resume',
};

/** What each recorded refusal is an answer to, and what it must be here. */
const REFUSALS = {
  '11-execute-not-deployed': ['v1 start', 'flow_not_deployed', 409],
  '25-execute-no-auth': ['v1 start', 'upstream_auth', 502],
  '26-execute-bad-key': ['v1 start', 'upstream_auth', 502],
  '27-execute-404': ['v1 start', 'not_found', 404],
  '28-execute-bad-json': ['v1 start', 'invalid_request', 400],
  '35-draft-with-key': ['v1 start', 'invalid_request', 400],
  '78-v1-import-invalid': ['v1 importFlow', 'invalid_request', 400],
  '79-v1-no-key': ['v1 listFlows', 'upstream_auth', 502],
  'v2-17-no-key': ['v2 start', 'upstream_auth', 502],
  'v2-18-404': ['v2 start', 'not_found', 404],
  // A Response block's own answer, and a failed run told as a failed request: no start of the adapter's is answered so.
  '21-execute-sync-response-block': ['v1 start', 'upstream_error', 502],
  '41-execute-sync-failed': ['v1 start', 'upstream_error', 502],
};

/** Conflicts that prove a start; the run is read from another recording. */
const PROOFS = {
  '32-execute-exec-id-conflict': ['v1 start', '51b-exec-running'],
  'v2-14-run-id-conflict': ['v2 start', 'v2-11-run-running'],
};

/** Why the others are no answers to the adapter. One of them shows what a pause asks. */
const OTHERS = {
  'a synchronous start, which the adapter does not make': ['20-execute-sync-fn', '31-execute-exec-id', '60-hitl-sync'],
  'jobs, which hide pauses': [
    '23-job-poll-0',
    '33-job-404',
    '34-job-401',
    '43-job-failed-0',
    '51-job-running',
    '53-job-cancelled-0',
    '53-job-cancelled-1',
  ],
  'event streams': [
    '24-execute-stream',
    '45-stream-failed',
    '90-session-draft-stream',
    '91-session-reconnect-stream',
    '92-reconnect-stream-api-key',
    'v2-04-execute-stream',
  ],
  'a list, where the adapter reads one of its entries': ['62-paused-list'],
  'routes that the adapter does not call': [
    '70-workflow-status',
    '73-v1-export',
    '74-v1-logs',
    '75-v1-log',
    '76-v1-log-exec',
    '77-usage-limits',
    '80-create-with-key',
    '81-v1-kb-list',
  ],
};

const answerOf = (name) => {
  const { status, responseHeaders, responseBody } = exchanges.get(name);
  return { status, headers: responseHeaders, body: responseBody };
};

/** What a paused run asks, as the recorded list of paused runs shows it. */
const paused = () => ({ ...answerOf('62-paused-list'), body: answerOf('62-paused-list').body.pausedExecutions[0] });

/** The recorded state of a cancelled run, which the adapter reads after a cancel. */
const cancelled = () => {
  const { status, headers, body } = answerOf('53b-exec-cancelled');
  const { totalDurationMs: durationMs, finalOutput: output, ...rest } = body;
  return { v1: { status, headers, body }, v2: { status, headers, body: { data: { ...rest, durationMs, output } } } };
};

const play = async (place, name, more) => {
  const [generation, operation] = place.split(' ');
  const { workspaceId } = exchanges.get('72-v1-workflow').responseBody.data;
  const answer = await read(generation, operation, answerOf(name), { more, workspaceId });
  expect(answer.text).not.toMatch(/_resume|localhost/);
  return { generation, operation, ...answer };
};

/** What of a pause a form needs. */
function formOf({ pausePoints: [{ response }] }) {
  const { operation, inputFormat, responseStructure } = response.data;
  return { data: { operation, inputFormat, responseStructure } };
}

const CHECKS = {
  health: ({ status, json }) => expect([status, json.ok, json.sim.reachable]).toEqual([200, true, true]),
  deploy: ({ status, json }) => expect([status, json.flow.id]).toEqual([201, 'flow-1']),
  start: ({ status, json }) => expect([status, json.run.status]).toEqual([202, 'queued']),
  cancel: ({ status, json }) => {
    const { startedAt, endedAt, durationMs } = promised.v1.readRun(answerOf('53b-exec-cancelled').body).run;
    expect([status, json.run.status]).toEqual([200, 'cancelled']);
    expect(json.run).toMatchObject({ startedAt, endedAt, durationMs });
  },
};

/** Compares with the second reading; a run's own id and flow are the asker's. */
function expectPromised({ generation, operation, status, json }, body) {
  const expected = promised[generation][operation](body);
  expect(status).toBe(/^(create|import)/.test(operation) ? 201 : 200);
  if (expected.run === undefined) return expect(json).toEqual(expected);
  if (expected.run.status === 'paused') expected.run.output ??= formOf(paused().body);
  const { id, flowId, ...run } = json.run;
  expect([typeof id, flowId]).toEqual(['string', 'flow-1']);
  expect(run).toEqual(expected.run);
  if (run.durationMs !== null) expect(Number.isInteger(run.durationMs)).toBe(true);
}

if (!haveRecordings) sayMissing('recorded exchanges', 'the adapter did not read the answers of a running Sim');
else
  describe.concurrent('what a running Sim answered', () => {
    it('has a place for every recording', () => {
      const known = [SUCCESSES, REFUSALS, PROOFS].flatMap(Object.keys).concat(...Object.values(OTHERS));
      expect(known.sort()).toEqual([...exchanges.keys()].sort());
    });

    it.each(Object.entries(SUCCESSES))('%s, as an answer to %s, is read as promised', async (name, place) => {
      const [generation, operation] = place.split(' ');
      const state = operation === 'cancel' ? { readRun: cancelled()[generation] } : {};
      const answer = await play(place, name, { ...state, readPause: paused() });
      if (CHECKS[operation]) CHECKS[operation](answer);
      else expectPromised(answer, answerOf(name).body);
    });

    it.each(Object.entries(SUCCESSES).filter(([, place]) => place.endsWith('start')))(
      '%s: the run is asked for by the id that Sim gave',
      async (name, place) => {
        const [generation] = place.split(' ');
        const { body } = answerOf(name);
        const state = cancelled()[generation];
        const { requests } = await read(generation, 'readRun', state, { more: { start: answerOf(name) } });
        const id = body.executionId ?? body.data.runId;
        expect(requests.at(-1).path.split('?')[0].split('/').at(-1)).toBe(id);
      },
    );

    it.each(Object.entries(REFUSALS))('%s becomes an error of our own', async (name, [place, code, status]) => {
      const answer = await play(place, name);
      expect([answer.json.error.code, answer.status]).toEqual([code, status]);
      expectNothingOf(answerOf(name).body, answer.text);
    });

    it.each(Object.entries(PROOFS))('%s proves that the run was started', async (name, [place, run]) => {
      const { status, json } = await play(place, name, { readRun: answerOf(run) });
      expect([status, json.run.status]).toEqual([202, 'running']);
    });
  });
