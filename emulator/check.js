'use strict';

/**
 * Checks of what callers send: bodies, queries, cursors. Each fault is `{path, message}`, in the words of no API
 * generation. It knows nothing of workflows or runs.
 */

const ID = /^[A-Za-z0-9._:-]{1,128}$/;

const KINDS = {
  string: (value) => typeof value === 'string',
  boolean: (value) => typeof value === 'boolean',
  object: (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  integer: Number.isInteger,
  strings: (value) => Array.isArray(value) && value.every((item) => typeof item === 'string'),
  stringOrStrings: (value) => KINDS.string(value) || KINDS.strings(value),
  textOrObject: (value) => KINDS.string(value) || KINDS.object(value),
  list: Array.isArray,
  any: () => true,
};

const sizeOf = (value) => (typeof value === 'number' ? value : value.length);

function faultOf(value, { type, min, max, values, required, nullable }) {
  if (value === undefined) {
    return required ? 'Required' : null;
  }
  if (value === null && nullable) {
    return null;
  }
  if (!KINDS[type](value)) {
    return `Expected ${type}`;
  }
  if (min !== undefined && sizeOf(value) < min) {
    return `Must be at least ${min}`;
  }
  if (max !== undefined && sizeOf(value) > max) {
    return `Must be at most ${max}`;
  }
  return values && !values.includes(value) ? `Must be one of ${values.join(', ')}` : null;
}

/** Faults of a body against `{key: {type, min?, max?, values?, required?, nullable?}}`; `strict` refuses other keys. */
function checkBody(body, fields, { strict = false } = {}) {
  if (!KINDS.object(body)) {
    return [{ path: '', message: 'Expected object' }];
  }
  const faults = [];
  for (const [path, field] of Object.entries(fields)) {
    const message = faultOf(body[path], field);
    if (message) {
      faults.push({ path, message });
    }
  }
  for (const path of strict ? Object.keys(body) : []) {
    if (!Object.hasOwn(fields, path)) {
      faults.push({ path, message: 'Unrecognized key' });
    }
  }
  return faults;
}

/** Reads `limit`, `cursor` and required names of a query: `{faults, limit, offset}`. */
function checkPage(query, { required = [], most = 100, usual = 50 } = {}) {
  const faults = [];
  for (const [path, value] of query) {
    if (value === '') {
      faults.push({ path, message: 'Must not be empty' });
    }
  }
  for (const path of required) {
    if (!query.has(path)) {
      faults.push({ path, message: 'Required' });
    }
  }
  const limit = Number(query.get('limit') ?? usual);
  if (!Number.isInteger(limit) || limit < 1 || limit > most) {
    faults.push({ path: 'limit', message: `Must be between 1 and ${most}` });
  }
  const cursor = query.get('cursor');
  const after = cursor ? Buffer.from(cursor, 'base64url').toString() : null;
  return { faults, limit, after };
}

/** One page of a list, and the cursor of the next: null at the end. A cursor names the last item of its page. */
function pageOf(items, { limit, after }, idOf = ({ id }) => id) {
  const from = after === null ? 0 : items.findIndex((item) => idOf(item) === after) + 1;
  const page = items.slice(from, from + limit);
  const more = from + limit < items.length;
  return { page, nextCursor: more ? Buffer.from(String(idOf(page.at(-1)))).toString('base64url') : null };
}

/** Whether a caller may choose this text as a run id. */
const isRunId = (text) => ID.test(text);

module.exports = { checkBody, checkPage, pageOf, isRunId };
