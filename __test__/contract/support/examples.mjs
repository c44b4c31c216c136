// Answers of Sim's, written for these tests, and what the adapter must make of each. They stand in for recorded ones,
// and are held against those where they are at hand.

const BEGUN = '2026-01-02T03:04:05.678Z';
const ENDED = '2026-01-02T03:04:07.001Z';
const PAUSED = '2026-01-02T03:04:06.000Z';
const TIMES = { startedAt: BEGUN, endedAt: ENDED };
const COST = { total: 0.005 };
const OUTPUT = { result: { list: [1, 'two', null] }, stdout: '' };

const LINKS = {
  apiUrl: 'http://sim.internal:3000/api/resume/flow-1/run-1/pause-1',
  uiUrl: 'http://sim.internal:3000/resume/flow-1/run-1',
  contextId: 'pause-1',
  executionId: 'run-1',
  workflowId: 'flow-1',
};
const FORM = {
  operation: 'human',
  responseStructure: [{ name: 'question', type: 'string', value: 'ok?' }],
  inputFormat: [{ id: 'i1', name: 'approved', label: 'approved', type: 'boolean', required: true }],
  submission: null,
};
const asked = (data) => ({ data, status: 200, headers: { 'Content-Type': 'application/json' } });
const ASKED = asked({ ...FORM, _resume: LINKS });
const SHOWN = asked(FORM);

/** A pause as Sim tells it, and as the adapter does. */
const simPause = (pauseKind, resumeAt, contextId) => ({
  contextId,
  pausedAt: PAUSED,
  resumeAt,
  pauseKind,
  blockedOnBlockId: contextId,
  automaticResumeWaitingReason: null,
  pausePointCount: 1,
  resumedCount: 0,
});
const pause = (kind, resumeAt, contextId) => ({ contextId, kind, pausedAt: PAUSED, resumeAt });

const NONE = { startedAt: BEGUN, endedAt: null, durationMs: null, output: null, error: null, cost: null, paused: null };

/** What the adapter must answer: a run of which all but `told` is null. */
const run = (status, told = {}) => ({ run: { ...NONE, status, ...told } });

const v2 = (what, data, expected) => ({
  generation: 'v2',
  operation: 'readRun',
  what,
  status: 200,
  body: { data: { runId: 'run-1', workflowId: 'flow-1', trigger: 'api', ...NONE, blockOutputs: null, ...data } },
  expected,
});

function v1(what, { durationMs = null, output = null, ...told }, expected) {
  const { durationMs: _d, output: _o, ...none } = NONE;
  const ids = { executionId: 'run-1', workflowId: 'flow-1', trigger: 'api', level: 'info', blockOutputs: null };
  const body = { ...ids, ...none, totalDurationMs: durationMs, finalOutput: output, ...told };
  return { generation: 'v1', operation: 'readRun', what, status: 200, body, expected };
}

const flows = (what, told, expected) => ({
  generation: 'flows',
  operation: 'readRun',
  what,
  status: 200,
  body: { id: 'run-1', flowId: 'flow-1', startedAt: BEGUN, endedAt: null, output: null, error: null, ...told },
  expected,
});

const ended = { ...TIMES, durationMs: 1323, cost: COST };
const HUMAN = ['human', null, 'pause-1'];
const TIMED = ['time', ENDED, null];

