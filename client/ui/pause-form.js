// What a paused run asks, and the form for the answer. It does not know how the answer gets there.

import { createElement as h, useState } from 'react';

import { useSim } from './context.js';
import { Fields, readFields } from './fields.js';

/** A run whose form is not known can still be answered, with any JSON object. */
const ANY = 'answer';

/** @param {any} output of the paused run */
function formOf(output) {
  const { inputFormat, responseStructure } = output?.data ?? {};
  return {
    fields: /** @type {import('../index.js').Field[] | null} */ (Array.isArray(inputFormat) ? inputFormat : null),
    shown: /** @type {{name: string, value: unknown}[]} */ (Array.isArray(responseStructure) ? responseStructure : []),
  };
}

/** @param {unknown} value */
const readable = (value) => (typeof value === 'string' ? value : JSON.stringify(value));

/** @param {{run: import('../index.js').Run, busy: boolean, onAnswer: (input: object) => void}} props */
export function PauseForm({ run, busy, onAnswer }) {
  const { t } = useSim();
  const [problems, setProblems] = useState(/** @type {import('./fields.js').Problems} */ ({}));
  const { fields, shown } = formOf(run.output);
  const asked = fields ?? [{ name: ANY, label: t.answer, type: 'object' }];

  /** @param {import('react').FormEvent<HTMLFormElement>} event */
  function submit(event) {
    event.preventDefault();
    if (busy) return;
    const { input, problems, isGood } = readFields(event.currentTarget, asked, t);
    setProblems(problems);
    if (isGood) onAnswer(fields === null ? /** @type {object} */ (input[ANY] ?? {}) : input);
  }

  return h(
    'form',
    { className: 'sim-form', onSubmit: submit, 'aria-label': t.question },
    h('p', { className: 'sim-label' }, t.question),
    shown.length > 0 &&
      h(
        'dl',
        { className: 'sim-asked' },
        shown.map(({ name, value }) => h('div', { key: name }, h('dt', null, name), h('dd', null, readable(value)))),
      ),
    h(Fields, { fields: asked, problems }),
    h('button', { type: 'submit', className: 'sim-button', 'aria-disabled': busy }, busy ? t.sending : t.send),
  );
}
