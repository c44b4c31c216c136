// The guard inside an Express application of a fork, in Express 4 and 5.

import { createRequire } from 'node:module';

import { afterEach, describe, expect, test } from 'vitest';

import { OLDER_SECRET, reasonOf, SECRET, send, sendSigned, serve, signedHeaders } from './support.mjs';

const require = createRequire(import.meta.url);
const { SignatureError, signatureGuard, verifySignature } = require('../../express/guard.js');

const BODY = '{"input":{"message":"hi"}}';
const JSON_TYPE = { contentType: 'application/json' };
const keepBytes = {
  verify: (request, _response, bytes) => {
    request.rawBody = bytes;
  },
};

let running;
afterEach(() => running?.stop());

describe.each(['express', 'express4'])('%s', (name) => {
  const express = require(name);

  async function start(mount) {
    const app = express();
    mount(app);
    const echo = (request, response) =>
      response.json({ signedBy: request.signedBy, raw: request.rawBody.toString(), body: request.body });
    app.use('/api', (request, response) => echo(request, response));
    app.use((error, _request, response, _next) => response.status(500).json({ error: { code: error.message } }));
    running = await serve(app);
    return running.port;
  }

  test('admits a signed request and says for whom it was made', async () => {
    const port = await start((app) => app.use('/api', signatureGuard({ secrets: [SECRET] })));
    const answer = await sendSigned({ port, target: '/api/x?a=1', body: BODY, ...JSON_TYPE });
    expect(answer.status).toBe(200);
    const { signedBy, raw } = JSON.parse(answer.text);
    expect(signedBy).toEqual({ user: 'user-1', tenant: 'acme', keyid: expect.stringMatching(/^[\w-]{12}$/) });
    expect(raw).toBe(BODY);
  });

  test('stands behind a body parser that keeps the bytes', async () => {
    const port = await start((app) => app.use(express.json(keepBytes), signatureGuard({ secrets: [SECRET] })));
    const answer = await sendSigned({ port, target: '/api/x', body: BODY, ...JSON_TYPE });
    expect(JSON.parse(answer.text)).toMatchObject({ raw: BODY, body: JSON.parse(BODY) });
    const get = await sendSigned({ port, method: 'GET', target: '/api/x' });
    expect(get.status).toBe(200);
  });

  test('says how to mount it when a body parser threw the bytes away', async () => {
    const port = await start((app) => app.use(express.json(), signatureGuard({ secrets: [SECRET] })));
    const answer = await sendSigned({ port, target: '/api/x', body: BODY, ...JSON_TYPE });
    expect(answer.status).toBe(500);
    expect(reasonOf(answer)).toContain('mount the guard before body parsers');
  });

  test('refuses with status and reason', async () => {
    const port = await start((app) => app.use(signatureGuard({ secrets: [SECRET], maxBodyBytes: 64 })));
    const refusal = async (request) => {
      const answer = await request;
      return [answer.status, reasonOf(answer)];
    };
    const target = '/api/x';
    expect(await refusal(send({ port, target, body: BODY }))).toEqual([401, 'missing_signature']);
    expect(await refusal(sendSigned({ port, target, secrets: [OLDER_SECRET] }))).toEqual([401, 'unknown_key']);
    expect(await refusal(sendSigned({ port, target, body: 'x'.repeat(65) }))).toEqual([413, 'payload_too_large']);

    const headers = signedHeaders({ port, target, body: BODY });
    expect(await refusal(send({ port, target, headers, body: '{}' }))).toEqual([401, 'digest_mismatch']);
    expect(await refusal(send({ port, target: '/api/y', headers, body: BODY }))).toEqual([401, 'signature_mismatch']);
    expect((await send({ port, target, headers, body: BODY })).status).toBe(200);
    expect(await refusal(send({ port, target, headers, body: BODY }))).toEqual([401, 'replayed']);
  });
});

describe('the replay store', () => {
  async function start(replayStore) {
    running = await serve((request, response) =>
      verifySignature(request, { secrets: [SECRET], replayStore }).then(
        () => response.end('admitted'),
        (error) => response.end(`${error instanceof SignatureError} ${error.status} ${error.reason}`),
      ),
    );
    return running.port;
  }

  test('may be a shared one, and is asked only for requests that are good', async () => {
    const seen = new Map();
    const port = await start({
      claim: async (key, until) => !seen.has(key) && Boolean(seen.set(key, until)),
    });
    const headers = signedHeaders({ port, target: '/', body: BODY });
    expect((await send({ port, target: '/', headers, body: '{}' })).text).toBe('true 401 digest_mismatch');
    expect(seen.size).toBe(0);
    expect((await send({ port, target: '/', headers, body: BODY })).text).toBe('admitted');
    expect((await send({ port, target: '/', headers, body: BODY })).text).toBe('true 401 replayed');
    const [[key, until]] = seen;
    const [, nonce, keyid] = /nonce="([^"]+)";keyid="([^"]+)"/.exec(headers['signature-input']);
    expect(key).toBe(`${keyid}:${nonce}`);
    const expires = Number(/expires=(\d+)/.exec(headers['signature-input'])[1]);
    expect(until).toBe(expires + 30);
  });

  test.each([
    ['rejects', async () => Promise.reject(new Error('away'))],
    [
      'throws',
      () => {
        throw new Error('away');
      },
    ],
  ])('refuses when it %s', async (_, claim) => {
    const port = await start({ claim });
    expect((await sendSigned({ port, target: '/' })).text).toBe('true 503 replay_store_unavailable');
  });

  test('is shared by all calls of a process when none is given', async () => {
    running = await serve((request, response) =>
      // New options for every call, as a caller may well write it.
      verifySignature(request, { secrets: SECRET }).then(
        () => response.end('admitted'),
        ({ reason }) => response.end(reason),
      ),
    );
    const headers = signedHeaders({ port: running.port, target: '/' });
    const request = { port: running.port, target: '/', headers };
    expect([(await send(request)).text, (await send(request)).text]).toEqual(['admitted', 'replayed']);
  });
});

test('wrong options are told when the guard is made, and show no secret', () => {
  const short = 'too-short-to-be-a-secret';
  expect(() => signatureGuard({ secrets: [SECRET, short] })).toThrow('signing secret 1 is shorter than 32 bytes');
  expect(() => signatureGuard({ secrets: [] })).toThrow('no signing secret is given');
  expect(() => signatureGuard({ secrets: [SECRET], replayStore: {} })).toThrow('claim(key, until)');
});
