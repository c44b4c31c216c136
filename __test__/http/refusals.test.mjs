// What is refused at once: nothing of it reaches Sim.

import { describe, expect, it } from 'vitest';
import { call, documents, fieldPaths, refusal, startAdapter, startAll, startHost } from './support.mjs';

const ROUTES = [
  ['GET', '/health'],
  ['GET', '/flows'],
  ['POST', '/flows/create'],
  ['GET', '/flows/echo'],
  ['POST', '/flows/echo/run'],
  ['GET', '/runs/abc/status'],
  ['POST', '/runs/abc/cancel'],
  ['POST', '/runs/abc/resume'],
  ['POST', '/proxy'],
];

describe('without a signed-in user', () => {
  it('every route answers 401', async () => {
    const { sim, call } = await startAll();
    for (const [method, path] of ROUTES) {
      const answer = await call(method, path, { user: null });
      expect(refusal(answer), path).toEqual([401, 'unauthenticated']);
    }
    expect(sim.requests).toEqual([]);
  });

  it('an empty or overlong user id is no user', async () => {
    const { sim, call } = await startAll();
    for (const user of ['', 'x'.repeat(257)]) {
      expect(refusal(await call('GET', '/flows', { user }))).toEqual([401, 'unauthenticated']);
    }
    expect((await call('GET', '/flows', { user: 'x'.repeat(256) })).status).toBe(200);
    expect(sim.requests).toHaveLength(1);
  });

  it('no header and no field makes one', async () => {
    const { sim, call } = await startAll();
    const headers = { 'x-user-id': 'ann', 'x-sim-user': 'ann', authorization: 'Bearer ann' };
    const body = { input: {}, user: { id: 'ann' } };
    expect(refusal(await call('POST', '/flows/echo/run', { user: null, headers, body }))[0]).toBe(401);
    expect(sim.requests).toEqual([]);
  });
});

describe('without SIM_BASE_URL', () => {
  it('the host starts, and every route answers 503', async () => {
    const lines = [];
    const logger = { warn: (message, { event }) => lines.push([event, message]) };
    const host = await startHost(startAdapter(null, { logger }));
    for (const [method, path] of ROUTES) {
      expect(refusal(await call(host, method, path)), path).toEqual([503, 'not_configured']);
    }
    expect(lines).toEqual([['not_configured', expect.stringContaining('SIM_BASE_URL')]]);
  });
});

describe('an id', () => {
  const BAD = [
    '%20',
    'a%2Fb',
    'a%5Cb',
    '%2e',
    '%2e%2e',
    '%252e%252e',
    'a%00',
    'a%0a',
    '%E4',
    '%C3%A4',
    '%',
    '%zz',
    'a%3Fb',
    'a%23b',
    'a;b',
    'a,b',
    'a@b',
    '$ne',
    '*',
    '%EF%BC%8E%EF%BC%8E',
    'x'.repeat(129),
  ];

  it.each(BAD)('of a flow that is %j is refused before Sim hears of it', async (id) => {
    const { sim, call } = await startAll();
    for (const [method, path] of [
      ['GET', `/flows/${id}`],
      ['POST', `/flows/${id}/run`],
    ]) {
      const answer = await call(method, path);
      expect(refusal(answer), path).toEqual([400, 'invalid_request']);
      expect(fieldPaths(answer)).toEqual(['flowId']);
    }
    expect(sim.requests).toEqual([]);
  });

  it('of a flow is passed on when it is of Sim’s alphabet, encoded or not', async () => {
    const { sim, call } = await startAll([]);
    const ids = ['a', 'A.b_c:d-9', '...', 'x'.repeat(128)];
    for (const id of ids) {
      sim.addFlow({ id, document: documents.echo });
      expect((await call('GET', `/flows/${id}`)).json.flow.id).toBe(id);
      expect((await call('GET', `/flows/${encodeURIComponent(id)}`)).json.flow.id).toBe(id);
    }
  });

  it('of a run that the adapter did not hand out is not found, and Sim is not asked', async () => {
    const { sim, call } = await startAll(['echo']);
    const { id } = (await call('POST', '/flows/echo/run')).json.run;
    const raw = (await sim.waitFor('run')).id;
    sim.requests.length = 0;
    const flipped = (at) => id.slice(0, at) + (id[at] === 'A' ? 'B' : 'A') + id.slice(at + 1);
    const forged = [raw, 'x', id.slice(1), `${id}A`, flipped(0), flipped(10), flipped(id.length - 2), 'A'.repeat(513)];
    for (const handle of [...forged, '%2e%2e', 'a%2Fb', '%00', '%zz', id.toUpperCase()]) {
      for (const [method, verb] of [
        ['GET', 'status'],
        ['POST', 'cancel'],
        ['POST', 'resume'],
      ]) {
        const answer = await call(method, `/runs/${handle}/${verb}`);
        expect(refusal(answer), `${verb} ${handle}`).toEqual([404, 'not_found']);
      }
    }
    expect(sim.requests).toEqual([]);
    expect((await call('GET', `/runs/${id}/status`)).status).toBe(200);
  });

  it('of another user’s run is not found', async () => {
    const { sim, call } = await startAll(['echo']);
    const { id } = (await call('POST', '/flows/echo/run')).json.run;
    await sim.waitFor('run');
    sim.requests.length = 0;
    const other = await call('GET', `/runs/${id}/status`, { user: 'bob' });
    expect(refusal(other)).toEqual([404, 'not_found']);
    expect(sim.requests).toEqual([]);
  });
});

