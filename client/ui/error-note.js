// A failed call as a person reads it: what it means, and the request id to give to the operator.

import { createElement as h } from 'react';

import { useSim } from './context.js';

/** @param {import('../index.js').SimError} error @returns {string[]} */
function fieldsOf({ details }) {
  const fields = Array.isArray(details?.fields) ? details.fields : [];
  return fields.map((/** @type {{path: string, message: string}} */ { path, message }) => `${path}: ${message}`);
}

/** @param {{error: import('../index.js').SimError, children?: import('react').ReactNode}} props */
export function ErrorNote({ error, children }) {
  const { t } = useSim();
  const lines = fieldsOf(error);
  return h(
    'div',
    { className: 'sim-error', role: 'alert' },
    h('p', null, t.errors[error.code] ?? error.message),
    lines.length > 0 && h('ul', null, ...lines.map((line) => h('li', { key: line }, line))),
    error.retryAfterMs !== undefined && h('p', null, t.retryIn(Math.ceil(error.retryAfterMs / 1000))),
    h(
      'p',
      { className: 'sim-small' },
      h('code', null, error.code),
      error.requestId && h('span', null, ` · ${t.requestId} `, h('code', null, error.requestId)),
    ),
    children,
  );
}
