// That our own schemas and examples say what Sim says: held against its OpenAPI documents and against recorded exchanges,
// where those are at hand.

import { describe, expect, it } from 'vitest';
import { ourApis, requestFaults } from './support/contract.mjs';
import { readRuns, resumes } from './support/examples.mjs';
import { flowAnswers } from './support/flow-examples.mjs';
import { received, requests, spoiled, spoiledAnswers } from './support/requests.mjs';
import { exchanges, haveOpenApi, haveRecordings, sayMissing, simApis } from './support/shared.mjs';

const answers = [...readRuns, ...resumes, ...flowAnswers];

/** What the flow's author decides; every value is right. */
const OPAQUE = ['output', 'finalOutput', 'blockOutputs', 'variables'];

/** v1's document calls the duration of a resume an integer; a running Sim sends fractions. */
const inWholeMs = (body) =>
  body.metadata ? { ...body, metadata: { ...body.metadata, duration: Math.round(body.metadata.duration) } } : body;

/** Sim calls any text an id; the adapter takes only what can be part of a path. */
const UNSAFE_ID = /\/id must (match|NOT have)/;

/** Sim's operation behind a request of ours, if its documents describe it; `{id}` stands for any id. */
const described = ({ method, path }) => {
  const sim = path.startsWith('/api/v2/') ? simApis.v2 : simApis.v1;
  const found = sim?.find(method, path.replace(/[{}]/g, ''));
  return found && { sim, operation: found.operation };
};

describe('our own schemas', () => {
  it.each(requests)('take $generation $method $path', (request) => {
    expect(requestFaults(received(request), request.generation)).toEqual([]);
  });

  it('have a request of every operation among the examples', () => {
    const named = (generation) => requests.filter((one) => one.generation === generation);
    for (const [generation, api] of Object.entries(ourApis)) {
      const found = named(generation).map(({ method, path }) => api.find(method, path).operation.name);
      const missing = api.operations
        .map(({ name }) => name)
        .filter((name) => !found.includes(name) && name !== 'health');
      expect(missing).toEqual([]);
    }
  });

  it.each([
    ['a header of another name', { 'x-run-ID-2': 'run-1' }],
    ["a browser's header", { cookie: 'a=b' }],
    ["a header of Sim's that the adapter does not use", { 'x-stream-response': 'true' }],
    ['a claim where none is taken', { 'x-run-id': 'run-1' }],
    ['a compressed body', { 'content-encoding': 'gzip' }],
    ['a body that is called something else', { 'content-type': 'text/plain' }],
    ['an accept that would let a stream come', { accept: '*/*' }],
    ['a user that is no base64url', { 'x-sim-user': 'ann@example.com' }],
  ])('refuse %s', (_what, headers) => {
    const request = requests.find(({ path }) => path.endsWith('/resume'));
    expect(requestFaults(received({ ...request, headers }), 'v2')).not.toEqual([]);
  });

  it('refuse a header that is sent twice, a path that is not described, and a request without its claim', () => {
    const request = requests.find(({ path }) => path === '/api/v2/workflows/flow-1/execute');
    const good = received(request);
    expect(requestFaults({ ...good, rawHeaders: [...good.rawHeaders, 'X-Run-Id', 'run-2'] }, 'v2')).not.toEqual([]);
    expect(requestFaults({ ...good, path: '/api/v2/workflows/flow-1/start' }, 'v2')).not.toEqual([]);
    expect(requestFaults(received({ ...request, headers: {} }), 'v2')).not.toEqual([]);
  });
});