describe('a body', () => {
  const create = '/flows/create';
  const run = '/flows/echo/run';
  const BAD = [
    [
      create,
      { name: 1, description: [], document: 3, deploy: 'yes', stray: null },
      'name description deploy document stray',
    ],
    [create, {}, 'name'],
    [create, { name: ' ' }, 'name'],
    [create, { name: 'x'.repeat(201), description: 'x'.repeat(2001) }, 'name description'],
    [create, { document: 'not json' }, 'document'],
    [create, { document: '[]' }, 'document'],
    [run, { input: 'text' }, 'input'],
    [run, { input: [] }, 'input'],
    [run, { mode: 'later', timeoutMs: 0 }, 'mode timeoutMs'],
    [run, { timeoutMs: 600_001 }, 'timeoutMs'],
    [run, { timeoutMs: 1.5 }, 'timeoutMs'],
    [run, { timeoutMs: '5' }, 'timeoutMs'],
    [run, { Input: {}, user: 'bob', __proto__x: 1 }, 'Input user __proto__x'],
  ];

  it.each(BAD)('of %s that is %j names every offending field', async (path, body, paths) => {
    const { sim, call } = await startAll(['echo']);
    const answer = await call('POST', path, { body });
    expect(refusal(answer)).toEqual([400, 'invalid_request']);
    expect(fieldPaths(answer).sort()).toEqual(paths.split(' ').sort());
    expect(sim.requests).toEqual([]);
  });

  it.each([
    ['{', 'line 1, column 1'],
    ['{"input":{}', 'line 1, column 11'],
    ['{"input":{},}', 'line 1'],
    ['{} {}', 'line 1, column 4'],
    ['{"input":NaN}', 'line 1'],
    ['﻿{}', 'line 1'],
    ['"{}"', 'JSON object'],
    ['{"input":{},"input":{}}', 'input: is given more than once'],
    [Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), 'UTF-8'],
    ['['.repeat(100_000), 'JSON'],
  ])('that is no JSON object (%#) is refused with its place', async (body, place) => {
    const { sim, call } = await startAll(['echo'], { host: { before: [] } });
    const answer = await call('POST', run, { body });
    expect(refusal(answer)).toEqual([400, 'invalid_request']);
    expect(answer.json.error.message).toContain(place);
    expect(sim.requests).toEqual([]);
  });

  it('of a resume is checked before Sim is asked', async () => {
    const { sim, call } = await startAll(['approve']);
    const { id } = (await call('POST', '/flows/approve/run')).json.run;
    await sim.waitFor('status', ({ status }) => status === 'paused');
    sim.requests.length = 0;
    const answer = await call('POST', `/runs/${id}/resume`, { body: { input: 1, contextId: '../x', more: 1 } });
    expect(fieldPaths(answer).sort()).toEqual(['contextId', 'input', 'more']);
    expect(sim.requests).toEqual([]);
  });

  it('of /proxy whose query is nested too deeply is refused', async () => {
    const { sim, call } = await startAll();
    const query = { a: JSON.parse('['.repeat(200) + ']'.repeat(200)) };
    const answer = await call('POST', '/proxy', { body: { method: 'GET', path: '/api/v2/workflows', query } });
    expect([...refusal(answer), answer.json.error.details.fields]).toEqual([
      400,
      'invalid_request',
      [{ path: 'query', message: 'is nested too deeply' }],
    ]);
    expect(sim.requests).toEqual([]);
  });

  it('nested deeper than express.json can pass on is refused; unparsed it goes to Sim as it is', async () => {
    const depth = 15_000;
    const input = `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;
    const parsed = await startAll(['echo']);
    expect(refusal(await parsed.call('POST', run, { body: `{"input":${input}}` }))).toEqual([400, 'invalid_request']);
    expect(parsed.sim.requests).toEqual([]);
    const unparsed = await startAll(['echo'], { host: { before: [] } });
    await unparsed.call('POST', run, { body: `{"input":${input}}` });
    expect((await unparsed.sim.waitFor('request')).body.toString()).toContain(input);
    expect((await unparsed.call('GET', '/flows')).status).toBe(200);
  });
});

describe('a query', () => {
  it.each([
    ['limit=0', 'limit'],
    ['limit=101', 'limit'],
    ['limit=ten&cursor=&stray=1', 'cursor limit stray'],
    ['limit=1%', 'limit'],
    ['__proto__=1', '__proto__'],
  ])('that is %s names every offending field', async (query, paths) => {
    const { sim, call } = await startAll();
    const answer = await call('GET', `/flows?${query}`);
    expect(refusal(answer)).toEqual([400, 'invalid_request']);
    expect(fieldPaths(answer).sort()).toEqual(paths.split(' '));
    expect(sim.requests).toEqual([]);
  });
});

describe('a route', () => {
  it.each([
    ['GET', '/'],
    ['GET', '/nothing'],
    ['POST', '/health'],
    ['PUT', '/flows'],
    ['DELETE', '/flows/echo'],
    ['GET', '/flows/echo/run'],
    ['POST', '/flows/echo/run/now'],
    ['GET', '/runs/abc'],
    ['POST', '/runs/abc/status'],
    ['GET', '/FLOWS'],
    ['GET', '//flows'],
  ])('that there is not (%s %s) is not found', async (method, path) => {
    const { sim, call } = await startAll();
    expect(refusal(await call(method, path))).toEqual([404, 'not_found']);
    expect(sim.requests).toEqual([]);
  });

  it('may end in a slash', async () => {
    const { call } = await startAll();
    expect((await call('GET', '/flows/')).status).toBe(200);
  });
});
