// A failed call as a person reads it: what it means, and the request id to give to the operator.

import { createElement as h } from 'react';

import { useSim } from './context.js';

/** @param {unknown} details of an `invalid_request` @returns {string[]} */
function fieldsOf(details) {
  const { fields = [] } = /** @type {{fields?: {path: string, message: string}[]}} */ (details ?? {});
  return fields.map(({ path, message }) => `${path}: ${message}`);
}

/** @param {{error: import('../index.js').SimError, children?: import('react').ReactNode}} props */
export function ErrorNote({ error, children }) {
  const { t } = useSim();
  const lines = fieldsOf(error.details);
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
