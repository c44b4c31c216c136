// `sim-adapter guard`, editor listener: browsers pass, Sim's key API does not, in whatever spelling.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';

import { reasonOf, send, sendRaw, serve, startGuard } from './support.mjs';

const paths = JSON.parse(readFileSync(new URL('./editor-paths.json', import.meta.url), 'utf8'));

let sim;
let guard;
let seen;
const lines = [];

beforeAll(async () => {
  sim = await serve(async (request, response) => {
    let body = 0;
    try {
      for await (const chunk of request) body += chunk.length;
    } catch {
      return; // What breaks off in the middle was not received.
    }
    seen.push({ url: request.url, headers: request.headers, body });
    response.writeHead(
      200,
      [
        ['Set-Cookie', 'a=1'],
        ['Set-Cookie', 'b=2'],
        ['Connection', 'X-Hop'],
        ['X-Hop', '1'],
      ].flat(),
    );
    response.end('sim');
  });
  sim.server.on('upgrade', (request, socket) => {
    seen.push({ url: request.url, headers: request.headers });
    if (request.url === '/no') {
      socket.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno');
      return;
    }
    lines.push(socket);
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Own: 1\r\n\r\nhello ',
    );
    socket.pipe(socket);
  });
  guard = await startGuard(sim.port);
});
afterAll(async () => {
  await guard?.stop();
  await sim?.stop();
});
beforeEach(() => {
  seen = [];
});

test.each(paths.refused)('%s is refused with %i and never reaches Sim', async (target, status) => {
  const answer = await sendRaw(guard.editor, `GET ${target} HTTP/1.1\r\nHost: sim\r\nConnection: close\r\n\r\n`);
  expect(answer.split('\r\n')[0]).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  expect(seen).toEqual([]);
});

test.each(paths.passed)('%s reaches Sim as it was written', async (target) => {
  const answer = await send({ port: guard.editor, method: 'GET', target });
  expect(answer.text).toBe('sim');
  expect(seen.map(({ url }) => url)).toEqual([target]);
});

test.each(['X-API-Key', 'x-api-key', 'Authorization'])('a request with %s is refused', async (name) => {
  const answer = await send({ port: guard.editor, target: '/api/workflows/wf/execute', headers: { [name]: 'sk-1' } });
  expect([answer.status, reasonOf(answer)]).toEqual([403, 'key_not_allowed']);
  expect(seen).toEqual([]);
});

test('cookies pass both ways, hop-by-hop headers and unproven user headers do not', async () => {
  const headers = {
    cookie: 'session=1',
    connection: 'keep-alive, TE',
    te: 'trailers',
    'x-sim-user': 'Zm9yZ2Vk',
    'signature-input': 'sim=()',
    signature: 'sim=::',
    'x-forwarded-for': '192.0.2.1',
  };
  const answer = await send({ port: guard.editor, target: '/x', headers });
  expect(answer.headers['set-cookie']).toEqual(['a=1', 'b=2']);
  expect(answer.headers).not.toHaveProperty('x-hop');
  const [{ headers: arrived }] = seen;
  expect(arrived).toMatchObject({
    cookie: 'session=1',
    'x-forwarded-for': '192.0.2.1, 127.0.0.1',
    'content-length': '0',
  });
  for (const name of ['te', 'x-sim-user', 'signature', 'signature-input']) expect(arrived).not.toHaveProperty(name);
});

test.each([
  ['a length', { 'content-length': 3 }],
  ['chunks', { 'transfer-encoding': 'chunked' }],
])('a body with %s arrives', async (_, headers) => {
  await send({ port: guard.editor, method: 'DELETE', target: '/x', headers, body: 'abc' });
  expect(seen[0].body).toBe(3);
});

describe('a body of 11 MiB is refused', () => {
  const megabyte = Buffer.alloc(1024 * 1024);
  const write = (request) => {
    for (let count = 0; count < 11; count += 1) request.write(megabyte);
    request.end();
  };
  test.each([
    ['announced', { 'content-length': 11 * megabyte.length }],
    ['in chunks', { 'transfer-encoding': 'chunked' }],
  ])('%s', async (_, headers) => {
    const answer = await send({ port: guard.editor, target: '/upload', headers, body: write });
    expect([answer.status, reasonOf(answer)]).toEqual([413, 'payload_too_large']);
    expect(seen).toEqual([]);
  });
});

