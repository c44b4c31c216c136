// A form's fields made from what a flow or a pause asks for, and what was filled in, as JSON. It knows no run.

import { createElement as h, useId } from 'react';

import { useSim } from './context.js';

/** @typedef {import('../index.js').Field} Field */
/** @typedef {Record<number, string>} Problems by the field's place in the list */

/** Sim's types whose value is written as JSON. Whatever is neither that nor a number nor a choice is text, as in Sim. */
const isJson = (/** @type {string | undefined} */ type) =>
  type === 'object' || type === 'array' || type === 'files' || type?.endsWith('[]') === true;

/** Field names are the flow author's and may be anything: in the form they are numbered. */
const nameOf = (/** @type {number} */ index) => `field-${index}`;

/** What the author of the field filled in, as it would be typed. @param {Field} field */
function initialOf({ value }) {
  if (value === undefined || value === null) return '';
  return typeof value === 'object' ? JSON.stringify(value, null, 2) : String(value);
}

/** @param {{field: Field, name: string, id: string, problem: string | undefined}} props */
function Control({ field, name, id, problem }) {
  const common = {
    id,
    name,
    className: 'sim-input',
    required: field.required === true,
    defaultValue: initialOf(field),
    'aria-invalid': problem ? true : undefined,
    'aria-describedby': problem ? `${id}-problem` : undefined,
  };
  if (field.type === 'number') return h('input', { ...common, type: 'number', step: 'any' });
  return h('textarea', { ...common, rows: isJson(field.type) ? 3 : 2, spellCheck: !isJson(field.type) });
}

/** @param {{field: Field, name: string, id: string}} props */
function YesOrNo({ field, name, id }) {
  const { t } = useSim();
  const initial = initialOf(field);
  const choice = (/** @type {string} */ value, /** @type {string} */ label) =>
    h(
      'label',
      { className: 'sim-choice', key: value },
      h('input', {
        type: 'radio',
        name,
        value,
        defaultChecked: value === initial,
        required: field.required === true,
      }),
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
    const problem = problems[index];
    return h(
      'div',
      { className: 'sim-field', key: id },
      h('label', { className: 'sim-label', htmlFor: id }, field.label ?? field.name),
      h(Control, { field, name, id, problem }),
      problem && h('p', { id: `${id}-problem`, className: 'sim-problem' }, problem),
    );
  });
}

/** @param {unknown} value */
const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * One field as it was typed.
 *
 * @param {Field} field
 * @param {string} text
 * @param {import('./words.js').Texts} t
 * @returns {{value?: unknown, problem?: string}} neither of them for a field that was left blank
 */
function readField({ type, required }, text, t) {
  if (text.trim() === '') return required ? { problem: t.required } : {};
  if (type === 'number') return { value: Number(text) };
  if (type === 'boolean') return { value: text === 'true' };
  if (!isJson(type)) return { value: text };
  try {
    const value = JSON.parse(text);
    return type === 'object' && !isObject(value) ? { problem: t.notObject } : { value };
  } catch {
    return { problem: t.notJson };
  }
}

/**
 * What was filled in; the first field with a problem gets the focus. A field that was left blank is left out, as on Sim's
 * own page, and is a problem where something has to be.
 *
 * @param {HTMLFormElement} form
 * @param {Field[]} fields
 * @param {import('./words.js').Texts} t
 */
export function readFields(form, fields, t) {
  const data = new FormData(form);
  /** @type {[string, unknown][]} */
  const input = [];
  /** @type {Problems} */
  const problems = {};
  fields.forEach((field, index) => {
    const { value, problem } = readField(field, String(data.get(nameOf(index)) ?? ''), t);
    if (problem !== undefined) problems[index] = problem;
    else if (value !== undefined) input.push([field.name, value]);
  });
  const [bad] = Object.keys(problems);
  if (bad !== undefined) /** @type {HTMLElement} */ (form.elements.namedItem(nameOf(Number(bad)))).focus();
  return { input: Object.fromEntries(input), problems, isGood: bad === undefined };
}
