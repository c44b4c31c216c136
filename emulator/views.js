'use strict';

/**
 * How a run reads in each API generation: plain values, ready to be written as JSON. Views only; nothing changes here.
 */

const { selectOutputs } = require('./stream');

const iso = (date) => (date === null ? null : date.toISOString());

/** The user that every run is billed to. */
const USER_ID = 'emulatedUserEmulatedUserEmulated';

/** A deployment attempt, in both generations. */
function attemptView({ id, deploymentVersionId, version, status, requestedAt, activatedAt }) {
  const ready = status === 'active' ? 'ready' : 'pending';
  return {
    id,
    deploymentVersionId,
    version,
    action: 'deploy',
    status,
    isCurrent: true,
    readiness: { webhooks: ready, schedules: ready, mcp: ready },
    requestedAt: iso(requestedAt),
    activatedAt: iso(activatedAt),
    error: null,
  };
}

/** The deployment that runs, in both generations; null when there is none. */
const activeView = (active) => active && { ...active, deployedAt: iso(active.deployedAt) };

/** What a paused run waits for; v1 also names the row of the pause. */
function pauseOf(run) {
  const open = run.status === 'paused' ? run.pauses.at(-1) : undefined;
  return open
    ? {
        contextId: open.contextId,
        pausedAt: iso(open.at),
        resumeAt: null,
        pauseKind: 'human',
        blockedOnBlockId: open.contextId,
        automaticResumeWaitingReason: null,
        pausePointCount: run.pauses.length,
        resumedCount: run.pauses.filter(({ resumed }) => resumed).length,
      }
    : null;
}

/** v1, GET .../executions/{executionId}. */
function executionView(run, { includeOutput, selectedOutputs }) {
  const paused = pauseOf(run);
  return {
    executionId: run.id,
    workflowId: run.flowId,
    status: run.status,
    trigger: 'api',
    level: run.status === 'failed' ? 'error' : 'info',
    startedAt: iso(run.startedAt),
    endedAt: iso(run.endedAt),
    totalDurationMs: run.durationMs,
    paused: paused && { ...paused, pausedExecutionId: run.pauseId },
    cost: run.cost,
    error: run.status === 'failed' ? run.error.full : null,
    finalOutput: includeOutput && run.status === 'completed' ? run.output : null,
    blockOutputs: selectedOutputs ? selectOutputs(run, selectedOutputs) : null,
  };
}

/** v2, one line of GET .../runs. */
function runListView(run) {
  return {
    runId: run.id,
    workflowId: run.flowId,
    // A list knows no queue: it calls a waiting run pending.
    status: run.status === 'queued' ? 'pending' : run.status,
    trigger: 'api',
    startedAt: iso(run.startedAt),
    endedAt: iso(run.endedAt),
    durationMs: run.durationMs,
    cost: run.cost,
  };
}

/** v2, GET .../runs/{runId}; read back from the log, an error has lost its block. */
function runView(run, { includeOutput, selectedOutputs }) {
  const code = run.error?.code === 'BLOCK_EXECUTION_FAILED' ? 'EXECUTION_FAILED' : run.error?.code;
  return {
    ...runListView(run),
    status: run.status,
    paused: pauseOf(run),
    error: run.status === 'failed' ? { message: run.error.full, code } : null,
    output: includeOutput && run.status === 'completed' ? run.output : null,
    blockOutputs: selectedOutputs ? selectOutputs(run, selectedOutputs) : null,
  };
}

/** v2, the answer of a synchronous execute or resume. */
function runResult(run) {
  const { message, code, block } = run.error ?? {};
  return {
    runId: run.id,
    workflowId: run.flowId,
    status: run.status,
    output: run.output,
    error: run.error && {
      message,
      code,
      ...(block && { blockId: block.id, blockName: block.name, blockType: block.type }),
    },
    startedAt: iso(run.startedAt),
    endedAt: iso(run.endedAt),
    durationMs: run.durationMs,
  };
}

const timing = (run) => ({ duration: run.durationMs, startTime: iso(run.startedAt), endTime: iso(run.endedAt) });

const JOB_STATUS = { queued: 'pending', running: 'processing', paused: 'completed' };

const jobIdOf = (run) => `${run.parent ? 'resume-execution' : 'workflow-execution'}:${run.id}`;

/** Where a run came from, as logs and jobs tell it. */
function correlationOf(run) {
  return {
    source: 'workflow',
    requestId: run.requestId,
    workflowId: run.flowId,
    executionId: run.id,
    triggerType: run.parent ? 'resume' : 'api',
  };
}

/** v1, GET /api/jobs/{jobId}: a pause reads as completed there. */
function jobView(run, workspaceId) {
  const status = JOB_STATUS[run.status] ?? run.status;
  const errors = { failed: run.error?.full, cancelled: 'Cancelled' };
  return {
    success: true,
    taskId: jobIdOf(run),
    status,
    metadata: { userId: USER_ID, workflowId: run.flowId, correlation: correlationOf(run), workspaceId },
    output:
      status === 'completed'
        ? {
            output: run.output,
            success: true,
            executedAt: iso(run.endedAt),
            workflowId: run.flowId,
            executionId: run.id,
          }
        : null,
    ...(errors[status] && { error: errors[status] }),
  };
}

function billing(workspaceId) {
  return {
    actorUserId: USER_ID,
    workspaceId,
    billingEntity: { id: USER_ID, type: 'user' },
    billingPeriod: { end: '9999-12-31T00:00:00.000Z', start: '1970-01-01T00:00:00.000Z', source: 'default' },
    organizationId: null,
    payerSubscription: null,
    billedAccountUserId: USER_ID,
  };
}

/** v1, one of GET .../paused. */
function pausedView(run, workspaceId) {
  const open = run.pauses.at(-1);
  return {
    id: run.pauseId,
    workflowId: run.flowId,
    executionId: run.id,
    status: run.status === 'paused' ? 'paused' : run.status === 'cancelled' ? 'cancelled' : 'fully_resumed',
    totalPauseCount: run.pauses.length,
    resumedCount: run.pauses.filter(({ resumed }) => resumed).length,
    pausedAt: iso(open.at),
    updatedAt: iso(open.at),
    expiresAt: null,
    metadata: {
      pauseScope: 'execution',
      triggerIds: [],
      workspaceId,
      executorUserId: USER_ID,
      billingAttribution: billing(workspaceId),
    },
    triggerIds: [],
    pausePoints: run.pauses.map((pause) => ({
      contextId: pause.contextId,
      blockId: pause.contextId,
      response: pause.output,
      registeredAt: iso(pause.at),
      resumeStatus: pause.resumed ? 'resumed' : 'paused',
      snapshotReady: true,
      resumeLinks: pause.links,
      pauseKind: 'human',
      queuePosition: null,
      latestResumeEntry: null,
    })),
  };
}

/** v1, the same with the execution's snapshot: what a gateway must never hand on. */
function pausedDetailView(run, workspaceId) {
  const snapshot = JSON.stringify({ workflow: run.flow.state, input: run.input });
  return { ...pausedView(run, workspaceId), executionSnapshot: { snapshot, triggerIds: [] }, queue: [] };
}

module.exports = {
  USER_ID,
  activeView,
  attemptView,
  billing,
  correlationOf,
  executionView,
  iso,
  jobIdOf,
  jobView,
  pausedDetailView,
  pausedView,
  runListView,
  runResult,
  runView,
  timing,
};
