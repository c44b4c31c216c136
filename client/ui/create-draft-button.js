// A button that makes a draft in Sim, and what became of it beside the button.

import { createElement as h, useRef, useState } from 'react';

import { useSim } from './context.js';
import { ErrorNote } from './error-note.js';

/** @typedef {{flow: import('../index.js').CreatedFlow | null, error: import('../index.js').SimError | null}} Outcome */

/** @param {import('../react.js').CreateDraftButtonProps} props */
export function CreateDraftButton({ draft, onCreated, className = 'sim-button', children }) {
  const { client, t, locale } = useSim();
  const [busy, setBusy] = useState(false);
  const [{ flow, error }, setOutcome] = useState(/** @returns {Outcome} */ () => ({ flow: null, error: null }));
  // Two clicks may come before the state of the first one is drawn, and each would make a draft.
  const working = useRef(false);

  async function create() {
    if (working.current) return;
    working.current = true;
    setBusy(true);
    setOutcome({ flow: null, error: null });
    try {
      const flow = await client.createFlow(typeof draft === 'function' ? draft() : draft);
      setOutcome({ flow, error: null });
      onCreated?.(flow);
    } catch (error) {
      setOutcome({ flow: null, error: /** @type {import('../index.js').SimError} */ (error) });
    } finally {
      working.current = false;
      setBusy(false);
    }
  }

  return h(
    'div',
    { className: 'sim sim-draft', lang: locale },
    h(
      'button',
      { type: 'button', className, 'aria-disabled': busy, onClick: create },
      busy ? t.creating : (children ?? t.createDraft),
    ),
    h(
      'p',
      { role: 'status' },
      flow && t.created(flow.name),
      flow?.url && ' ',
      flow?.url && h('a', { href: flow.url, target: '_blank', rel: 'noopener noreferrer' }, t.openInSim),
    ),
    error && h(ErrorNote, { error }),
  );
}
