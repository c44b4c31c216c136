'use strict';

/**
 * Sim's first API generation: workflows (`/api/v1/workflows`) and their runs (`/api/workflows/{id}/...`, `/api/jobs`,
 * `/api/resume`). Shapes and texts are those of a running Sim v0.8.9.
 */

const { checkBody, checkPage, isRunId, pageOf } = require('./check');
const { InvalidDocument, exportState, inputFields } = require('./document');
const { v1Error } = require('./gate');
const { eventStream, json } = require('./http');
const { Refusal, route } = require('./router');
const { FrameQueue, framesOf } = require('./stream');
const {
  activeView,
  attemptView,
  executionView,
  iso,
  jobIdOf,
  jobView,
  pausedDetailView,
  pausedView,
  timing,
} = require('./views');

const refuse = (status, error, more) => {
  throw new Refusal(v1Error(status, error, more));
};

/** Keys of a body that steer the run; every other key is its input. */
const CONTROL = {
  selectedOutputs: { type: 'strings' },
  stream: { type: 'boolean' },
  includeThinking: { type: 'boolean' },
  includeToolCalls: { type: 'boolean' },
  includeFileBase64: { type: 'boolean' },
  base64MaxBytes: { type: 'integer', min: 1 },
  triggerBlockId: { type: 'string' },
  startBlockId: { type: 'string' },
  stopAfterBlockId: { type: 'string' },
  triggerType: { type: 'string' },
  useDraftState: { type: 'boolean' },
  workflowStateOverride: { type: 'any' },
  isClientSession: { type: 'boolean' },
  runFromBlock: { type: 'any' },
};

const SESSION_ONLY = ['useDraftState', 'workflowStateOverride', 'isClientSession', 'runFromBlock'];

const IMPORT = {
  workspaceId: { type: 'string', min: 1, required: true },
  workflow: { type: 'textOrObject', required: true },
  name: { type: 'string', min: 1, max: 200 },
  description: { type: 'string', max: 2000 },
  folderId: { type: 'string', nullable: true },
};

const DEPLOY = { name: { type: 'string', max: 100 }, description: { type: 'string', nullable: true } };

/** What most v1 answers add: the plan's limits, which here are never met. */
function limits() {
  const rate = { requestsPerMinute: 999_999, maxBurst: 999_999, remaining: 999_999 };
  const resetAt = new Date(Date.now() + 60_000).toISOString();
  return {
    workflowExecutionRateLimit: { sync: { ...rate, resetAt }, async: { ...rate, resetAt } },
    usage: { currentPeriodCost: 0, limit: 99_999, plan: 'free', isExceeded: false },
  };
}

const itemView = (sim, flow) => ({
  id: flow.id,
  name: flow.name,
  description: flow.description ?? '',
  folderId: flow.folderId,
  workspaceId: sim.workspaceId,
  isDeployed: flow.active !== null,
  deployedAt: iso(flow.active?.deployedAt ?? null),
  runCount: flow.runCount,
  lastRunAt: iso(flow.lastRunAt),
  createdAt: iso(flow.createdAt),
  updatedAt: iso(flow.updatedAt),
});

/** Body keys, the caller's input apart from the control keys. */
function splitBody(body) {
  const input = { ...body };
  const control = {};
  for (const key of Object.keys(CONTROL)) {
    if (key in input) {
      control[key] = input[key];
      delete input[key];
    }
  }
  return { input, control };
}

/** The status, headers and body that the author of a Response block chose. */
function authoredReply({ data, status, headers }) {
  return { status, headers, body: typeof data === 'string' ? data : JSON.stringify(data) };
}

function syncReply(run) {
  if (run.status === 'failed') {
    return json(500, { success: false, output: run.output, error: run.error.full, metadata: timing(run) });
  }
  if (run.status === 'completed' && run.lastBlock?.type === 'response') {
    return authoredReply(run.output);
  }
  const success = run.status !== 'cancelled';
  return json(200, {
    success,
    executionId: run.id,
    output: run.output,
    ...(success ? {} : { error: run.error.full }),
    metadata: timing(run),
  });
}

