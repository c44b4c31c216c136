// Calls of the client: the token, its renewal, the host's own HTTP client, errors of all kinds.

import { createClient, SimError } from '@sigmacode/sim-adapter/client';
import { expect, test } from 'vitest';

import { cut, json, refusal, serve } from './support.mjs';

const FLOWS = { flows: [], nextCursor: null };

/** A session whose tokens are `token-1`, `token-2`, …; `renewals` counts. */
function session() {
  const state = { number: 1, renewals: 0 };
  return Object.assign(state, {
    getToken: () => `token-${state.number}`,
    refresh: async () => {
      state.renewals += 1;
      state.number += 1;
      return `token-${state.number}`;
    },
  });
}

const unauthorized = (res) => res.writeHead(401).end('Unauthorized');

test('a 401 is answered by one renewal and the same request with the new token', async () => {
  const server = await serve(unauthorized, json(200, FLOWS));
  const user = session();
  expect(await createClient({ baseUrl: server.baseUrl, ...user }).flows()).toEqual(FLOWS);
  expect(server.requests.map(({ headers }) => headers.authorization)).toEqual(['Bearer token-1', 'Bearer token-2']);
});

test('many requests that meet a 401 share one renewal', async () => {
  const server = await serve((res, { headers }) =>
    (headers.authorization === 'Bearer token-1' ? unauthorized : json(200, FLOWS))(res),
  );
  const user = session();
  const refresh = async () => {
    // All of them have been refused before anybody has the new token.
    await server.arrived(8);
    return user.refresh();
  };
  const client = createClient({ baseUrl: server.baseUrl, getToken: user.getToken, refresh });
  await Promise.all(Array.from({ length: 8 }, () => client.flows()));
  expect(user.renewals).toBe(1);
});

test('a second 401 is the end of it', async () => {
  const server = await serve(unauthorized);
  const user = session();
  await expect(createClient({ baseUrl: server.baseUrl, ...user }).flows()).rejects.toMatchObject({
    code: 'unauthenticated',
    status: 401,
  });
  expect([user.renewals, server.requests.length]).toEqual([1, 2]);
});

test.each([
  ['gives nothing', async () => undefined],
  ['fails', () => Promise.reject(new Error('expired'))],
])('a renewal that %s means signed out', async (_name, refresh) => {
  const server = await serve(unauthorized);
  const client = createClient({ baseUrl: server.baseUrl, getToken: () => 'old', refresh });
  await expect(client.flows()).rejects.toMatchObject({ code: 'unauthenticated', status: 401 });
  expect(server.requests).toHaveLength(1);
});

test('ids and cursors cannot leave their place in the path', async () => {
  const server = await serve(json(200, { ...FLOWS, flow: {}, run: {} }));
  const client = createClient({ baseUrl: `${server.baseUrl}/`, ...session() });
  await client.flow('../x?y');
  await client.run('a/b');
  await client.flows({ cursor: 'a&limit=9', limit: 2 });
  expect(server.requests.map(({ url }) => url)).toEqual([
    '/api/sim/flows/..%2Fx%3Fy',
    '/api/sim/runs/a%2Fb/status',
    '/api/sim/flows?cursor=a%26limit%3D9&limit=2',
  ]);
});

test.each([
  [
    'the contract',
    refusal(403, 'plan_required'),
    { code: 'plan_required', status: 403, requestId: 'request-1', passes: false },
  ],
  ['a wait in seconds', refusal(429, 'rate_limited', { 'retry-after': '7' }), { retryAfterMs: 7000, passes: true }],
  ['the host', json(403, { message: 'Not today' }), { code: 'forbidden', message: 'Not today' }],
  [
    'a page in between',
    (res) => res.writeHead(502).end('<html>'),
    { code: 'unexpected_answer', status: 502, passes: true },
  ],
  ['success that is no JSON', (res) => res.writeHead(200).end('<html>'), { code: 'unexpected_answer', status: 200 }],
  ['nothing', cut, { code: 'network', status: 0, passes: true }],
  ['an operator who must act', refusal(503, 'not_configured'), { code: 'not_configured', passes: false }],
])('an error of %s is a SimError', async (_name, answer, expected) => {
  const server = await serve(answer);
  const error = await createClient({ baseUrl: server.baseUrl, ...session() })
    .flows()
    .catch((caught) => caught);
  expect(error).toBeInstanceOf(SimError);
  expect(error).toMatchObject(expected);
});

test('a date in Retry-After is a wait, and one that has passed is none', async () => {
  const server = await serve(refusal(503, 'upstream_busy', { 'retry-after': 'Wed, 21 Oct 2015 07:28:00 GMT' }));
  const call = createClient({ baseUrl: server.baseUrl, ...session() }).flows();
  await expect(call).rejects.toMatchObject({ retryAfterMs: 0 });
});

/** LibreChat's `request` in small: it answers with the body, and rejects as axios does. */
function hostRequest() {
  const calls = [];
  const answer = async (...call) => {
    calls.push(call);
    if (call[1].includes('gone')) throw Object.assign(new Error('axios'), { request: {} });
    if (call[1].includes('missing')) {
      const data = { error: { code: 'not_found', message: 'no', requestId: 'r' } };
      throw Object.assign(new Error('axios'), { response: { status: 404, data, headers: { 'retry-after': '1' } } });
    }
    return { ...FLOWS, flow: { id: 'f' } };
  };
  return { calls, get: (url) => answer('GET', url), post: (url, body) => answer('POST', url, body) };
}

test("JSON calls go through the host's client, starts go by fetch with their key", async () => {
  const server = await serve(json(202, { run: { id: 'run-1' } }));
  const request = hostRequest();
  const client = createClient({ baseUrl: server.baseUrl, ...session(), request });
  await client.flows();
  await client.createFlow({ name: 'n' });
  await client.runFlow('f', { input: { a: 1 }, idempotencyKey: 'k' });
  expect(request.calls).toEqual([
    ['GET', `${server.baseUrl}/flows`],
    ['POST', `${server.baseUrl}/flows/create`, { name: 'n' }],
  ]);
  const [{ headers, body }] = server.requests;
  expect(headers).toMatchObject({ 'idempotency-key': '"k"', authorization: 'Bearer token-1' });
  expect(body).toEqual({ input: { a: 1 }, mode: 'async' });
});

test("errors of the host's client become SimErrors", async () => {
  const client = createClient({ ...session(), request: hostRequest() });
  await expect(client.flow('missing')).rejects.toMatchObject({ code: 'not_found', retryAfterMs: 1000, requestId: 'r' });
  await expect(client.flow('gone')).rejects.toMatchObject({ code: 'network', status: 0 });
});

test('each start has a key of its own unless it is given one', async () => {
  const server = await serve(json(202, { run: { id: 'run-1' } }));
  const client = createClient({ baseUrl: server.baseUrl, ...session() });
  await client.runFlow('f');
  await client.runFlow('f');
  const keys = server.requests.map(({ headers }) => headers['idempotency-key']);
  expect(keys[0]).toMatch(/^"[0-9a-f]{32}"$/);
  expect(keys[1]).not.toBe(keys[0]);
});