test('a connection whose body was refused is good for the next request', async () => {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const body = Buffer.alloc(11 * 1024 * 1024);
  expect((await send({ port: guard.editor, target: '/upload', body, agent })).status).toBe(413);
  expect((await send({ port: guard.editor, target: '/x', agent })).text).toBe('sim');
  agent.destroy();
});

describe('a WebSocket', () => {
  async function open(target, headers = {}, port = guard.editor) {
    const request = http.get({
      host: '127.0.0.1',
      port,
      path: target,
      agent: false,
      headers: { connection: 'keep-alive, Upgrade', upgrade: 'websocket', 'sec-websocket-key': 'a', ...headers },
    });
    const [kind, response, socket, head] = await Promise.race([
      once(request, 'upgrade').then((found) => ['upgrade', ...found]),
      once(request, 'response').then((found) => ['response', ...found]),
    ]);
    if (kind === 'response') response.resume();
    return { status: response.statusCode, headers: response.headers, socket, head };
  }

  async function read(socket, text, before = '') {
    let got = before;
    socket.setEncoding('utf8');
    while (got.length < text.length) got += (await once(socket, 'data'))[0];
    expect(got).toBe(text);
  }

  test('passes, and both ends speak', async () => {
    const { status, headers, socket, head } = await open('/socket.io/?EIO=4', { cookie: 'session=1' });
    expect([status, headers['x-own'], headers.upgrade]).toEqual([101, '1', 'websocket']);
    await read(socket, 'hello ', head.toString());
    socket.write('one');
    await read(socket, 'one');
    socket.write('two');
    await read(socket, 'two');
    expect(seen[0].headers).toMatchObject({ cookie: 'session=1', upgrade: 'websocket', 'sec-websocket-key': 'a' });
    socket.end();
    await once(socket, 'close');
  });

  test('that Sim declines is declined', async () => {
    expect((await open('/no')).status).toBe(400);
  });

  test.each([
    ['with a key', '/socket.io/', { 'x-api-key': 'k' }, 403],
    ['to a path of the key API', '/api/v1/x', {}, 403],
    ['to a path in disguise', '/x/../api/v1', {}, 400],
    ['to another protocol', '/', { upgrade: 'h2c' }, 403],
    ['that names a header to drop', '/', { connection: 'Upgrade, Cookie' }, 400],
  ])('%s is refused', async (_, target, headers, status) => {
    expect((await open(target, headers)).status).toBe(status);
    expect(seen).toEqual([]);
  });

  test('is refused on the api listener', async () => {
    expect((await open('/socket.io/', {}, guard.api)).status).toBe(403);
    expect(seen).toEqual([]);
  });

  test('ends at Sim when the browser goes', async () => {
    const { socket } = await open('/socket.io/');
    const ended = once(lines.at(-1), 'close');
    socket.destroy();
    await ended;
  });

  test('ends in the browser when Sim goes', async () => {
    const { socket } = await open('/socket.io/');
    const ended = once(socket.resume(), 'close');
    lines.at(-1).destroy();
    await ended;
  });
});

test('two host headers, or none, are refused', async () => {
  const two = await sendRaw(guard.editor, 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n');
  expect(two).toMatch(/^HTTP\/1.1 400 /);
  const none = await sendRaw(guard.editor, 'GET / HTTP/1.0\r\n\r\n');
  expect(none).toMatch(/^HTTP\/1.1 400 /);
  expect(seen).toEqual([]);
});

test('a request that is no HTTP ends its connection and nothing else', async () => {
  expect(await sendRaw(guard.editor, '\u0016\u0003\u0001 TLS\r\n\r\n')).toMatch(/^HTTP\/1.1 400 /);
  const cut = net.connect(guard.editor, '127.0.0.1');
  cut.end('POST /x HTTP/1.1\r\nHost: sim\r\nContent-Length: 10\r\n\r\nabc');
  cut.resume();
  await once(cut, 'close');
  expect((await send({ port: guard.editor, target: '/' })).text).toBe('sim');
});