/** v1's routes over `sim`: its workflows, its runs and its address. */
function v1Routes(sim) {
  const { workflows, runs } = sim;
  const flowOf = (id) => workflows.get(id) ?? refuse(404, 'Workflow not found');
  const runOf = ({ id, executionId }) => runs.of(flowOf(id).id, executionId) ?? refuse(404, 'Execution not found');
  const checkWorkspace = (id) => {
    if (id !== sim.workspaceId) {
      refuse(403, 'API key is not authorized for this workspace');
    }
  };
  const objectBody = (request, fields) => {
    const body = request.json() ?? {};
    const details = checkBody(body, fields);
    return details.length > 0 ? refuse(400, 'Invalid request data', { details }) : body;
  };

  const list = ({ query }) => {
    const page = checkPage(query, { required: ['workspaceId'] });
    if (page.faults.length > 0) {
      refuse(400, 'Invalid request data', { details: page.faults });
    }
    checkWorkspace(query.get('workspaceId'));
    const deployedOnly = query.get('deployedOnly') === 'true';
    const found = workflows.list().filter(({ active }) => !deployedOnly || active !== null);
    const { page: flows, nextCursor } = pageOf(found, page);
    const data = flows.map((flow) => itemView(sim, flow));
    return json(200, { data, ...(nextCursor && { nextCursor }), limits: limits() });
  };

  const read = ({ params }) => {
    const flow = flowOf(params.id);
    const { createdAt, updatedAt, ...item } = itemView(sim, flow);
    const inputs = inputFields(flow.state).map(({ id, name, type }) => ({ id, name, type }));
    const data = { ...item, variables: flow.state.variables, inputs, createdAt, updatedAt };
    return json(200, { data, limits: limits() });
  };

  const exportFlow = ({ params }) => {
    const flow = flowOf(params.id);
    const { id, name, description, workspaceId, folderId } = itemView(sim, flow);
    const exportedAt = new Date().toISOString();
    const workflow = { id, name, description, workspaceId, folderId };
    const data = { version: '1.0', exportedAt, workflow, state: exportState(flow, exportedAt) };
    return json(200, { data, limits: limits() });
  };

  const importFlow = (request) => {
    const body = objectBody(request, IMPORT);
    checkWorkspace(body.workspaceId);
    const { name, description, folderId = null, workflow: document } = body;
    let flow;
    try {
      flow = workflows.add({ name, description, folderId, document });
    } catch (error) {
      if (error instanceof InvalidDocument) {
        return refuse(400, `Invalid workflow: ${error.message}`);
      }
      throw error;
    }
    const { id, name: given, description: told, workspaceId, createdAt, updatedAt } = itemView(sim, flow);
    const data = { id, name: given, description: told, workspaceId, folderId, createdAt, updatedAt };
    return json(201, { data, limits: limits() });
  };

  const deploy = async (request) => {
    const flow = flowOf(request.params.id);
    objectBody(request, DEPLOY);
    await workflows.deploy(flow);
    const data = {
      id: flow.id,
      isDeployed: flow.active !== null,
      deployedAt: iso(flow.active?.deployedAt ?? null),
      version: flow.version,
      warnings: ['Deployment activation completed, and post-activation notifications are queued.'],
      activeDeployment: activeView(flow.active),
      latestDeploymentAttempt: attemptView(flow.attempt),
    };
    return json(200, { data, limits: limits() });
  };

  /** Starts a run or refuses it; only a run that started has used its id up. */
  const start = (flow, options) => {
    if (flow.active === null) {
      refuse(403, 'Workflow is not deployed');
    }
    const conflict = { code: 'EXECUTION_ID_CONFLICT', executionId: options.id };
    return runs.start({ flow, ...options }) ?? refuse(409, 'Execution ID has already been used', conflict);
  };

  const stream = (run, queue, control, request, headers) => {
    request.onAbandoned(() => runs.cancel(run), run);
    return eventStream(framesOf(run, queue, control), headers);
  };

  const queued = (run, message) =>
    json(202, {
      success: true,
      async: true,
      jobId: jobIdOf(run),
      executionId: run.id,
      message,
      statusUrl: `${sim.url}/api/jobs/${jobIdOf(run)}`,
    });

  const seconds = (text) => {
    const value = Number(text);
    const valid = Number.isInteger(value) && value >= 1 && value <= 604_800;
    return valid ? value * 1000 : refuse(400, 'Invalid X-Execution-Timeout-Seconds header');
  };

  const execute = async (request) => {
    const { headers, requestId } = request;
    const { input, control } = splitBody(objectBody(request, CONTROL));
    const flow = flowOf(request.params.id);
    if (SESSION_ONLY.some((key) => control[key])) {
      refuse(400, 'API key callers cannot execute draft workflow state');
    }
    const id = headers['x-execution-id'];
    if (id !== undefined && !isRunId(id)) {
      refuse(400, 'Invalid execution ID');
    }
    if (headers['x-execution-mode'] === 'async') {
      const asked = headers['x-execution-timeout-seconds'];
      const timeoutMs = asked === undefined ? undefined : seconds(asked);
      return queued(start(flow, { id, input, mode: 'async', requestId, timeoutMs }), 'Workflow execution queued');
    }
    if (control.stream || headers['x-stream-response'] === 'true') {
      const queue = new FrameQueue();
      const run = start(flow, { id, input, mode: 'stream', requestId, onFrame: (frame) => queue.push(frame) });
      return stream(run, queue, control, request);
    }
    const run = start(flow, { id, input, mode: 'sync', requestId });
    request.onAbandoned(() => runs.cancel(run), run);
    return syncReply(await run.done);
  };

  const job = ({ params }) => {
    const run = runs.get(params.jobId.replace(/^(workflow|resume)-execution:/, ''));
    if (run?.mode !== 'async' || jobIdOf(run) !== params.jobId) {
      refuse(404, 'Task not found', { code: 'TASK_NOT_FOUND' });
    }
    return json(200, jobView(run, sim.workspaceId));
  };

  const execution = ({ params, query }) => {
    const includeOutput = query.get('includeOutput') === 'true';
    const selectedOutputs = query.get('selectedOutputs')?.split(',');
    return json(200, executionView(runOf(params), { includeOutput, selectedOutputs }));
  };

  const cancel = ({ params }) => {
    const run = runOf(params);
    const found = runs.cancel(run);
    if (found === 'completed' || found === 'failed') {
      refuse(409, `Execution has already ${found}`);
    }
    return json(200, {
      success: true,
      executionId: run.id,
      redisAvailable: true,
      durablyRecorded: found !== 'cancelled',
      locallyAborted: false,
      pausedCancelled: found === 'paused',
      reason: found === 'cancelled' ? 'already_cancelled' : 'recorded',
    });
  };

  const resume = async (request) => {
    const { id, executionId, contextId } = request.params;
    const { input = {} } = objectBody(request, { input: { type: 'any' } });
    const run = runs.of(flowOf(id).id, executionId);
    const queue = new FrameQueue();
    const options = { requestId: request.requestId, onFrame: (frame) => queue.push(frame) };
    const { child, refusal } = run ? runs.resume(run, contextId, input, options) : { refusal: 'no_pause' };
    if (refusal === 'no_pause') {
      refuse(404, 'Paused execution not found');
    }
    if (refusal === 'no_point') {
      refuse(404, 'Pause point not found for execution');
    }
    if (refusal === 'resumed') {
      refuse(409, 'Pause point already resumed or in progress');
    }
    if (child.mode === 'async') {
      return queued(child, 'Resume execution queued');
    }
    if (child.mode === 'stream') {
      return stream(child, queue, {}, request, { 'x-execution-id': child.id });
    }
    const { status, output, error } = await child.done;
    const success = status === 'completed' || status === 'paused';
    return json(200, {
      success,
      status,
      executionId: child.id,
      output,
      ...(error && { error: error.full }),
      metadata: timing(child),
    });
  };

  const pausedRun = (params) => {
    const run = runOf(params);
    return run.pauses.length > 0 ? run : refuse(404, 'Paused execution not found');
  };

  const pausedContext = ({ params }) => {
    const run = pausedRun(params);
    const detail = pausedDetailView(run, sim.workspaceId);
    const pausePoint = detail.pausePoints.find(({ contextId }) => contextId === params.contextId);
    const found = pausePoint ?? refuse(404, 'Pause context not found');
    return json(200, { execution: detail, pausePoint: found, queue: [], activeResumeEntry: null });
  };

  const pausedList = ({ params, query }) => {
    const flow = flowOf(params.id);
    const status = query.get('status') ?? 'paused';
    const found = runs.list().filter((run) => run.flowId === flow.id && run.pauses.length > 0);
    const views = found.map((run) => pausedView(run, sim.workspaceId)).filter((view) => view.status === status);
    return json(200, { pausedExecutions: views.reverse() });
  };

  const pausedDetail = ({ params }) => json(200, pausedDetailView(pausedRun(params), sim.workspaceId));

  const status = ({ params }) => {
    const flow = flowOf(params.id);
    const deployedAt = iso(flow.active?.deployedAt ?? null);
    return json(200, { isDeployed: flow.active !== null, deployedAt, needsRedeployment: false });
  };

  const sessionOnly = () => v1Error(401, 'Unauthorized');

  return [
    route('GET', '/api/v1/workflows', 'v1', list),
    route('POST', '/api/v1/workflows/import', 'v1', importFlow),
    route('GET', '/api/v1/workflows/:id', 'v1', read),
    route('GET', '/api/v1/workflows/:id/export', 'v1', exportFlow),
    route('POST', '/api/v1/workflows/:id/deploy', 'v1', deploy),
    route('POST', '/api/workflows', null, sessionOnly),
    route('POST', '/api/workflows/:id/execute', 'execute', execute),
    route('GET', '/api/jobs/:jobId', 'jobs', job),
    route('GET', '/api/workflows/:id/status', 'execute', status),
    route('GET', '/api/workflows/:id/executions/:executionId', 'execute', execution),
    route('POST', '/api/workflows/:id/executions/:executionId/cancel', 'execute', cancel),
    route('GET', '/api/workflows/:id/executions/:executionId/stream', null, sessionOnly),
    route('GET', '/api/workflows/:id/paused', 'execute', pausedList),
    route('GET', '/api/workflows/:id/paused/:executionId', 'execute', pausedDetail),
    route('GET', '/api/resume/:id/:executionId', 'execute', pausedDetail),
    route('GET', '/api/resume/:id/:executionId/:contextId', 'execute', pausedContext),
    route('POST', '/api/resume/:id/:executionId/:contextId', 'execute', resume),
  ];
}

module.exports = { limits, v1Routes };