/** Runs in every status. */
export const readRuns = [
  v2('queued', { status: 'queued', startedAt: null }, run('queued', { startedAt: null })),
  v2('pending', { status: 'pending' }, run('pending')),
  v2('running', { status: 'running' }, run('running')),
  v2('whose output is being cleaned', { status: 'redacting' }, run('running')),
  v2(
    'that waits for a person',
    { status: 'paused', endedAt: PAUSED, durationMs: 18, paused: simPause(...HUMAN), output: ASKED, cost: COST },
    run('paused', { endedAt: PAUSED, durationMs: 18, paused: pause(...HUMAN), output: SHOWN, cost: COST }),
  ),
  v2(
    'that waits for a time',
    { status: 'paused', paused: simPause(...TIMED) },
    run('paused', { paused: pause(...TIMED) }),
  ),
  v2(
    'completed, measured to the nanosecond',
    { status: 'completed', ...ended, durationMs: 1323.499999, output: OUTPUT },
    run('completed', { ...ended, output: OUTPUT }),
  ),
  v2(
    'completed with a text',
    { status: 'completed', ...ended, output: 'text' },
    run('completed', { ...ended, output: 'text' }),
  ),
  v2(
    'failed',
    {
      status: 'failed',
      ...ended,
      error: {
        message: 'boom',
        code: 'BLOCK_EXECUTION_FAILED',
        blockId: 'b',
        blockName: 'Work',
        blockType: 'function',
      },
    },
    run('failed', {
      ...ended,
      error: { message: 'boom', code: 'BLOCK_EXECUTION_FAILED', blockId: 'b', blockName: 'Work' },
    }),
  ),
  v2('cancelled', { status: 'cancelled', ...ended }, run('cancelled', ended)),
  v1('queued', { status: 'queued' }, run('queued')),
  v1('pending', { status: 'pending' }, run('pending')),
  v1('running', { status: 'running' }, run('running')),
  v1(
    'that waits for a person',
    { status: 'paused', endedAt: PAUSED, durationMs: 18, paused: simPause(...HUMAN), output: ASKED, cost: COST },
    run('paused', { endedAt: PAUSED, durationMs: 18, paused: pause(...HUMAN), output: SHOWN, cost: COST }),
  ),
  v1(
    'that waits for a time',
    { status: 'paused', paused: simPause(...TIMED) },
    run('paused', { paused: pause(...TIMED) }),
  ),
  v1('completed', { status: 'completed', ...ended, output: OUTPUT }, run('completed', { ...ended, output: OUTPUT })),
  v1(
    'failed',
    { status: 'failed', ...ended, level: 'error', error: 'Work: boom' },
    run('failed', { ...ended, error: { message: 'Work: boom', code: null } }),
  ),
  v1('cancelled', { status: 'cancelled', ...ended }, run('cancelled', ended)),
  flows('queued', { status: 'queued', startedAt: null }, run('queued', { startedAt: null })),
  flows('running', { status: 'running' }, run('running')),
  flows('completed', { status: 'completed', ...TIMES, output: OUTPUT }, run('completed', { ...TIMES, output: OUTPUT })),
  flows(
    'failed',
    { status: 'failed', ...TIMES, error: 'Work: boom' },
    run('failed', { ...TIMES, error: { message: 'Work: boom', code: null } }),
  ),
];

const resumed = (generation, what, status, body, expected) => ({
  generation,
  operation: 'resume',
  what,
  status,
  body,
  expected,
});
const ids = { runId: 'run-2', workflowId: 'flow-1' };
const QUEUED = run('queued', { startedAt: null });

/** What a resume is answered with: the end, another pause, or a receipt. */
export const resumes = [
  resumed(
    'v2',
    'that came to its end',
    200,
    { data: { ...ids, status: 'completed', output: OUTPUT, error: null, ...TIMES, durationMs: 1322.6 } },
    run('completed', { ...TIMES, durationMs: 1323, output: OUTPUT }),
  ),
  resumed(
    'v2',
    'that waits again',
    200,
    { data: { ...ids, status: 'paused', output: ASKED, error: null, ...TIMES, durationMs: 1323 } },
    run('paused', { ...TIMES, durationMs: 1323, output: SHOWN }),
  ),
  resumed(
    'v2',
    'that goes on',
    202,
    { data: { runId: 'run-2', statusUrl: 'http://sim.internal:3000/api/v2/workflows/flow-1/runs/run-2' } },
    QUEUED,
  ),
  resumed(
    'v1',
    'that came to its end',
    200,
    {
      success: true,
      status: 'completed',
      executionId: 'run-2',
      output: OUTPUT,
      metadata: { duration: 1322.6, startTime: BEGUN, endTime: ENDED },
    },
    run('completed', { ...TIMES, durationMs: 1323, output: OUTPUT }),
  ),
  resumed(
    'v1',
    'that failed',
    200,
    { success: false, status: 'failed', executionId: 'run-2', output: {}, error: 'boom' },
    run('failed', { startedAt: null, output: {}, error: { message: 'boom', code: null } }),
  ),
  resumed(
    'v1',
    'that waits again',
    200,
    { success: true, status: 'paused', executionId: 'run-2', output: ASKED },
    run('paused', { startedAt: null, output: SHOWN }),
  ),
  resumed(
    'v1',
    'that begins',
    200,
    { status: 'started', executionId: 'run-2', message: 'x' },
    run('running', { startedAt: null }),
  ),
  resumed(
    'v1',
    'that is in a queue',
    200,
    { status: 'queued', executionId: 'run-2', queuePosition: 2, message: 'x' },
    QUEUED,
  ),
  resumed(
    'v1',
    'that goes on',
    202,
    {
      success: true,
      async: true,
      jobId: 'resume-execution:run-2',
      executionId: 'run-2',
      message: 'Resume execution queued',
      statusUrl: 'http://sim.internal:3000/api/jobs/resume-execution:run-2',
    },
    QUEUED,
  ),
];
