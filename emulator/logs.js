'use strict';

/**
 * v1's logs (`/api/v1/logs`) and the caller's limits. What a run leaves behind, as Sim records it.
 */

const { checkPage, pageOf } = require('./check');
const { v1Error } = require('./gate');
const { json } = require('./http');
const { Refusal, route } = require('./router');
const { limits } = require('./v1');
const { USER_ID, billing, correlationOf, iso } = require('./views');

const refuse = (status, error, more) => {
  throw new Refusal(v1Error(status, error, more));
};

/** A paused run has no output yet; the log says so in its place. */
const finalOutput = (run) => (run.status === 'paused' ? { paused: true } : (run.output ?? {}));

const head = (run) => ({
  id: run.logId,
  workflowId: run.flowId,
  executionId: run.id,
  level: run.status === 'failed' ? 'error' : 'info',
  trigger: 'api',
  startedAt: iso(run.startedAt),
  endedAt: iso(run.endedAt),
  totalDurationMs: run.durationMs,
});

const flowView = ({ id, name, description }) => ({ id, name, description: description ?? '', deleted: false });

function listView(run, query) {
  const full = query.get('details') === 'full';
  return {
    ...head(run),
    deploymentVersionId: run.deploymentVersionId,
    cost: run.cost,
    files: null,
    ...(full && { workflow: flowView(run.flow) }),
    ...(full && query.get('includeFinalOutput') === 'true' && { finalOutput: finalOutput(run) }),
  };
}

function spanView({ block, startedAt, endedAt, input, output }, begun, order) {
  return {
    id: `${block.id}-${startedAt.getTime()}`,
    name: block.name,
    type: block.type,
    duration: endedAt - startedAt,
    startTime: iso(startedAt),
    endTime: iso(endedAt),
    status: output.error === undefined ? 'success' : 'error',
    blockId: block.id,
    executionOrder: order + 1,
    input,
    output,
    relativeStartMs: startedAt - begun,
    children: [],
  };
}

function traceOf(run) {
  const spans = run.spans.map((span, order) => spanView(span, run.startedAt, order));
  const status = run.status === 'failed' ? 'error' : 'success';
  const end = iso(run.endedAt);
  const whole = { id: 'workflow-execution', name: 'Workflow Execution', type: 'workflow', duration: run.durationMs };
  return [{ ...whole, startTime: iso(run.startedAt), endTime: end, status, children: spans }];
}

function executionData(run, workspaceId) {
  const correlation = correlationOf(run);
  const last = run.spans.at(-1);
  const lastBlock = last && { blockId: last.block.id, blockName: last.block.name, blockType: last.block.type };
  const success = last?.output.error === undefined;
  return {
    environment: { userId: USER_ID, variables: {}, workflowId: run.flowId, executionId: run.id, workspaceId },
    trigger: { data: { correlation }, type: 'api', source: 'api', timestamp: iso(run.startedAt) },
    billingAttribution: billing(workspaceId),
    correlation,
    ...(last && {
      lastStartedBlock: { ...lastBlock, startedAt: iso(last.startedAt) },
      lastCompletedBlock: { ...lastBlock, endedAt: iso(last.endedAt), success },
    }),
    finalizationPath: run.status,
    hasTraceSpans: run.spans.length > 0,
    traceSpanCount: run.spans.length + 1,
    tokens: { input: 0, output: 0, total: 0 },
    models: {},
    finalOutput: finalOutput(run),
    workflowInput: run.input,
    traceSpans: traceOf(run),
  };
}

/** The log routes over `sim`. */
function logRoutes(sim) {
  // A resumed run goes on in the log of the run that paused; only that one has a line.
  const logged = () => sim.runs.list().filter((run) => run.parent === null);

  const list = ({ query }) => {
    const page = checkPage(query, { required: ['workspaceId'], most: 1000, usual: 100 });
    if (page.faults.length > 0) {
      refuse(400, 'Invalid request data', { details: page.faults });
    }
    const found = logged().reverse();
    const wanted = (query.get('workflowIds') ?? '').split(',').filter(Boolean);
    const ofFlows = found.filter(({ flowId }) => wanted.length === 0 || wanted.includes(flowId));
    const { page: shown, nextCursor } = pageOf(ofFlows, page, ({ logId }) => logId);
    const data = shown.map((run) => listView(run, query));
    return json(200, { data, ...(nextCursor && { nextCursor }), limits: limits() });
  };

  const read = ({ params }) => {
    const run = logged().find(({ logId }) => logId === params.id) ?? refuse(404, 'Log not found');
    const { flow } = run;
    const workflow = {
      ...flowView(flow),
      folderId: flow.folderId,
      userId: USER_ID,
      workspaceId: sim.workspaceId,
      createdAt: iso(flow.createdAt),
      updatedAt: iso(flow.updatedAt),
    };
    const more = { executionData: executionData(run, sim.workspaceId), cost: run.cost, createdAt: iso(run.startedAt) };
    return json(200, { data: { ...head(run), workflow, ...more }, limits: limits() });
  };

  const execution = ({ params }) => {
    const run = sim.runs.get(params.executionId) ?? refuse(404, 'Workflow execution not found');
    const { variables, ...workflowState } = run.flow.state;
    const { trigger, startedAt, endedAt, totalDurationMs } = head(run);
    return json(200, {
      executionId: run.id,
      workflowId: run.flowId,
      workflowState,
      executionMetadata: { trigger, startedAt, endedAt, totalDurationMs, cost: run.cost },
      limits: limits(),
    });
  };

  const usage = () => {
    const { workflowExecutionRateLimit: rate, usage: used } = limits();
    const { isExceeded, ...period } = used;
    return json(200, {
      success: true,
      rateLimit: {
        sync: { isLimited: isExceeded, ...rate.sync },
        async: { isLimited: isExceeded, ...rate.async },
        authType: 'api',
      },
      usage: period,
      storage: { usedBytes: 0, limitBytes: 5_368_709_120, percentUsed: 0 },
    });
  };

  return [
    route('GET', '/api/v1/logs', 'v1', list),
    route('GET', '/api/v1/logs/:id', 'v1', read),
    route('GET', '/api/v1/logs/executions/:executionId', 'v1', execution),
    route('GET', '/api/users/me/usage-limits', 'execute', usage),
  ];
}

module.exports = { logRoutes };
