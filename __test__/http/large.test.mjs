// Large answers: where a client's socket is a plain one their bodies go straight into it, past Node's thread, and everywhere
// else through Node; the client sees no difference. What breaks off is never taken for a whole answer.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import { createRequire } from 'node:module';
import net from 'node:net';
import { availableParallelism } from 'node:os';
import { gunzipSync } from 'node:zlib';
import { attachFastLane, simRouter } from '@sigmacode/sim-adapter';
import compression from 'compression';
import compression180 from 'compression180';
import { describe, expect, it } from 'vitest';
import { TOKENS, tokenOf } from '../contract/support/doors.mjs';
import { selfSigned } from '../emulator/certificate.mjs';
import { atEnd, express4, express5, startAdapter, threads } from './support.mjs';

const { lendSocket } = createRequire(import.meta.url)('../../express/socket.js');

const MIB = 1024 * 1024;
/** Of no two alike, so that no part can stand for another. */
const item = (number) => `${JSON.stringify({ number, text: `${number} `.repeat(2000) })},`;
const ITEMS = Array.from({ length: 300 }, (_, number) => item(number));
/** Items of an answer that no buffers hold, some 200 MB. */
const FLOOD = 20_000;
const END = '{"number":null}]}}';
const HEAD = '{"data":{"id":"f","list":[';
const LARGE = HEAD + ITEMS.join('') + END;

