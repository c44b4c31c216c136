// What a run has said and given: text per block while it comes, then the output. It knows no route and no button.

import { createElement as h } from 'react';

import { useSim } from './context.js';

/** More than this is not drawn: an output may have megabytes, and a chat message is no place for them. */
const SHOWN = 20_000;

/** @param {{text: string}} props */
function Shown({ text }) {
  const { t } = useSim();
  const rest = text.length - SHOWN;
  return h(
    'pre',
    { className: 'sim-text' },
    text.slice(0, SHOWN),
    rest > 0 && h('span', { className: 'sim-small' }, `\n${t.moreCharacters(rest)}`),
  );
}

/** @param {{tool: import('../index.js').BlockView['tools'][number]}} props */
function Tool({ tool: { name, phase, status } }) {
  const { t } = useSim();
  const ended = status === null || status === 'success' ? t.toolDone : status;
  return h('li', { 'data-phase': phase }, h('code', null, name), ` – ${phase === 'start' ? t.toolRunning : ended}`);
}

/** @param {{block: import('../index.js').BlockView, number: number, only: boolean}} props */
function Block({ block, number, only }) {
  const { t } = useSim();
  return h(
    'li',
    { className: 'sim-block' },
    !only && h('p', { className: 'sim-small' }, t.block(number)),
    block.thinking &&
      h('details', { className: 'sim-thinking' }, h('summary', null, t.thinking), h(Shown, { text: block.thinking })),
    block.tools.length > 0 &&
      h(
        'ul',
        { className: 'sim-tools' },
        block.tools.map((tool) => h(Tool, { key: tool.id, tool })),
      ),
    block.text && h(Shown, { text: block.text }),
    block.error && h('p', { className: 'sim-problem' }, block.error),
  );
}

/** The blocks that have spoken. @param {{blocks: import('../index.js').BlockView[]}} props */
export function Blocks({ blocks }) {
  if (blocks.length === 0) return null;
  const one = (/** @type {import('../index.js').BlockView} */ block, /** @type {number} */ index) =>
    h(Block, { key: block.id, block, number: index + 1, only: blocks.length === 1 });
  return h('ol', { className: 'sim-blocks' }, blocks.map(one));
}

/** @param {unknown} output @returns {string} */
function textOf(output) {
  if (typeof output === 'string') return output;
  const content = /** @type {any} */ (output)?.content;
  return typeof content === 'string' ? content : JSON.stringify(output, null, 2);
}

/**
 * What came out. When it has been read while it came, it is there for whoever wants to unfold it.
 *
 * @param {{output: unknown, folded: boolean}} props
 */
export function Output({ output, folded }) {
  const { t } = useSim();
  if (output === null || output === undefined) return null;
  if (!folded) return h('div', null, h('p', { className: 'sim-label' }, t.output), h(Shown, { text: textOf(output) }));
  return h('details', null, h('summary', null, t.output), h(Shown, { text: JSON.stringify(output, null, 2) }));
}
