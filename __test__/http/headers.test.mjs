// The headers of requests and answers: what comes in, what Sim gets, what goes back.

import express from 'express';
import { describe, expect, it } from 'vitest';
import { call, refusal, startAll, startHost } from './support.mjs';

const TRACE = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

describe('x-request-id', () => {
  it('of the client is echoed and goes to Sim', async () => {
    const { sim, call } = await startAll();
    const { headers } = await call('GET', '/flows', { headers: { 'x-request-id': 'req-1.a_b:c' } });
    expect(headers.get('x-request-id')).toBe('req-1.a_b:c');
    expect(sim.requests.map(({ headers }) => headers['x-request-id'])).toEqual(['req-1.a_b:c']);
  });

  it('is LibreChat’s req.requestId when there is one', async () => {
    const { sim, adapter } = await startAll();
    const setId = (req, _res, next) => {
      req.requestId = 'from-the-host';
      next();
    };
    const host = await startHost(adapter, { before: [setId] });
    const { headers } = await call(host, 'GET', '/flows', { headers: { 'x-request-id': 'other' } });
    expect(headers.get('x-request-id')).toBe('from-the-host');
    expect(sim.requests[0].headers['x-request-id']).toBe('from-the-host');
  });

  it('is a new one, each time, when there is none that can be passed on', async () => {
    const { call } = await startAll();
    const ids = [];
    for (const bad of [undefined, '', 'a b', 'a"b', 'é', 'x'.repeat(129)]) {
      const headers = bad === undefined ? {} : { 'x-request-id': bad };
      const answer = await call('GET', '/nowhere', { headers });
      ids.push(answer.headers.get('x-request-id'));
      expect(answer.json.error.requestId).toBe(ids.at(-1));
    }
    expect(new Set(ids).size).toBe(6);
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{24}$/);
  });
});

describe('what Sim gets', () => {
  it('is the key, the user, the trace and nothing else of the client’s', async () => {
    const { sim, call } = await startAll();
    const headers = {
      traceparent: TRACE,
      cookie: 'session=secret',
      authorization: 'Bearer secret',
      'x-api-key': 'stolen',
      'x-sim-user': 'bm9ib2R5',
      'x-run-id': 'chosen',
      'x-forwarded-for': '10.0.0.1',
      'user-agent': 'client',
    };
    await call('POST', '/flows/echo/run', { headers, body: { input: {} } });
    const { headers: got } = sim.requests[0];
    expect(got).toMatchObject({
      'x-api-key': sim.apiKey,
      'x-sim-user': Buffer.from('\0ann').toString('base64url'),
      traceparent: TRACE,
      accept: 'application/json',
      'content-type': 'application/json',
    });
    expect(got['user-agent']).toMatch(/^sim-adapter\/\d/);
    expect(got['x-run-id']).not.toBe('chosen');
    for (const name of ['cookie', 'authorization', 'x-forwarded-for', 'referer']) expect(got[name]).toBeUndefined();
    expect(got.host).toBe(new URL(sim.url).host);
  });

  it('has no trace when the client’s is none', async () => {
    const { sim, call } = await startAll();
    await call('GET', '/flows', { headers: { traceparent: 'not a trace' } });
    expect(sim.requests[0].headers.traceparent).toBeUndefined();
  });

  it('a read has no body', async () => {
    const { sim, call } = await startAll();
    await call('GET', '/flows/echo');
    const [request] = sim.requests;
    expect([request.body.length, request.headers['content-type'], request.headers['content-length']]).toEqual([
      0,
      undefined,
      undefined,
    ]);
  });
});

describe('an answer', () => {
  it('is JSON, is never stored, and has its length', async () => {
    const { call } = await startAll();
    for (const path of ['/health', '/flows', '/flows/echo', '/nowhere', '/flows/%20']) {
      const { headers, text } = await call('GET', path);
      expect(headers.get('content-type')).toBe('application/json; charset=utf-8');
      expect(headers.get('cache-control')).toBe('no-store');
      expect(headers.get('content-length')).toBe(String(Buffer.byteLength(text)));
    }
  });

  it('has its length in bytes, not characters', async () => {
    const { sim, call } = await startAll([]);
    const document = { state: { blocks: {}, edges: [], loops: {}, parallels: {} } };
    sim.addFlow({ id: 'u', name: 'Größe ✓ 🎉', document });
    const { headers, json, text } = await call('GET', '/flows/u');
    expect(json.flow.name).toBe('Größe ✓ 🎉');
    expect(headers.get('content-length')).toBe(String(Buffer.byteLength(text)));
  });

  it('keeps what the host’s own middlewares set', async () => {
    const { adapter } = await startAll();
    const mark = (_req, res, next) => {
      res.setHeader('x-frame-options', 'DENY');
      next();
    };
    const host = await startHost(adapter, { before: [mark, express.json()] });
    const response = await fetch(`${host.url}/flows`, { headers: { 'x-test-user': 'ann' } });
    expect(response.headers.get('x-frame-options')).toBe('DENY');
  });

  it('to a busy Sim says when to come back', async () => {
    const { sim, call } = await startAll();
    sim.addFault({ kind: 'status', status: 429, retryAfter: 7 });
    const answer = await call('GET', '/flows');
    expect([...refusal(answer), answer.headers.get('retry-after')]).toEqual([503, 'upstream_busy', '7']);
    expect(sim.requests).toHaveLength(1);
  });
});

describe('Prefer', () => {
  it.each(['wait', 'wait=soon', 'wait=-1', 'respond-async', 'await=3', ''])(
    'that is %j changes nothing',
    async (prefer) => {
      const { call } = await startAll();
      const { status, headers } = await call('POST', '/flows/echo/run', { headers: { prefer } });
      expect([status, headers.get('preference-applied')]).toEqual([202, null]);
    },
  );

  it('waits no longer than SIM_SYNC_TIMEOUT_MS, and says how long', async () => {
    const { call } = await startAll(['wait'], { adapter: { syncTimeoutMs: 1000 } });
    const { status, headers } = await call('POST', '/flows/wait/run', { headers: { prefer: 'wait=600' } });
    expect([status, headers.get('preference-applied')]).toEqual([202, 'wait=1']);
  });
});
