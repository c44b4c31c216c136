'use strict';

/**
 * Sim's second API generation: starting, reading, cancelling and resuming runs (`/api/v2/workflows/{id}/...`).
 */

const { checkBody, checkPage, isRunId, pageOf } = require('./check');
const { eventStream } = require('./http');
const { route } = require('./router');
const { FrameQueue, framesOf } = require('./stream');
const { runListView, runResult, runView } = require('./views');
const { answer, refuse, refuseFaults } = require('./v2-workflows');

const EXECUTE = {
  input: { type: 'object' },
  async: { type: 'boolean' },
  stream: { type: 'boolean' },
  executionTimeoutSeconds: { type: 'integer', min: 1, max: 604_800 },
  selectedOutputs: { type: 'strings', max: 100 },
  includeThinking: { type: 'boolean' },
  includeToolCalls: { type: 'boolean' },
  includeFileBase64: { type: 'boolean' },
  base64MaxBytes: { type: 'integer', min: 1, max: 10_485_760 },
};

const RESUME = { contextId: { type: 'string', min: 1, required: true }, input: { type: 'any' } };

const STATUSES = ['pending', 'running', 'completed', 'failed', 'cancelled', 'paused'];

const NOT_ASYNC = [
  'stream',
  'selectedOutputs',
  'includeThinking',
  'includeToolCalls',
  'includeFileBase64',
  'base64MaxBytes',
];
const AGENT_EVENTS = ['includeThinking', 'includeToolCalls'];

/** Options that do not go together. */
function modeFaults(body, headers) {
  const set = (key) => body[key] !== undefined && body[key] !== false;
  const refused = (keys, message) => keys.filter(set).map((path) => ({ path, message }));
  if (body.async) {
    return refused(NOT_ASYNC, 'Not allowed when async is true');
  }
  const agentEvents = body.stream && headers['x-sim-stream-protocol'] === 'agent-events-v1';
  return [
    ...refused(['executionTimeoutSeconds'], 'Only allowed when async is true'),
    ...refused(agentEvents ? [] : AGENT_EVENTS, 'Requires stream: true and X-Sim-Stream-Protocol: agent-events-v1'),
  ];
}

/** v2's run routes over `sim`. */
function v2RunRoutes(sim) {
  const { workflows, runs } = sim;
  const flowOf = (id) => workflows.get(id) ?? refuse(404, 'NOT_FOUND', 'Workflow not found');
  const runOf = ({ id, runId }) => runs.of(flowOf(id).id, runId) ?? refuse(404, 'NOT_FOUND', 'Workflow run not found');
  const runHeader = (id) => ({ 'x-run-id': id });

  const start = (flow, options) => {
    if (flow.active === null) {
      refuse(403, 'FORBIDDEN', 'Workflow is not deployed', { code: 'WORKFLOW_NOT_DEPLOYED' });
    }
    const run = runs.start({ flow, ...options });
    const details = { code: 'RUN_ID_CONFLICT', runId: options.id };
    return run ?? refuse(409, 'CONFLICT', 'Run ID has already been used', details, runHeader(options.id));
  };

  const receipt = (run) => {
    const statusUrl = `${sim.url}/api/v2/workflows/${run.flowId}/runs/${run.id}`;
    return answer(202, { data: { runId: run.id, statusUrl } }, runHeader(run.id));
  };

  const result = async (run) => answer(200, { data: runResult(await run.done) }, runHeader(run.id));

  const execute = async (request) => {
    const { headers, requestId, params } = request;
    const body = request.json() ?? {};
    refuseFaults(checkBody(body, EXECUTE, { strict: true }));
    refuseFaults(modeFaults(body, headers));
    const id = headers['x-run-id'];
    if (id !== undefined && !isRunId(id)) {
      refuseFaults([{ path: 'x-run-id', message: 'Invalid run ID' }]);
    }
    const flow = flowOf(params.id);
    const { input = {}, executionTimeoutSeconds: seconds } = body;
    if (body.async) {
      const timeoutMs = seconds && seconds * 1000;
      return receipt(start(flow, { id, input, mode: 'async', requestId, timeoutMs }));
    }
    if (body.stream) {
      const queue = new FrameQueue();
      const run = start(flow, { id, input, mode: 'stream', requestId, onFrame: (frame) => queue.push(frame) });
      request.onAbandoned(() => runs.cancel(run), run);
      return eventStream(framesOf(run, queue, body));
    }
    const run = start(flow, { id, input, mode: 'sync', requestId });
    request.onAbandoned(() => runs.cancel(run), run);
    return result(run);
  };

  const list = ({ params, query }) => {
    const flow = flowOf(params.id);
    const page = checkPage(query);
    const status = query.get('status');
    const order = query.get('order') ?? 'desc';
    const faults = [...page.faults];
    if (status !== null && !STATUSES.includes(status)) {
      faults.push({ path: 'status', message: `Must be one of ${STATUSES.join(', ')}` });
    }
    if (order !== 'asc' && order !== 'desc') {
      faults.push({ path: 'order', message: 'Must be one of asc, desc' });
    }
    refuseFaults(faults);
    const found = runs.list().filter((run) => run.flowId === flow.id);
    const views = found.map(runListView).filter((view) => status === null || view.status === status);
    const ordered = order === 'desc' ? views.reverse() : views;
    const { page: data, nextCursor } = pageOf(ordered, page, ({ runId }) => runId);
    return answer(200, { data, nextCursor });
  };

  const read = ({ params, query }) => {
    const includeOutput = query.get('includeOutput') === 'true';
    const selectedOutputs = query.get('selectedOutputs')?.split(',');
    return answer(200, { data: runView(runOf(params), { includeOutput, selectedOutputs }) });
  };

  const cancel = ({ params }) => {
    const run = runOf(params);
    const found = runs.cancel(run);
    const over = ['completed', 'failed', 'cancelled'].includes(found);
    return answer(200, {
      data: {
        success: true,
        runId: run.id,
        redisAvailable: true,
        durablyRecorded: !over,
        locallyAborted: false,
        pausedCancelled: found === 'paused',
        reason: over ? `already_${found}` : 'recorded',
      },
    });
  };

  const resume = (request) => {
    const run = runOf(request.params);
    const body = request.json() ?? {};
    refuseFaults(checkBody(body, RESUME, { strict: true }));
    const { child, refusal } = runs.resume(run, body.contextId, body.input ?? {}, { requestId: request.requestId });
    if (refusal === 'resumed') {
      refuse(409, 'CONFLICT', 'Pause point already resumed or in progress');
    }
    if (refusal) {
      const missing = refusal === 'no_pause' ? 'Paused execution not found' : 'Pause point not found for execution';
      refuse(404, 'NOT_FOUND', missing);
    }
    // v2 has no streamed resume: what began as a stream goes on in the background.
    return child.mode === 'sync' ? result(child) : receipt(child);
  };

  return [
    route('POST', '/api/v2/workflows/:id/execute', 'v2', execute),
    route('GET', '/api/v2/workflows/:id/runs', 'v2', list),
    route('GET', '/api/v2/workflows/:id/runs/:runId', 'v2', read),
    route('POST', '/api/v2/workflows/:id/runs/:runId/cancel', 'v2', cancel),
    route('POST', '/api/v2/workflows/:id/runs/:runId/resume', 'v2', resume),
  ];
}

module.exports = { v2RunRoutes };
