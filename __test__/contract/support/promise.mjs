// What the HTTP contract promises of an answer of Sim's: the same values in one vocabulary, for each generation. A second
// reading, written apart from the adapter's own.

const whole = (number) => (typeof number === 'number' ? Math.round(number) : null);

function withoutLinks(value) {
  if (Array.isArray(value)) return value.map(withoutLinks);
  if (typeof value !== 'object' || value === null) return value ?? null;
  const kept = Object.entries(value).filter(([key]) => key !== '_resume');
  return Object.fromEntries(kept.map(([key, member]) => [key, withoutLinks(member)]));
}

const pause = (paused) =>
  paused && {
    contextId: paused.contextId,
    kind: paused.pauseKind,
    pausedAt: paused.pausedAt,
    resumeAt: paused.resumeAt,
  };

function runError(error) {
  if (typeof error === 'string') return { message: error, code: null };
  if (!error) return null;
  const { message, code, blockId, blockName } = error;
  return { message, code, ...(blockId && { blockId }), ...(blockName && { blockName }) };
}

const common = ({ status, startedAt, endedAt, cost, error, paused }) => ({
  status: status === 'redacting' ? 'running' : status,
  startedAt: startedAt ?? null,
  endedAt: endedAt ?? null,
  error: runError(error),
  cost: cost ?? null,
  paused: pause(paused) ?? null,
});

const queued = { ...common({ status: 'queued' }), durationMs: null, output: null };

const v2Run = ({ data }) => ({
  ...common(data),
  durationMs: whole(data.durationMs),
  output: withoutLinks(data.output),
});

const v1Run = (body) => ({
  ...common(body),
  durationMs: whole(body.totalDurationMs),
  output: withoutLinks(body.finalOutput),
});

function v1Resumed({ status = 'queued', output, error, metadata = {} }) {
  const { startTime, endTime, duration } = metadata;
  const word = status === 'started' ? 'running' : status;
  const timed = common({ status: word, error, startedAt: startTime, endedAt: endTime });
  return { ...timed, durationMs: whole(duration), output: withoutLinks(output) };
}

const flow = ({ id, name, description, isDeployed, deployed }) => ({
  id,
  name,
  description: description || null,
  deployed: isDeployed ?? deployed,
});

const detail = (data) => ({ ...flow(data), inputs: data.inputs.map(({ name, type }) => ({ name, type })) });
const created = ({ id, name }) => ({ id, name, url: null });
const page = (list) => ({ flows: list.map(flow).filter(({ deployed }) => deployed), nextCursor: null });

/** For each generation and operation, what `run`, `flow` or the list must be, given Sim's answer. */
export const promised = {
  v2: {
    listFlows: ({ data }) => page(data),
    getFlow: ({ data }) => ({ flow: detail(data) }),
    createFlow: ({ data }) => ({ flow: created(data) }),
    importFlow: ({ data }) => ({ flow: created(data) }),
    readRun: (body) => ({ run: v2Run(body) }),
    resume: (body) => ({ run: body.data.status === undefined ? queued : v2Run(body) }),
  },
  v1: {
    listFlows: ({ data }) => page(data),
    getFlow: ({ data }) => ({ flow: detail(data) }),
    importFlow: ({ data }) => ({ flow: created(data) }),
    readRun: (body) => ({ run: v1Run(body) }),
    resume: (body) => ({ run: v1Resumed(body) }),
  },
  flows: {
    listFlows: ({ flows }) => page(flows),
    getFlow: (body) => ({ flow: detail(body.flow) }),
    createFlow: (body) => ({ flow: created(body.flow) }),
    readRun: ({ status, startedAt, endedAt, output, error }) => ({
      run: { ...common({ status, startedAt, endedAt, error }), durationMs: null, output: output ?? null },
    }),
  },
};
