'use strict';

/**
 * The event stream of a run, frame by frame, as Sim gives it to API-key callers. It knows the run, not the socket.
 */

const { normalise, valueAt } = require('./references');

const frame = (value) => `data: ${JSON.stringify(value)}\n\n`;

/** Collects frames from the run and hands them on in order; ends when the run does. */
class FrameQueue {
  #frames = [];
  #wake = () => {};

  push(value) {
    this.#frames.push(value);
    this.#wake();
  }

  async *until(done) {
    let over = false;
    done.then(() => {
      over = true;
      this.#wake();
    });
    while (true) {
      while (this.#frames.length > 0) {
        yield this.#frames.shift();
      }
      if (over) {
        return;
      }
      await new Promise((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

/** `name.path` or `<block id>.path` or `<block id>_path`: the block, and the path in its output. */
function blockOf(state, selected) {
  const [head, ...path] = selected.split('.');
  const block = Object.values(state.blocks).find(({ id, name }) => id === head || normalise(name) === normalise(head));
  return block && { block, path };
}

/** The outputs that a caller selected, by block id; `{<id>: {result: ...}}` for `work.result`. */
function selectOutputs(run, selectedOutputs) {
  const chosen = {};
  for (const selected of selectedOutputs) {
    const found = blockOf(run.flow.state, selected);
    const output = found && run.byId[found.block.id];
    if (output === undefined) {
      continue;
    }
    const value = valueAt(output, found.path);
    const nested = found.path.reduceRight((inner, key) => ({ [key]: inner }), value);
    chosen[found.block.id] = found.path.length === 0 ? output : { ...chosen[found.block.id], ...nested };
  }
  return chosen;
}

/** Whether the caller asked for what this frame tells. */
function wanted(value, { state, selectedOutputs, includeThinking, includeToolCalls }) {
  if (value.event === 'thinking') {
    return includeThinking === true;
  }
  if (value.event === 'tool') {
    return includeToolCalls === true;
  }
  return !selectedOutputs || selectedOutputs.some((selected) => blockOf(state, selected)?.block.id === value.blockId);
}

function lastFrame(run, selectedOutputs) {
  if (run.error) {
    return { event: 'error', error: run.error.full };
  }
  if (run.status === 'paused') {
    return { event: 'final', data: { success: true, output: run.output, status: 'paused' } };
  }
  const output = selectedOutputs ? selectOutputs(run, selectedOutputs) : run.output;
  return { event: 'final', data: { success: true, output } };
}

/**
 * Frames of a run: what it says while it runs, the last frame, and the end mark (a JSON string, in quotes).
 * `asked` is `{selectedOutputs?, includeThinking?, includeToolCalls?}`.
 */
async function* framesOf(run, queue, asked) {
  for await (const value of queue.until(run.done)) {
    if (wanted(value, { state: run.flow.state, ...asked })) {
      yield frame(value);
    }
  }
  yield frame(lastFrame(run, asked.selectedOutputs));
  yield frame('[DONE]');
}

module.exports = { FrameQueue, framesOf, selectOutputs };