/** A Sim whose flow is answered by `answer`; as large as `LARGE` where nothing is said. */
async function startSim(answer = (res) => res.end(LARGE)) {
  const server = http.createServer((req, res) => {
    req.resume();
    res.setHeader('content-type', 'application/json');
    if (req.url.endsWith('/small')) res.end('{"data":{"id":"small"}}');
    else answer(res, req);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEnd(() => new Promise((resolve) => server.close(resolve).closeAllConnections()));
  return { url: `http://127.0.0.1:${server.address().port}`, apiKey: 'key' };
}

const inExpress =
  (express, ...before) =>
  (adapter) =>
    express()
      .use((req, _res, next) => next(void Object.assign(req, { user: { id: 'ann' } })))
      .use('/api/sim', ...before, simRouter({ adapter }));

/** A server around the adapter; `sockets` are the server's ends of its connections. */
async function serve(sim, { listener = inExpress(express5, express5.json()), tls, lane = false, set = () => {} } = {}) {
  const adapter = startAdapter(sim, { maxAnswerBytes: 512 * MIB, ...(lane && TOKENS) });
  const server = tls ? https.createServer(tls) : http.createServer();
  set(server);
  server.on('request', lane ? (_req, res) => res.writeHead(418).end() : listener(adapter));
  if (lane) attachFastLane(server, '/api/sim', { adapter });
  const sockets = [];
  server.on(tls ? 'secureConnection' : 'connection', (socket) => sockets.push(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEnd(() => new Promise((resolve) => server.close(resolve).closeAllConnections()));
  return { adapter, port: server.address().port, sockets };
}

const toFlow = (id) => JSON.stringify({ method: 'GET', path: `/api/v2/workflows/${id}` });
const TO_FLOW = toFlow('f');

/** Asks for a flow; `{request, response, body()}`, the body as bytes. */
async function ask({ port }, { of = http, agent, headers = {}, flow = 'f' } = {}) {
  const request = of.request({
    port,
    agent,
    host: '127.0.0.1',
    method: 'POST',
    path: '/api/sim/proxy',
    headers: { authorization: `Bearer ${tokenOf({ id: 'ann' })}`, 'content-type': 'application/json', ...headers },
    rejectUnauthorized: false,
  });
  request.on('error', () => {});
  atEnd(() => request.destroy());
  request.end(toFlow(flow));
  const [response] = await once(request, 'response');
  const body = async () => Buffer.concat(await response.toArray());
  return { request, response, body };
}

/** A request as text, over a connection of its own, and all that comes until it is closed. */
async function askInText({ port }, text) {
  const socket = net.connect(port, '127.0.0.1');
  atEnd(() => socket.destroy());
  socket.write(text);
  return Buffer.concat(await socket.toArray()).toString();
}

const inText = (version, ...headers) =>
  [
    `POST /api/sim/proxy HTTP/${version}`,
    'Host: x',
    'Content-Type: application/json',
    `Content-Length: ${TO_FLOW.length}`,
    ...headers,
    '',
    TO_FLOW,
  ].join('\r\n');

/** What Node wrote, of all that went over the connections. */
const pastNode = ({ sockets }) => sockets.reduce((sum, { bytesWritten }) => sum + bytesWritten, 0) < 4096;

describe.each([
  ['after express.json', {}],
  ['before express.json', { listener: inExpress(express5) }],
  ['in Express 4', { listener: inExpress(express4, express4.json()) }],
  ['ahead of Express', { lane: true }],
])('a large answer %s', (_where, options) => {
  it('goes past Node, and its connection is used again', async () => {
    const server = await serve(await startSim(), options);
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    atEnd(() => agent.destroy());
    for (let round = 0; round < 3; round += 1) {
      const { response, body } = await ask(server, { agent });
      expect(response.statusCode).toBe(200);
      expect(response.headers['content-type']).toBe('application/json; charset=utf-8');
      expect((await body()).toString()).toBe(LARGE);
    }
    expect(server.sockets).toHaveLength(1);
    expect(pastNode(server)).toBe(true);
  });
});

it('one whose length is known goes past Node too', async () => {
  const output = { text: 'x'.repeat(MIB) };
  const data = { runId: 'r', workflowId: 'f', status: 'completed', output, error: null, cost: null, paused: null };
  const state = { ...data, startedAt: null, endedAt: null, durationMs: null };
  const sim = await startSim((res, { method }) => {
    if (method === 'POST') res.writeHead(202).end('{"data":{"runId":"r"}}');
    else res.end(JSON.stringify({ data: state }));
  });
  const server = await serve(sim);
  const run = await fetch(`http://127.0.0.1:${server.port}/api/sim/flows/f/run`, { method: 'POST' });
  const { statusUrl } = (await run.json()).run;
  const response = await fetch(`http://127.0.0.1:${server.port}${statusUrl}`);
  expect((await response.json()).run.output).toEqual(output);
  expect(Number(response.headers.get('content-length'))).toBeGreaterThan(MIB);
  expect(pastNode(server)).toBe(true);
});

describe('a large answer goes through Node', () => {
  it.each([
    ['compression', compression()],
    ['a compression of before 1.8.1, which takes no flat list of headers', compression180()],
  ])('where the host has %s, compressed or not', async (_what, middleware) => {
    const server = await serve(await startSim(), { listener: inExpress(express5, middleware, express5.json()) });
    const zipped = await ask(server, { headers: { 'accept-encoding': 'gzip' } });
    expect(zipped.response.headers['content-encoding']).toBe('gzip');
    expect(gunzipSync(await zipped.body()).toString()).toBe(LARGE);
    const plain = await ask(server);
    expect(plain.response.headers['content-type']).toBe('application/json; charset=utf-8');
    expect((await plain.body()).toString()).toBe(LARGE);
    expect(pastNode(server)).toBe(false);
  });

  it('where the host looks at what is written', async () => {
    let seen = 0;
    const look = (_req, res, next) => {
      const { write } = res;
      res.write = (chunk, ...more) => {
        seen += chunk.length;
        return write.call(res, chunk, ...more);
      };
      next();
    };
    const server = await serve(await startSim(), { listener: inExpress(express5, look, express5.json()) });
    expect((await (await ask(server)).body()).toString()).toBe(LARGE);
    expect(seen).toBe(LARGE.length);
  });

  it.each([
    ['has Node check its length', (res) => Object.assign(res, { strictContentLength: true })],
    ['announces trailers', (res) => res.setHeader('trailer', 'x-sum')],
    [
      'has a Node that names no descriptors',
      ({ socket }) => Object.defineProperty(socket._handle, 'fd', { value: null }),
    ],
    ['looks at what is written to the socket', ({ socket }) => Object.assign(socket, { write: socket.write })],
  ])('where the host %s', async (_what, prepare) => {
    const before = (_req, res, next) => next(void prepare(res));
    const server = await serve(await startSim(), { listener: inExpress(express5, before, express5.json()) });
    expect((await (await ask(server)).body()).toString()).toBe(LARGE);
    expect(pastNode(server)).toBe(false);
  });

  it('over TLS, also when nothing is queued', async () => {
    const server = await serve(await startSim(), { tls: selfSigned() });
    expect((await (await ask(server, { of: https })).body()).toString()).toBe(LARGE);
    let lent = false;
    const listener = () => async (_req, res) => {
      res.flushHeaders();
      await expect.poll(() => res.socket.writableLength).toBe(0);
      lendSocket(res, () => {
        lent = true;
      });
      res.end('{}');
    };
    const { body } = await ask(await serve(await startSim(), { tls: selfSigned(), listener }), { of: https });
    expect([(await body()).toString(), lent]).toEqual(['{}', false]);
  });

  it('where a connection that is silent for too long is closed', async () => {
    const set = (server) => server.setTimeout(60_000);
    const server = await serve(await startSim(), { set });
    expect((await (await ask(server)).body()).toString()).toBe(LARGE);
    expect(pastNode(server)).toBe(false);
  });

  it('where an earlier answer on its connection is still to be given', async () => {
    let release;
    const first = new Promise((resolve) => {
      release = resolve;
    });
    let asked = 0;
    const sim = await startSim((res) => {
      asked += 1;
      if (asked === 1) first.then(() => res.end(LARGE));
      else res.end(LARGE, release);
    });
    const server = await serve(sim);
    const text = await askInText(server, inText('1.1') + inText('1.1', 'Connection: close'));
    const bodies = text.split(/^HTTP\/1\.1 /m).slice(1);
    expect(bodies.map((answer) => answer.slice(0, 3))).toEqual(['200', '200']);
    expect(text.split('{"number":null}]}}').length - 1).toBe(2);
  });
});

it('a client of HTTP/1.0 gets it without chunks', async () => {
  const server = await serve(await startSim());
  const text = await askInText(server, inText('1.0'));
  expect(text.slice(text.indexOf('\r\n\r\n') + 4)).toBe(LARGE);
  expect(pastNode(server)).toBe(true);
});

it.each([
  [
    'is cut',
    (res) => res.write(LARGE.slice(0, 100_000), () => setImmediate(() => res.destroy())),
    'upstream_unreachable',
  ],
  ['is no JSON', (res) => res.end(`${LARGE.slice(0, 100_000)}"\x01"`), 'upstream_error'],
])('one that %s before anything of it was handed on is refused', async (_how, answer, code) => {
  const { response, body } = await ask(await serve(await startSim(answer)));
  expect([response.statusCode, JSON.parse(await body()).error.code]).toEqual([502, code]);
});

describe('a client that does not read', () => {
  /** A Sim that counts what was taken of an endless list. */
  async function startFlood() {
    let sent = 0;
    let closed;
    const left = new Promise((resolve) => {
      closed = resolve;
    });
    const sim = await startSim(async (res) => {
      res.once('close', closed);
      res.write(HEAD);
      for (let number = 0; number < FLOOD && !res.destroyed; number += 1) {
        if (!res.write(item(number))) await Promise.race([once(res, 'drain'), left]);
        sent = number + 1;
      }
      res.end(END);
    });
    return { sim, left, sent: () => sent };
  }

  async function standstill(sent) {
    let before = -1;
    const still = () => {
      const same = sent() === before && before > 0;
      before = sent();
      return same;
    };
    await expect.poll(still, { interval: 300, timeout: 15_000 }).toBe(true);
  }

  it('stops Sim, and gets all in order when it reads on', async () => {
    const { sim, sent } = await startFlood();
    const server = await serve(sim);
    const { response } = await ask(server);
    await standstill(sent);
    expect(sent()).toBeLessThan(FLOOD / 2);
    expect((await (await ask(server, { flow: 'small' })).body()).toString()).toBe('{"data":{"id":"small"}}');
    let next = 0;
    let text = '';
    for await (const piece of response.setEncoding('utf8')) {
      text += piece;
      for (let of = (next === 0 ? HEAD : '') + item(next); text.startsWith(of); of = item(next)) {
        text = text.slice(of.length);
        next += 1;
      }
    }
    expect([next, text]).toEqual([FLOOD, END]);
    expect(pastNode(server)).toBe(true);
  }, 60_000);

  it('and goes away has Sim stop at once', async () => {
    const { sim, sent, left } = await startFlood();
    const server = await serve(sim);
    const { request } = await ask(server);
    await standstill(sent);
    const began = performance.now();
    request.destroy();
    await left;
    expect(performance.now() - began).toBeLessThan(1000);
    // Nothing is under way any more: there is nothing to wait for.
    await server.adapter.close({ drainMs: 600_000 });
  });
});

it.each([
  ['the adapter writes it', 'caf\u00e9', (_res) => {}],
  [
    'the host has sent it before',
    // Node's own `flushHeaders` writes other letters as UTF-8.
    'cafe',
    (res) => {
      const { writeHead } = res;
      res.writeHead = (...head) => {
        writeHead.apply(res, head);
        res.flushHeaders();
      };
    },
  ],
])('its head is what the host made of it, once, where %s', async (_who, value, prepare) => {
  const before = (_req, res, next) => next(void prepare(res.setHeader('x-host', value)));
  const server = await serve(await startSim(), { listener: inExpress(express5, before, express5.json()) });
  const { response, body } = await ask(server);
  expect([response.statusCode, response.headers['x-host']]).toEqual([200, value]);
  expect((await body()).toString()).toBe(LARGE);
  if (process.platform !== 'win32') expect(pastNode(server)).toBe(true);
});

it.skipIf(process.platform !== 'linux')(
  'large answers that come at once are shared by a thread for each processor, four at the most',
  async () => {
    // Those of the tests before may still be on their way out.
    await expect.poll(() => threads('sim-')).toEqual([]);
    const waiting = [];
    const server = await serve(await startSim((res) => waiting.push(res)));
    const asked = [];
    for (const count of [1, 2, 3, 4, 5]) {
      asked.push(ask(server));
      await expect.poll(() => waiting.length).toBe(count);
      expect(threads('sim-proxy').length).toBe(Math.min(count, availableParallelism(), 4));
    }
    for (const res of waiting) res.end(LARGE);
    for (const { body } of await Promise.all(asked)) expect((await body()).toString()).toBe(LARGE);
    await server.adapter.close();
    await expect.poll(() => threads('sim-')).toEqual([]);
  },
);

describe('a client does not take for whole', () => {
  it('what Sim breaks off', async () => {
    const sim = await startSim((res) => {
      res.write(HEAD + ITEMS.join(''), () => setImmediate(() => res.destroy()));
    });
    const server = await serve(sim);
    await expect((await ask(server)).body()).rejects.toThrow(/aborted/);
  });

  it.skipIf(process.platform === 'win32').each([
    ['past Node', () => {}, true],
    ['through Node', (res) => Object.assign(res, { strictContentLength: true }), false],
  ])('what Sim breaks off, %s, over HTTP/1.0', async (_way, prepare, past) => {
    const before = (_req, res, next) => next(void prepare(res));
    const sim = await startSim((res) => {
      res.write(HEAD + ITEMS.join(''), () => setImmediate(() => res.destroy()));
    });
    const server = await serve(sim, { listener: inExpress(express5, before, express5.json()) });
    // Not Node as the client: libuv may take a reset that follows upon data for an end.
    const script = 'exec 3<>"/dev/tcp/127.0.0.1/$0"; printf %s "$1" >&3; LC_ALL=C exec cat <&3';
    const cat = spawn('bash', ['-c', script, server.port, inText('1.0')], { stdio: ['ignore', 'ignore', 'pipe'] });
    atEnd(() => cat.kill());
    const [said, [code]] = await Promise.all([cat.stderr.toArray(), once(cat, 'close')]);
    expect([code, Buffer.concat(said).toString()]).toEqual([1, expect.stringContaining('Connection reset')]);
    expect(pastNode(server)).toBe(past);
  });

  it('what its host ends before its time, and nothing follows on that connection', async () => {
    const ends = [];
    const before = (_req, res, next) => next(void ends.push(() => res.end()));
    const sim = await startSim((res) => res.write(HEAD + ITEMS.join('')));
    const server = await serve(sim, { listener: inExpress(express5, before, express5.json()) });
    const socket = net.connect(server.port, '127.0.0.1');
    atEnd(() => socket.destroy());
    socket
      .on('error', () => {})
      .setEncoding('latin1')
      .write(inText('1.1'));
    let text = '';
    socket.on('data', (some) => {
      text += some;
    });
    await expect.poll(() => text.length).toBeGreaterThan(MIB);
    socket.write(inText('1.1').replace('workflows/f', 'workflows/g'));
    await expect.poll(() => ends.length).toBe(2);
    expect(pastNode(server)).toBe(true);
    const closed = once(socket, 'close');
    ends[0]();
    await closed;
    expect(text.match(/HTTP\/1\.1/g)).toHaveLength(1);
    expect(text.endsWith('0\r\n\r\n')).toBe(false);
  });

  it('what breaks off because the server is shutting down', async () => {
    const server = await serve(await startSim((res) => res.write(HEAD + ITEMS.join(''))));
    const { response } = await ask(server);
    await once(response, 'readable');
    const rest = response.toArray();
    await server.adapter.close({ drainMs: 0 });
    await expect(rest).rejects.toThrow(/aborted/);
  });
});
