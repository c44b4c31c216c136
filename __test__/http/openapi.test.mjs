// The document of the routes is a valid one, and covers what the router really serves. (That each answer and event of the
// tests is as documented, the tests' calls check by themselves: `checked` in openapi.mjs.)

import { readFileSync } from 'node:fs';
import { Validator } from '@seriousme/openapi-schema-validator';
import { expect, test } from 'vitest';

import { answerFaults, eventFaults, openapi } from './openapi.mjs';
import { startAll } from './support.mjs';

test('the document is OpenAPI 3.1, and all that it refers to is there', async () => {
  const validator = new Validator();
  expect(await validator.validate(structuredClone(openapi))).toEqual({ valid: true });
  expect(validator.version).toBe('3.1');
  expect(() => validator.resolveRefs()).not.toThrow();
});

test('each of its operations has a name of its own, and the parameters of its path', () => {
  const operations = Object.entries(openapi.paths).flatMap(([path, methods]) =>
    Object.values(methods).map((operation) => ({ path, ...operation })),
  );
  const ids = operations.map(({ operationId }) => operationId);
  expect(new Set(ids).size).toBe(ids.length);
  for (const { path, parameters = [] } of operations) {
    const named = parameters.map(({ $ref }) => openapi.components.parameters[$ref.split('/').at(-1)]);
    const inPath = named.filter((one) => one.in === 'path').map(({ name }) => name);
    expect(inPath, path).toEqual([...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name));
  }
});

test('every documented operation is a route, and none needs more than a sign-in to be one', async () => {
  const { call } = await startAll(['echo']);
  for (const [path, methods] of Object.entries(openapi.paths)) {
    for (const method of Object.keys(methods)) {
      const url = path.replace('{flowId}', 'echo').replace('{runId}', 'no-handle');
      const { json } = await call(method.toUpperCase(), url, { body: method === 'post' ? '{"stray":1}' : undefined });
      expect(json.error?.message, `${method} ${path}`).not.toBe('there is no such route');
    }
  }
});

test('every error code of the package is documented, and no other', () => {
  const source = readFileSync(new URL('../../src/error.rs', import.meta.url), 'utf8');
  const ours = [...source.matchAll(/^ {4}\w+ = "(\w+)", \d+;$/gm)].map(([, code]) => code);
  const documented = [...JSON.stringify(openapi).matchAll(/"enum":\["([a-z_]+(?:","[a-z_]+)*)"\]/g)];
  const codes = new Set(documented.flatMap(([, list]) => list.split('","')).filter((code) => ours.includes(code)));
  expect([...codes].sort()).toEqual(ours.toSorted());
});

test('an answer that is not as documented is found out', () => {
  const headers = { 'content-type': 'application/json; charset=utf-8', 'x-request-id': 'r' };
  const faults = (status, json, more = {}, path = '/flows') =>
    answerFaults('GET', path, { status, headers: new Headers({ ...headers, ...more }), json });
  const page = { flows: [], nextCursor: null };
  expect(faults(200, page)).toEqual([]);
  expect(faults(200, { ...page, more: 1 })).not.toEqual([]);
  expect(faults(418, {})).toEqual(['418 is not documented for GET /flows']);
  expect(faults(502, { error: { code: 'not_found', message: 'x', requestId: 'r' } })).not.toEqual([]);
  expect(faults(404, {}, {}, '/nowhere')).not.toEqual([]);
  expect(faults(200, page, { 'x-request-id': 'a b' })).not.toEqual([]);
  expect(faults(200, page, { 'x-more': '1' })).toEqual(['the header x-more is not documented']);
  expect(faults(200, page, { 'content-type': 'text/html' })).toEqual(['200 of GET /flows may not be text/html']);
  const busy = { error: { code: 'upstream_busy', message: 'x', requestId: 'r' } };
  expect(faults(503, busy, { 'retry-after': '7' })).toEqual([]);
  expect(faults(503, busy, { 'retry-after': 'soon' })).not.toEqual([]);
});

test('an event that is not as documented is found out', () => {
  const faults = (event) => eventFaults('POST', '/flows/echo/run', event);
  const chunk = { event: 'chunk', id: '2', data: { blockId: 'b', chunk: 'x' } };
  expect(faults(chunk)).toEqual([]);
  expect(faults({ ...chunk, id: undefined })).not.toEqual([]);
  expect(faults({ ...chunk, event: 'piece' })).not.toEqual([]);
  expect(faults({ ...chunk, data: { blockId: 'b' } })).not.toEqual([]);
  expect(eventFaults('GET', '/runs/x/events', chunk)).not.toEqual([]);
});
