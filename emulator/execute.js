'use strict';

/**
 * Walks a workflow's blocks along its edges, one after another, until the end, a pause or a failure.
 * It holds no state of its own: what a resume needs is in the answer. It knows nothing of HTTP.
 */

const { BlockFailure, runBlock } = require('./blocks');
const { isStart } = require('./document');
const { normalise } = require('./references');

/** Blocks in the order of their edges, from the start block; blocks that it cannot reach do not run. */
function orderOf(state) {
  const next = (id) => state.edges.filter((edge) => edge.source === id).map((edge) => edge.target);
  const begin = Object.values(state.blocks).find(isStart) ?? Object.values(state.blocks)[0];
  const reached = new Set(begin ? [begin.id] : []);
  for (const id of reached) {
    for (const target of next(id)) {
      reached.add(target);
    }
  }
  const waiting = new Map([...reached].map((id) => [id, 0]));
  for (const edge of state.edges) {
    if (reached.has(edge.source)) {
      waiting.set(edge.target, waiting.get(edge.target) + 1);
    }
  }
  const ready = begin ? [begin.id] : [];
  const order = [];
  while (ready.length > 0) {
    const id = ready.shift();
    order.push(state.blocks[id]);
    for (const target of next(id)) {
      waiting.set(target, waiting.get(target) - 1);
      if (waiting.get(target) === 0) {
        ready.push(target);
      }
    }
  }
  return order.filter((block) => block && block.enabled !== false);
}

/** Whether the document leads on from a block that fails. */
const goesOnAfterError = (state, { id }) =>
  state.edges.some(({ source, sourceHandle }) => source === id && sourceHandle === 'error');

function span(block, startedAt, input, output) {
  return { block, startedAt, endedAt: new Date(), input, output };
}

const settingsOf = (block) =>
  Object.fromEntries(Object.entries(block.subBlocks ?? {}).map(([key, { value }]) => [key, value]));

/**
 * Runs `state` on `input`.
 *
 * `memory` is what an earlier part of the run left behind: outputs by block id, and where to go on.
 * `emit(frame)` gets what blocks say while they run; `sleep(ms)` rejects when the run is cancelled, as `signal` says.
 * Answers `{end: 'completed', output}`, `{end: 'paused', block, memory}` or `{end: 'failed', block, message}`, each
 * with `spans` (what ran, when, with which output) and `byId` (outputs).
 */
async function execute(state, input, { emit, sleep, pace, signal, memory = { byId: {}, after: null, answer: null } }) {
  const order = orderOf(state);
  const byId = { ...memory.byId };
  const outputs = new Map();
  const remember = (block, output) => {
    byId[block.id] = output;
    outputs.set(normalise(block.name), output);
    if (isStart(block)) {
      outputs.set('start', output);
    }
  };
  for (const block of order.filter(({ id }) => id in byId)) {
    remember(block, byId[block.id]);
  }
  const spans = [];
  let output = input;
  let first = 0;
  if (memory.after !== null) {
    first = order.findIndex(({ id }) => id === memory.after) + 1;
    output = { ...memory.answer };
    remember(order[first - 1], output);
  }
  for (const block of order.slice(first)) {
    const startedAt = new Date();
    if (block.type === 'human_in_the_loop') {
      spans.push(span(block, startedAt, settingsOf(block), {}));
      return { end: 'paused', block, outputs, byId, spans };
    }
    try {
      output = await runBlock(block, { input, outputs, emit, sleep, pace, signal });
    } catch (error) {
      if (!(error instanceof BlockFailure)) {
        throw error;
      }
      output = { error: error.message };
      spans.push(span(block, startedAt, settingsOf(block), output));
      if (goesOnAfterError(state, block)) {
        remember(block, output);
        continue;
      }
      return { end: 'failed', block, message: error.message, byId, spans };
    }
    remember(block, output);
    spans.push(span(block, startedAt, settingsOf(block), output));
  }
  return { end: 'completed', output, byId, spans, last: order.at(-1) };
}

module.exports = { execute };
