// What is to be seen of a run, made up from its events one by one. Pure: no time, no network, no framework.

import { isFinal } from './events.js';

/** @typedef {import('./index.js').RunView} RunView */
/** @typedef {import('./index.js').BlockView} BlockView */

/** @type {RunView} */
export const EMPTY = { run: null, startedAt: null, blocks: [], connection: 'closed', busy: null, error: null };

/**
 * @param {BlockView[]} blocks
 * @param {string} id
 * @param {(block: BlockView) => Partial<BlockView>} change
 */
function withBlock(blocks, id, change) {
  const known = blocks.find((block) => block.id === id);
  const block = known ?? { id, text: '', thinking: '', tools: [], error: null };
  const changed = { ...block, ...change(block) };
  return known ? blocks.map((one) => (one === known ? changed : one)) : [...blocks, changed];
}

/**
 * A tool that began is listed; one that ended keeps its place.
 *
 * @param {BlockView['tools']} tools
 * @param {BlockView['tools'][number]} tool
 */
function withTool(tools, tool) {
  return tools.some(({ id }) => id === tool.id)
    ? tools.map((one) => (one.id === tool.id ? tool : one))
    : [...tools, tool];
}

/**
 * What a pause asks. Not every word of the same pause repeats it.
 *
 * @param {RunView['run']} before
 * @param {import('./index.js').Run} run
 */
function withQuestion(before, run) {
  const asked = before && 'output' in before && before.paused?.contextId === run.paused?.contextId;
  return run.status === 'paused' && asked ? { ...run, output: run.output ?? before.output } : run;
}

/**
 * News of the run. One that has ended stays ended: an older word may arrive late.
 *
 * @param {RunView} view
 * @param {import('./index.js').Run | import('./index.js').RunReceipt} run
 * @returns {RunView}
 */
export function withRun(view, run) {
  if (view.run?.id === run.id && isFinal(view.run.status) && !isFinal(run.status)) return view;
  return { ...view, run: 'output' in run ? withQuestion(view.run, run) : run };
}

/**
 * @param {RunView} view
 * @param {import('./index.js').RunEvent} event
 * @returns {RunView}
 */
export function apply(view, event) {
  const inBlock = (/** @type {string} */ id, /** @type {(block: BlockView) => Partial<BlockView>} */ change) => ({
    ...view,
    blocks: withBlock(view.blocks, id, change),
  });
  switch (event.type) {
    case 'run':
    case 'status':
    case 'final':
      return withRun(view, event.run);
    case 'chunk':
      return inBlock(event.blockId, ({ text }) => ({ text: text + event.chunk }));
    case 'reset':
      return inBlock(event.blockId, () => ({ text: '' }));
    case 'thinking':
      return inBlock(event.blockId, ({ thinking }) => ({ thinking: thinking + event.data }));
    case 'tool': {
      const { id, name, phase, status = null } = event;
      return inBlock(event.blockId, ({ tools }) => ({ tools: withTool(tools, { id, name, phase, status }) }));
    }
    case 'error':
      return inBlock(event.blockId, () => ({ error: event.message }));
    case 'connection':
      return { ...view, connection: event.state };
    default:
      // A newer server may say more than this version knows.
      return view;
  }
}
