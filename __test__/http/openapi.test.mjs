// The document of the routes is a valid one, and covers what the router really serves. (That each answer of these tests
// is as documented, `call` in support.mjs checks by itself.)

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

import { answerFaults, openapi } from './openapi.mjs';
import { startAll } from './support.mjs';

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
  expect(answerFaults('GET', '/health', 200, { ok: 'yes' })).not.toEqual([]);
  expect(answerFaults('GET', '/flows', 418, {})).toEqual(['418 is not documented for GET /flows']);
  expect(
    answerFaults('GET', '/flows', 502, { error: { code: 'not_found', message: 'x', requestId: 'r' } }),
  ).not.toEqual([]);
});
