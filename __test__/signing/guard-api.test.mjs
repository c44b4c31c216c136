// `sim-adapter guard`, api listener: signed requests only, each once, and what an outsider with a key gets.

import { once } from 'node:events';
import http from 'node:http';

import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';

import {
  OLDER_SECRET,
  reasonOf,
  SECRET,
  send,
  sendRaw,
  sendSigned,
  serve,
  signedHeaders,
  startGuard,
} from './support.mjs';

const BODY = '{"input":{"message":"hi"}}';
const EXECUTE = '/api/v2/workflows/wf/execute?a=1';

let sim;
let guard;
let seen;
let handle;

beforeAll(async () => {
  sim = await serve((request, response) => handle(request, response));
  guard = await startGuard(sim.port);
});
afterAll(async () => {
  await guard?.stop();
  await sim?.stop();
});
beforeEach(() => {
  seen = [];
  handle = async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    seen.push({ method: request.method, url: request.url, headers: request.headers, body });
    response.writeHead(202, { 'content-type': 'application/json' }).end('{"data":{}}');
  };
});

async function refusal(answer) {
  const { status, text } = await answer;
  return [status, reasonOf({ text })];
}

test('a signed request reaches Sim whole, without the signature that was used up', async () => {
  const answer = await sendSigned({
    port: guard.api,
    target: EXECUTE,
    body: BODY,
    contentType: 'application/json',
    runId: 'run-1',
    headers: { 'x-api-key': 'sk-service' },
  });
  expect([answer.status, answer.text]).toEqual([202, '{"data":{}}']);
  const [{ method, url, body, headers }] = seen;
  expect([method, url, body]).toEqual(['POST', EXECUTE, BODY]);
  expect(headers).toMatchObject({
    'x-api-key': 'sk-service',
    'x-run-id': 'run-1',
    'x-request-id': 'req-1',
    'content-length': String(BODY.length),
    'x-forwarded-for': '127.0.0.1',
  });
  expect(headers).toHaveProperty('content-digest');
  expect(headers).toHaveProperty('x-sim-user');
  expect(headers).not.toHaveProperty('signature');
  expect(headers).not.toHaveProperty('signature-input');
});

test('a signature of an older secret of the list is good too', async () => {
  expect((await sendSigned({ port: guard.api, target: EXECUTE, secrets: [OLDER_SECRET] })).status).toBe(202);
});

test('a request with a key and no signature fails on both listeners, seen from outside', async () => {
  for (const target of ['/api/v1/workflows', EXECUTE, '/api/jobs/1', '/api/workflows/wf/execute', '/']) {
    const headers = { 'x-api-key': 'sk-stolen' };
    expect(await refusal(send({ port: guard.api, target, headers, body: BODY }))).toEqual([401, 'missing_signature']);
    expect((await send({ port: guard.editor, target, headers, body: BODY })).status).toBe(403);
  }
  expect(seen).toEqual([]);
});

test('a signed request is refused on the editor listener where keys are', async () => {
  const answer = sendSigned({ port: guard.editor, target: EXECUTE, headers: { 'x-api-key': 'sk-service' } });
  expect(await refusal(answer)).toEqual([403, 'key_not_allowed']);
});

test('the same request again is a replay', async () => {
  const headers = signedHeaders({ port: guard.api, target: EXECUTE, body: BODY });
  const request = { port: guard.api, target: EXECUTE, headers, body: BODY };
  expect((await send(request)).status).toBe(202);
  expect(await refusal(send(request))).toEqual([401, 'replayed']);
  expect(seen.length).toBe(1);
});

test('of ten copies at once exactly one passes', async () => {
  const headers = signedHeaders({ port: guard.api, target: EXECUTE, body: BODY });
  const request = { port: guard.api, target: EXECUTE, headers, body: BODY };
  const answers = await Promise.all(Array.from({ length: 10 }, () => send(request)));
  expect(answers.filter(({ status }) => status === 202).length).toBe(1);
  expect(seen.length).toBe(1);
});

test.each([
  ['method', { method: 'PUT' }, 'signature_mismatch'],
  ['path', { target: '/api/v2/workflows/other/execute?a=1' }, 'signature_mismatch'],
  ['query', { target: '/api/v2/workflows/wf/execute?a=2' }, 'signature_mismatch'],
  ['body', { body: '{}' }, 'digest_mismatch'],
  ['user', { change: { 'x-sim-user': '-' } }, 'signature_mismatch'],
  ['run id', { change: { 'x-run-id': 'run-2' } }, 'signature_mismatch'],
  ['execution id, added', { change: { 'x-execution-id': 'e' } }, 'unsigned_header'],
  ['host', { change: { host: 'elsewhere' } }, 'signature_mismatch'],
])('a changed %s is refused', async (_, { change, ...part }, reason) => {
  const headers = signedHeaders({ port: guard.api, target: EXECUTE, body: BODY, runId: 'run-1' });
  const answer = send({ port: guard.api, target: EXECUTE, body: BODY, ...part, headers: { ...headers, ...change } });
  expect(await refusal(answer)).toEqual([401, reason]);
  expect(seen).toEqual([]);
});

