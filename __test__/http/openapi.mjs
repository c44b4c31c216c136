// docs/openapi.json, as something to hold answers and events against. It must not know the adapter.

import { readFileSync } from 'node:fs';
import Ajv2020 from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { expect } from 'vitest';

export const openapi = JSON.parse(readFileSync(new URL('../../docs/openapi.json', import.meta.url), 'utf8'));

const DOCUMENT = 'router';

/** Strict about keywords and formats: what a schema says must be understood. */
function compiler(options) {
  const ajv = addFormats(new Ajv2020({ strict: true, strictTypes: false, strictRequired: false, ...options }));
  ajv.addVocabulary(Object.keys(openapi));
  return ajv.addSchema(openapi, DOCUMENT);
}
const values = compiler({ allErrors: true });
/** A header is text, also where it has to be a number. */
const texts = compiler({ allErrors: true, coerceTypes: true });

/** Headers that concern HTTP and its caches, or that Node and Express add by themselves. */
const NOT_OURS = new Set(
  (
    'cache-control connection content-encoding content-length content-type date etag keep-alive transfer-encoding vary ' +
    'x-accel-buffering x-powered-by'
  ).split(' '),
);

const templates = Object.keys(openapi.paths).map((path) => ({
  path,
  // A name wins over a placeholder: /flows/create is no flow.
  pattern: new RegExp(`^${path.replace(/\{\w+\}/g, '[^/]+')}/?$`),
  placeholders: path.split('{').length,
}));
templates.sort((a, b) => a.placeholders - b.placeholders);

const pointer = (...parts) =>
  `#/${parts.map((part) => encodeURIComponent(part.replace(/~/g, '~0').replace(/\//g, '~1'))).join('/')}`;

/** What a pointer points to, through as many references as there are, and where that is. */
function resolve(at) {
  const parts = at.slice(2).split('/').map(decodeURIComponent);
  const found = parts.reduce((value, part) => value[part.replace(/~1/g, '/').replace(/~0/g, '~')], openapi);
  return found.$ref === undefined ? { at, found } : resolve(found.$ref);
}

/** Where a request's operation is described; nothing for what is no route. */
function operationAt(method, url) {
  const [pathname] = url.split('?');
  const verb = method.toLowerCase();
  const one = templates.find(({ path, pattern }) => pattern.test(pathname) && openapi.paths[path][verb]);
  return one && pointer('paths', one.path, verb);
}

/** Where the answer of that status is described. */
function responseAt(operation, status) {
  const { responses } = resolve(operation).found;
  const key = [String(status), `${Math.trunc(status / 100)}XX`].find((name) => responses[name]);
  return key && resolve(`${operation}/responses/${key}`);
}

function faults(ajv, at, value, where) {
  const validate = ajv.getSchema(DOCUMENT + at);
  if (validate(value)) return [];
  return validate.errors.map(
    ({ instancePath, message, params }) => `${where}${instancePath} ${message} ${JSON.stringify(params)}`,
  );
}

function headerFaults({ at, found }, headers) {
  const declared = Object.keys(found.headers);
  const stray = [...headers.keys()].filter(
    (name) => !NOT_OURS.has(name) && !declared.some((one) => one.toLowerCase() === name),
  );
  const wrong = declared.flatMap((name) => {
    const header = resolve(`${at}/headers/${name}`);
    const value = headers.get(name);
    if (value === null) return header.found.required ? [`the header ${name} is missing`] : [];
    return faults(texts, `${header.at}/schema`, value, name);
  });
  return [...stray.map((name) => `the header ${name} is not documented`), ...wrong];
}

const typeOf = (headers) => headers.get('content-type')?.split(';')[0];

/**
 * What is wrong with an answer `{status, headers, json}`, in words; empty when it is as documented. What is a stream has no
 * `json`: its events have `eventFaults`.
 */
export function answerFaults(method, url, { status, headers, json }) {
  const operation = operationAt(method, url);
  if (operation === undefined) {
    if (status !== 404 && status !== 401) return [`${method} ${url} is no route, and was answered ${status}`];
    return faults(values, '#/components/schemas/Error', json, 'body');
  }
  const response = responseAt(operation, status);
  if (response === undefined) return [`${status} is not documented for ${method} ${url}`];
  const type = typeOf(headers);
  if (response.found.content[type] === undefined) return [`${status} of ${method} ${url} may not be ${type}`];
  const body =
    type === 'application/json' ? faults(values, `${response.at}/${content(type)}/schema`, json, 'body') : [];
  return [...headerFaults(response, headers), ...body];
}

const content = (type) => pointer('content', type).slice(2);

/** What is wrong with one event `{event, id, data}` of a route's stream. */
export function eventFaults(method, url, event) {
  const { at } = responseAt(operationAt(method, url), 200);
  return faults(values, `${at}/${content('text/event-stream')}/schema/contentSchema/items`, event, 'event');
}

/** Gives an answer back that is as documented; fails with one that is not. */
export function checked(method, url, answer) {
  expect(answerFaults(method, url, answer), `${method} ${url}`).toEqual([]);
  return answer;
}

/** The same for one event of a stream. */
export function checkedEvent(method, url, event) {
  expect(eventFaults(method, url, event), JSON.stringify(event).slice(0, 1000)).toEqual([]);
  return event;
}