if (!haveOpenApi) sayMissing('OpenAPI documents', 'our schemas were not held against them');
else
  describe("Sim's OpenAPI documents", () => {
    it('describe every operation of v2, and a part of v1', () => {
      const all = ['v2', 'v1'].flatMap((generation) => ourApis[generation].operations);
      const pairs = all.map((ours) => [`${ours.method} ${ours.path}`, described(ours)?.operation]);
      const missing = pairs.filter(([, theirs]) => theirs === undefined).map(([ours]) => ours);
      expect([...new Set(missing)].sort()).toEqual([
        'GET /api/health',
        'GET /api/v1/workflows',
        'GET /api/v1/workflows/{id}',
        'POST /api/v1/workflows/import',
        'POST /api/v1/workflows/{id}/deploy',
      ]);
      for (const [ours, theirs] of pairs) if (theirs) expect(`${theirs.method} ${theirs.path}`).toBe(ours);
    });

    it('refuse no request that our schemas take, however it is spoiled', () => {
      let refused = 0;
      for (const request of requests.filter(described)) {
        const { sim } = described(request);
        const ours = ourApis[request.generation];
        for (const one of spoiled(request)) {
          const seen = received(one);
          const theirs = sim.requestFaults(seen);
          refused += theirs.length > 0 ? 1 : 0;
          if (ours.requestFaults(seen).length === 0)
            expect(theirs, `${one.method} ${one.path} ${seen.body}`.slice(0, 400)).toEqual([]);
        }
      }
      expect(refused).toBeGreaterThan(150);
    });

    it.each(answers.filter(({ generation }) => generation !== 'flows'))(
      'take our example of $generation $operation: $what ($status)',
      ({ generation, operation, status, body }) => {
        const { method, path } = ourApis[generation].operations.find(({ name }) => name === operation);
        const theirs = described({ method, path });
        // v1's own document leaves the routes about flows out.
        if (theirs === undefined) return expect(generation).toBe('v1');
        expect(theirs.sim.answerFaults(theirs.operation, status, inWholeMs(body))).toEqual([]);
      },
    );

    it('take no answer of v2 that our schemas refuse, however it is changed', () => {
      let taken = 0;
      for (const { operation, status, body } of answers.filter(({ generation }) => generation === 'v2')) {
        const ours = ourApis.v2.operations.find(({ name }) => name === operation);
        const theirs = described(ours).operation;
        for (const one of spoiledAnswers(body, OPAQUE)) {
          if (simApis.v2.answerFaults(theirs, status, one).length > 0) continue;
          taken += 1;
          const faults = ourApis.v2.answerFaults(ours, status, one).filter((fault) => !UNSAFE_ID.test(fault));
          expect(faults, JSON.stringify(one).slice(0, 400)).toEqual([]);
        }
      }
      expect(taken).toBeGreaterThan(150);
    });
  });

if (!haveRecordings) sayMissing('recorded exchanges', 'our schemas and examples were not held against them');
else
  describe('recorded exchanges', () => {
    const recorded = [...exchanges.values()].flatMap((exchange) => {
      const generation = exchange.path.startsWith('/api/v2/') ? 'v2' : 'v1';
      const found = ourApis[generation].find(exchange.method, exchange.path);
      // A synchronous start is none of the adapter's.
      const isSync = found?.operation.name === 'start' && exchange.status !== 202 && exchange.status < 400;
      const isFailedRun = exchange.status === 500;
      return found === undefined || isSync || isFailedRun
        ? []
        : [{ ...exchange, generation, operation: found.operation }];
    });

    it.each(recorded)('$name is an answer that our schemas take', ({ generation, operation, status, responseBody }) => {
      expect(ourApis[generation].answerFaults(operation, status, responseBody)).toEqual([]);
    });

    const keysOf = (body) => Object.keys(body.data && !Array.isArray(body.data) ? body.data : body).sort();

    it.each(recorded.filter(({ status, operation }) => status < 300 && operation.name === 'readRun'))(
      '$name has the members of our examples',
      ({ generation, responseBody }) => {
        const ours = readRuns.filter((one) => one.generation === generation);
        for (const { body } of ours) expect(keysOf(body)).toEqual(keysOf(responseBody));
        const { paused } = responseBody.data ?? responseBody;
        const example = ours.find(({ what }) => what === 'that waits for a person').body;
        const { pausedExecutionId, ...members } = paused ?? {};
        if (paused) expect(Object.keys(members).sort()).toEqual(Object.keys((example.data ?? example).paused).sort());
      },
    );

    it('have the members of our examples about flows', () => {
      const pairs = [
        ['71-v1-workflows', 'v1', 'listFlows', (body) => body.data[0]],
        ['72-v1-workflow', 'v1', 'getFlow', (body) => body.data],
        ['10-v1-import-wfFn', 'v1', 'importFlow', (body) => body.data],
        ['v2-16-create', 'v2', 'createFlow', (body) => body.data],
      ];
      for (const [name, generation, operation, pick] of pairs) {
        const example = flowAnswers.find((one) => one.generation === generation && one.operation === operation);
        const theirs = exchanges.get(name).responseBody;
        expect(Object.keys(pick(example.body)).sort(), name).toEqual(Object.keys(pick(theirs)).sort());
        expect(Object.keys(example.body).sort(), name).toEqual(Object.keys(theirs).sort());
      }
    });
  });