test('a header to drop, named by a third party, is refused', async () => {
  const answer = sendSigned({
    port: guard.api,
    target: EXECUTE,
    runId: 'run-1',
    headers: { connection: 'close, x-run-id' },
  });
  expect(await refusal(answer)).toEqual([400, 'connection_header']);
  expect(seen).toEqual([]);
});

test('an unsigned body is not waited for', async () => {
  const answer = await new Promise((resolve, reject) => {
    const request = http.request({ host: '127.0.0.1', port: guard.api, method: 'POST', path: EXECUTE, agent: false });
    request.setHeader('content-length', 1_000_000);
    request.on('error', reject);
    request.on('response', (response) => {
      request.destroy();
      resolve(response.statusCode);
    });
    // The body never comes.
    request.flushHeaders();
  });
  expect(answer).toBe(401);
});

test.each([
  ['announced', {}],
  ['in chunks', { 'transfer-encoding': 'chunked' }],
])('a signed body of 11 MiB, %s, is refused', async (_, extra) => {
  const body = Buffer.alloc(11 * 1024 * 1024);
  const headers = { ...signedHeaders({ port: guard.api, target: EXECUTE, body }), ...extra };
  expect(await refusal(send({ port: guard.api, target: EXECUTE, headers, body }))).toEqual([413, 'payload_too_large']);
  expect(seen).toEqual([]);
});

test.each(['api', 'editor'])('events pass the %s listener one by one', async (listener) => {
  let sim;
  handle = (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    sim = response;
    response.write('data: 1\n\n');
  };
  const port = guard[listener];
  const headers = listener === 'api' ? signedHeaders({ port, method: 'GET', target: '/events' }) : {};
  const request = http.get({ host: '127.0.0.1', port, path: '/events', headers, agent: false });
  const [response] = await once(request, 'response');
  response.setEncoding('utf8');
  expect((await once(response, 'data'))[0]).toBe('data: 1\n\n');
  // The second is written only now that the first has arrived.
  sim.write('data: 2\n\n');
  expect((await once(response, 'data'))[0]).toBe('data: 2\n\n');
  sim.end();
  await once(response, 'end');
});

test('a client that goes away ends the request to Sim', async () => {
  const arrived = new Promise((resolve) => {
    handle = (request, response) => resolve([request, response]);
  });
  const headers = signedHeaders({ port: guard.api, method: 'GET', target: '/slow' });
  const request = http.get({ host: '127.0.0.1', port: guard.api, path: '/slow', headers, agent: false });
  request.on('error', () => {});
  const [, response] = await arrived;
  const closed = once(response, 'close');
  request.destroy();
  await closed;
  expect(response.writableFinished).toBe(false);
});

test('an answer that breaks off in the middle breaks off for the client too', async () => {
  handle = (_request, response) => {
    response.writeHead(200, { 'content-length': 10 });
    response.write('abc', () => response.destroy());
  };
  await expect(sendSigned({ port: guard.api, method: 'GET', target: '/half' })).rejects.toThrow('aborted');
});

test('a connection that Sim cuts before it answers is a 502', async () => {
  handle = (request) => request.socket.destroy();
  expect(await refusal(sendSigned({ port: guard.api, target: EXECUTE }))).toEqual([502, 'upstream_unreachable']);
});

test('the health check needs no signature and is on this listener only', async () => {
  const answer = await send({ port: guard.api, method: 'GET', target: '/healthz' });
  expect([answer.status, answer.text]).toEqual([200, '{"ok":true}']);
  expect((await send({ port: guard.api, method: 'POST', target: '/healthz' })).status).toBe(401);
  expect((await send({ port: guard.api, method: 'GET', target: '/healthz/' })).status).toBe(401);
  await send({ port: guard.editor, method: 'GET', target: '/healthz' });
  expect(seen.map(({ url }) => url)).toEqual(['/healthz']);
});

test('log lines are JSON and hold no secret, query, key or credentials', async () => {
  await sendSigned({ port: guard.api, target: '/logged?token=query-secret', headers: { 'x-api-key': 'key-secret' } });
  await sendRaw(guard.editor, 'GET http://name:url-secret@sim/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  const line = await guard.logged((entry) => entry.path === '/logged');
  expect(line).toEqual({
    time: expect.stringMatching(/Z$/),
    listener: 'api',
    method: 'POST',
    path: '/logged',
    status: 202,
    ms: expect.any(Number),
    requestId: 'req-1',
  });
  await guard.logged((entry) => entry.reason === 'path_not_canonical');
  for (const secret of [SECRET, OLDER_SECRET, 'query-secret', 'key-secret', 'url-secret']) {
    expect(guard.output()).not.toContain(secret);
  }
});
