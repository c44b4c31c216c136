// A form's fields made from what a flow or a pause asks for, and what was filled in, as JSON. It knows no run.

import { createElement as h, useId } from 'react';

import { useSim } from './context.js';

/** @typedef {import('../index.js').Field} Field */
/** @typedef {Record<string, string>} Problems by field name */

/** Sim's types whose value is written as JSON. */
const isJson = (/** @type {string} */ type) => !['string', 'number', 'boolean'].includes(type);

/** Field names are the flow author's and may be anything: in the form they are numbered. */
const nameOf = (/** @type {number} */ index) => `field-${index}`;

/** @param {{field: Field, name: string, id: string, problem: string | undefined}} props */
function Control({ field, name, id, problem }) {
  const common = {
    id,
    name,
    className: 'sim-input',
    required: field.required === true,
    'aria-invalid': problem ? true : undefined,
    'aria-describedby': problem ? `${id}-problem` : undefined,
  };
  if (field.type === 'number') return h('input', { ...common, type: 'number', step: 'any' });
  return h('textarea', { ...common, rows: isJson(field.type) ? 3 : 2, spellCheck: !isJson(field.type) });
}

/** @param {{field: Field, name: string, id: string}} props */
function YesOrNo({ field, name, id }) {
  const { t } = useSim();
  const choice = (/** @type {string} */ value, /** @type {string} */ label) =>
    h(
      'label',
      { className: 'sim-choice', key: value },
      h('input', { type: 'radio', name, value, required: field.required === true }),
      label,
    );
  return h(
    'fieldset',
    { id, className: 'sim-field' },
    h('legend', { className: 'sim-label' }, field.label ?? field.name),
    choice('true', t.yes),
    choice('false', t.no),
  );
}

/** @param {{fields: Field[], problems: Problems}} props */
export function Fields({ fields, problems }) {
  const form = useId();
  return fields.map((field, index) => {
    const id = `${form}-${index}`;
    const name = nameOf(index);
    if (field.type === 'boolean') return h(YesOrNo, { key: id, field, name, id });
    const problem = problems[field.name];
    return h(
      'div',
      { className: 'sim-field', key: id },
      h('label', { className: 'sim-label', htmlFor: id }, field.label ?? field.name),
      h(Control, { field, name, id, problem }),
      problem && h('p', { id: `${id}-problem`, className: 'sim-problem' }, problem),
    );
  });
}

/**
 * What was filled in. Fields that were left empty are left out, unless they are text that has to be there.
 *
 * @param {HTMLFormElement} form
 * @param {Field[]} fields
 * @param {string} notJson what to say of a field that is no JSON
 */
export function readFields(form, fields, notJson) {
  const data = new FormData(form);
  /** @type {Record<string, unknown>} */
  const input = {};
  /** @type {Problems} */
  const problems = {};
  fields.forEach(({ name, type }, index) => {
    const text = String(data.get(nameOf(index)) ?? '');
    if (text === '') return;
    if (type === 'string') input[name] = text;
    else if (type === 'number') input[name] = Number(text);
    else {
      try {
        input[name] = JSON.parse(text);
      } catch {
        problems[name] = notJson;
      }
    }
  });
  const bad = fields.findIndex(({ name }) => name in problems);
  if (bad !== -1) /** @type {HTMLElement} */ (form.elements.namedItem(nameOf(bad))).focus();
  return { input, problems, isGood: bad === -1 };
}
