// Choose a flow, fill in what it asks for, start it. What starting means is its owner's affair.

import { createElement as h, useId, useState } from 'react';

import { useSim } from './context.js';
import { ErrorNote } from './error-note.js';
import { Fields, readFields } from './fields.js';
import { useFlow, useFlows } from './hooks.js';

/** @param {{error: import('../index.js').SimError, onRetry: () => void}} props */
function Failed({ error, onRetry }) {
  const { t } = useSim();
  const again = h('button', { type: 'button', className: 'sim-button sim-quiet', onClick: onRetry }, t.tryAgain);
  return h(ErrorNote, { error }, again);
}

/** @param {import('../react.js').FlowPickerProps} props */
export function FlowPicker({ onStart, busy = false }) {
  const { t, locale } = useSim();
  const id = useId();
  const [chosen, setChosen] = useState('');
  const [problems, setProblems] = useState(/** @type {import('./fields.js').Problems} */ ({}));
  const { flows, error, isLoading, reload, hasMore, loadMore } = useFlows();
  const picked = useFlow(chosen === '' ? null : chosen);
  const { flow } = picked;
  // A list that is read again begins with its first page: what was chosen from a later one stays.
  const listed = flow === null || flows.some((one) => one.id === flow.id) ? flows : [...flows, flow];

  /** @param {import('react').FormEvent<HTMLFormElement>} event */
  function submit(event) {
    event.preventDefault();
    if (busy || flow === null) return;
    const { input, problems, isGood } = readFields(event.currentTarget, flow.inputs, t);
    setProblems(problems);
    if (isGood) onStart(flow, input);
  }

  return h(
    'form',
    { className: 'sim sim-form', lang: locale, onSubmit: submit, 'aria-busy': isLoading || picked.isLoading },
    h('label', { className: 'sim-label', htmlFor: id }, t.flow),
    h(
      'select',
      {
        id,
        className: 'sim-input',
        value: chosen,
        required: true,
        onChange: (/** @type {import('react').ChangeEvent<HTMLSelectElement>} */ event) => {
          setChosen(event.target.value);
          setProblems({});
        },
      },
      h('option', { value: '' }, isLoading ? t.loading : t.chooseFlow),
      listed.map(({ id, name }) => h('option', { key: id, value: id }, name)),
    ),
    hasMore && h('button', { type: 'button', className: 'sim-button sim-quiet', onClick: loadMore }, t.moreFlows),
    !isLoading && !error && flows.length === 0 && h('p', { role: 'status' }, t.noFlows),
    error && h(Failed, { error, onRetry: reload }),
    picked.error && h(Failed, { error: picked.error, onRetry: picked.reload }),
    flow?.description && h('p', { className: 'sim-small' }, flow.description),
    flow && h(Fields, { key: flow.id, fields: flow.inputs, problems }),
    h(
      'button',
      { type: 'submit', className: 'sim-button', 'aria-disabled': busy || flow === null },
      busy ? t.starting : t.start,
    ),
  );
}
