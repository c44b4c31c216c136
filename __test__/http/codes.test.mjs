// Each code that an answer can carry, provoked once by a real cause. `docs/errors.md` explains them.

import { once } from 'node:events';
import net from 'node:net';
import { expect, it } from 'vitest';
import { documents, startAll } from './support.mjs';

const RUN = ['POST', '/flows/echo/run'];
const LIST = ['GET', '/flows'];

const refusing = (sim, status, more = {}) => sim.addFault({ kind: 'status', status, ...more });

/** What provokes each code: how to start, what to do before, the request, its status. */
const CAUSES = {
  unauthenticated: {
    request: [...LIST, { user: null }],
    status: 401,
  },
  forbidden: {
    request: ['POST', '/flows/create', { body: { name: 'a', deploy: true } }],
    status: 403,
  },
  plan_required: {
    adapter: { plans: { USER: { operations: ['flows.list'] } } },
    request: RUN,
    status: 403,
  },
  path_not_allowed: {
    request: ['POST', '/proxy', { body: { method: 'GET', path: '/api/users/me' } }],
    status: 403,
  },
  not_found: {
    request: ['GET', '/flows/nowhere'],
    status: 404,
  },
  conflict: {
    before: (sim) => refusing(sim, 423),
    request: LIST,
    status: 409,
  },
  flow_not_deployed: {
    before: (sim) => sim.addFlow({ id: 'draft', document: documents.echo, deployed: false }),
    request: ['POST', '/flows/draft/run'],
    status: 409,
  },
  idempotency_mismatch: {
    before: (_sim, call) => call(...RUN, { headers: { 'idempotency-key': 'k' }, body: { input: { a: 1 } } }),
    request: [...RUN, { headers: { 'idempotency-key': 'k' }, body: { input: { a: 2 } } }],
    status: 422,
  },
  invalid_request: {
    request: [...RUN, { body: { stray: 1 } }],
    status: 400,
  },
  payload_too_large: {
    adapter: { maxBodyBytes: 1024 },
    request: [...RUN, { body: { input: { fill: 'x'.repeat(1024) } } }],
    status: 413,
  },
  rate_limited: {
    adapter: { userMax: 1 },
    before: (_sim, call) => call(...LIST),
    request: LIST,
    status: 429,
  },
  quota_exceeded: {
    adapter: { plans: { USER: { runsPerDay: 1 } } },
    before: (_sim, call) => call(...RUN),
    request: RUN,
    status: 429,
  },
  not_configured: {
    adapter: { workspaceId: undefined },
    request: LIST,
    status: 503,
  },
  upstream_unreachable: {
    before: (sim) => sim.addFault({ kind: 'reset' }),
    request: LIST,
    status: 502,
  },
  upstream_auth: {
    adapter: { apiKey: 'wrong' },
    request: LIST,
    status: 502,
  },
  upstream_error: {
    before: (sim) => sim.addFault({ kind: 'html' }),
    request: LIST,
    status: 502,
  },
  upstream_quota: {
    before: (sim) => refusing(sim, 402),
    request: RUN,
    status: 503,
  },
  upstream_busy: {
    before: (sim) => refusing(sim, 429),
    request: RUN,
    status: 503,
  },
  upstream_timeout: {
    adapter: { timeoutMs: 100 },
    before: (sim) => sim.addFault({ kind: 'hang' }),
    request: LIST,
    status: 504,
  },
  circuit_open: {
    adapter: { baseUrl: 'http://127.0.0.1:1' },
    before: (_sim, call) => Promise.all([call('GET', '/flows/a'), call('GET', '/flows/b')]),
    request: LIST,
    status: 503,
  },
  shutting_down: {
    before: (_sim, _call, adapter) => adapter.close(),
    request: LIST,
    status: 503,
  },
};

const RETRY_AFTER = ['rate_limited', 'quota_exceeded', 'upstream_busy', 'circuit_open', 'shutting_down'];

it.each(Object.entries(CAUSES))('%s', async (code, { adapter: options, before, request, status }) => {
  const { sim, adapter, call } = await startAll(['echo'], { adapter: options });
  await before?.(sim, call, adapter);
  const answer = await call(...request);
  expect([answer.status, answer.json.error.code]).toEqual([status, code]);
  expect(/^[1-9]\d*$/.test(answer.headers.get('retry-after'))).toBe(RETRY_AFTER.includes(code));
  expect(answer.text).not.toContain('127.0.0.1');
  expect(answer.text).not.toContain(sim.apiKey);
});

it('Sim’s refusals keep their words and their body to themselves', async () => {
  const { sim, call } = await startAll(['echo']);
  for (const status of [
    301, 400, 401, 402, 403, 404, 405, 408, 409, 413, 415, 422, 423, 429, 499, 500, 501, 502, 503, 504,
  ]) {
    const remove = refusing(sim, status, { body: { error: { code: 'X', message: 'leaky host sim.internal' } } });
    const { text, status: answered } = await call(...RUN);
    expect(answered, `${status}`).toBeGreaterThanOrEqual(400);
    expect([401, 403, 429]).not.toContain(answered);
    expect(text).not.toContain('leaky');
    remove();
  }
});

it('an address where nobody listens is no host name in an error', async () => {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  const { call } = await startAll([], { adapter: { baseUrl: `http://localhost:${port}/secret-path` } });
  const { status, text } = await call(...LIST);
  expect(status).toBe(502);
  expect(text).not.toMatch(/localhost|secret-path/);
  expect(text).not.toContain(String(port));
});
