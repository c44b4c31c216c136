// What the emulator's tests share: starting one, calling it, and holding each v2 answer against Sim's own OpenAPI
// documents when they are at hand. It must not know what any single test is about.

import { existsSync, readFileSync } from 'node:fs';
import Ajv2020 from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { afterEach, expect } from 'vitest';
import { documents, startEmulator } from '../../emulator/index.js';

const shared = new URL('../../../shared/', import.meta.url);

export const recordings = new URL('sim-recorded/', shared);
export const haveRecordings = existsSync(recordings);
export const haveOpenApi = existsSync(new URL('sim-openapi/', shared));

const started = [];

afterEach(async () => {
  await Promise.all(started.splice(0).map((emulator) => emulator.close()));
});

/** An emulator that the end of the test closes. */
export async function start(options) {
  const emulator = await startEmulator(options);
  started.push(emulator);
  return emulator;
}

/** The same with one deployed flow for each named document, and those flows' ids. */
export async function startWith(names, options = {}) {
  const flows = names.map((name) => ({ name, document: documents[name] }));
  const emulator = await start({ flows, ...options });
  const id = Object.fromEntries(emulator.flows.map((flow) => [flow.name, flow.id]));
  return { emulator, id };
}

/** Sends one request; the answer is `{status, headers, text, json}`. */
export async function call(emulator, method, path, { body, headers = {}, key = emulator.apiKey, signal } = {}) {
  const response = await fetch(emulator.url + path, {
    method,
    headers: {
      ...(key === null ? {} : { 'x-api-key': key }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    body: body === undefined || typeof body === 'string' ? body : JSON.stringify(body),
    redirect: 'manual',
    signal,
  });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.startsWith('application/json') && text !== '';
  const json = isJson ? JSON.parse(text) : undefined;
  expectDocumented(method, path, response.status, json);
  return { status: response.status, headers: response.headers, text, json };
}

/** The frames of an event stream; the end mark is the string `[DONE]`. */
export function framesOf(text) {
  const frames = text.split('\n\n');
  expect(frames.pop()).toBe('');
  return frames.map((frame) => {
    expect(frame).toMatch(/^data: /);
    return JSON.parse(frame.slice('data: '.length));
  });
}

const openApi = haveOpenApi ? loadOpenApi() : null;

function loadOpenApi() {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  addFormats(ajv);
  const operations = [];
  for (const name of ['workflows', 'knowledge']) {
    const document = JSON.parse(readFileSync(new URL(`sim-openapi/openapi-v2-${name}.json`, shared), 'utf8'));
    ajv.addSchema({ ...document, $id: `sim:${name}` }, undefined, false, false);
    for (const [path, item] of Object.entries(document.paths)) {
      const pattern = new RegExp(`^${path.replace(/\{\w+\}/g, '[^/]+')}$`);
      operations.push({ name, path, pattern, item, document, literal: !path.includes('{') });
    }
  }
  // `/workflows/import` is also a `/workflows/{id}`: the literal path goes first.
  operations.sort((a, b) => b.literal - a.literal);
  return { ajv, operations, compiled: new Map() };
}

const pointer = (...parts) => parts.map((part) => `/${part.replace(/~/g, '~0').replace(/\//g, '~1')}`).join('');

function schemaPointer({ item, path, document }, verb, status) {
  const found = item[verb].responses[status];
  if (!found) {
    return null;
  }
  if (!found.$ref) {
    return pointer('paths', path, verb, 'responses', String(status), 'content', 'application/json', 'schema');
  }
  const name = found.$ref.split('/').at(-1);
  expect(document.components.responses[name]).toBeDefined();
  return pointer('components', 'responses', name, 'content', 'application/json', 'schema');
}

/** Which documented answers of v2 have been seen, as `GET /path 200`. */
export const documented = new Set();

/** Fails unless a v2 answer is the one that Sim documents for this operation and status. */
function expectDocumented(method, fullPath, status, json) {
  const path = fullPath.split('?')[0];
  if (openApi === null || !path.startsWith('/api/v2/') || json === undefined) {
    return;
  }
  const verb = method.toLowerCase();
  const operation = openApi.operations.find(({ pattern, item }) => pattern.test(path) && item[verb]);
  expect(operation, `${method} ${path} is an operation of Sim's`).toBeDefined();
  const at = schemaPointer(operation, verb, status);
  expect(at, `${method} ${operation.path} may answer ${status}`).not.toBeNull();
  const $ref = `sim:${operation.name}#${encodeURI(at)}`;
  const validate = openApi.compiled.get($ref) ?? openApi.ajv.compile({ $ref });
  openApi.compiled.set($ref, validate);
  validate(json);
  expect(validate.errors ?? [], `${method} ${operation.path} ${status}: ${JSON.stringify(json)}`).toEqual([]);
  documented.add(`${method} ${operation.path} ${status}`);
}
