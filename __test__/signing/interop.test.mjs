// An independent RFC 9421 library and this package understand each other's signatures.

import { createHash, randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';

import { createSigner, createVerifier, httpbis } from 'http-message-signatures';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { SECRET, send, serve, signedHeaders } from './support.mjs';

const require = createRequire(import.meta.url);
const { verifySignature } = require('../../express/guard.js');

const BODY = '{"input":{"message":"grüße"}}';
const FIELDS = [
  '@method',
  '@authority',
  '@path',
  '@query',
  'content-digest',
  'x-request-id',
  'x-sim-user',
  'content-type',
];
const keyidOf = (headers) => /keyid="([^"]+)"/.exec(headers['signature-input'])[1];
const bytes = Buffer.from(SECRET);

let here;
beforeAll(async () => {
  here = await serve(async (request, response) => {
    const answer = await verifySignature(request, { secrets: [SECRET] }).catch(({ reason }) => ({ reason }));
    response.end(JSON.stringify(answer));
  });
});
afterAll(() => here.stop());

function theirMessage(headers, target) {
  return { method: 'POST', url: `http://127.0.0.1:${here.port}${target}`, headers };
}

test.each(['/api/v2/workflows/wf/execute', '/a?b=2&a=1', '/a?', '/%C3%BC?x=%20'])(
  'a request for %s that is signed here verifies there',
  async (target) => {
    const headers = signedHeaders({
      port: here.port,
      target,
      body: BODY,
      contentType: 'application/json',
      runId: 'run-1',
    });
    const keyLookup = async ({ keyid }) =>
      keyid === keyidOf(headers)
        ? { id: keyid, algs: ['hmac-sha256'], verify: createVerifier(bytes, 'hmac-sha256') }
        : null;
    const config = {
      keyLookup,
      requiredParams: ['created', 'expires', 'nonce', 'keyid', 'alg'],
      requiredFields: [...FIELDS, 'x-run-id'],
      all: true,
    };
    expect(await httpbis.verifyMessage(config, theirMessage(headers, target))).toBe(true);

    const tampered = theirMessage({ ...headers, 'x-run-id': 'run-2' }, target);
    expect(await httpbis.verifyMessage(config, tampered).catch(() => false)).toBe(false);
  },
);

async function signedThere({
  target,
  fields = FIELDS,
  params = ['created', 'expires', 'nonce', 'keyid', 'alg'],
  seconds = 60,
}) {
  const ours = signedHeaders({ port: here.port, target });
  const headers = {
    'content-type': 'application/json',
    'content-digest': `sha-256=:${createHash('sha256').update(BODY).digest('base64')}:`,
    'x-request-id': randomUUID(),
    'x-sim-user': ours['x-sim-user'],
  };
  const now = Date.now();
  const paramValues = { created: new Date(now), expires: new Date(now + seconds * 1000), nonce: randomUUID() };
  const key = createSigner(bytes, 'hmac-sha256', keyidOf(ours));
  const message = await httpbis.signMessage(
    { key, name: 'theirs', fields, params, paramValues },
    theirMessage(headers, target),
  );
  // It writes its headers under their usual names in capitals.
  return Object.fromEntries(Object.entries(message.headers).map(([name, value]) => [name.toLowerCase(), value]));
}

test.each(['/api/v2/workflows/wf/execute', '/a?b=2&a=1', '/%C3%BC?x=%20'])(
  'a request for %s that is signed there verifies here',
  async (target) => {
    const headers = await signedThere({ target });
    const { text } = await send({ port: here.port, target, headers, body: BODY });
    expect(JSON.parse(text)).toEqual({ user: 'user-1', tenant: 'acme', keyid: keyidOf(headers) });

    const again = await send({ port: here.port, target, headers, body: BODY });
    expect(JSON.parse(again.text)).toEqual({ reason: 'replayed' });
  },
);

test.each([
  ['a covered component too few', { fields: FIELDS.filter((field) => field !== '@query') }, 'component_missing'],
  ['an optional header unsigned', { fields: FIELDS.filter((field) => field !== 'content-type') }, 'unsigned_header'],
  ['a component that is not known here', { fields: [...FIELDS, '@target-uri'] }, 'unknown_component'],
  ['no nonce', { params: ['created', 'expires', 'keyid', 'alg'] }, 'nonce_missing'],
  ['no end', { params: ['created', 'nonce', 'keyid', 'alg'] }, 'expires_missing'],
  ['a life that is over', { seconds: -31 }, 'invalid_lifetime'],
])('signed there with %s is refused here', async (_, how, reason) => {
  const headers = await signedThere({ target: '/a', ...how });
  const { text } = await send({ port: here.port, target: '/a', headers, body: BODY });
  expect(JSON.parse(text)).toEqual({ reason });
});

test('the vector of RFC 9421 appendix B.2.5 is refused here, for what it does not cover', async () => {
  const headers = {
    host: 'example.com',
    date: 'Tue, 20 Apr 2021 02:07:55 GMT',
    'content-type': 'application/json',
    'signature-input': 'sig-b25=("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"',
    signature: 'sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:',
  };
  const request = { port: here.port, target: '/foo?param=Value&Pet=dog', headers, body: '{"hello": "world"}' };
  expect(JSON.parse((await send(request)).text)).toEqual({ reason: 'component_missing' });
});
