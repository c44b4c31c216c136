// The fast lane's connections that the adapter serves by itself: which those are, what it gives back to Node, and that a client
// sees no difference. What the answers are, the contract's tests say, over both.

import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import { attachFastLane } from '@sigmacode/sim-adapter';
import { describe, expect, it } from 'vitest';
import { TOKENS, tokenOf } from '../contract/support/doors.mjs';
import { selfSigned } from '../emulator/certificate.mjs';
import { sign } from '../security/tokens.mjs';
import { atEnd, optionsFor, startAdapter, startSim } from './support.mjs';

const MOUNT = '/api/sim';
const ANN = `authorization: Bearer ${tokenOf({ id: 'ann' })}`;

/**
 * A Sim, and a server with the lane; `seen` are the requests that Node read, `call` what they and all others have in common.
 * The application answers 418 with the URL.
 */
async function start({ flows = ['echo'], options = {}, set = () => {}, attached = () => {}, tls } = {}) {
  const sim = await startSim(flows);
  const adapter = startAdapter(null, { ...optionsFor(sim), ...TOKENS, ...options });
  const listener = (req, res) => res.writeHead(418).end(req.url);
  const server = tls ? https.createServer(tls, listener) : http.createServer(listener);
  set(server);
  const lane = attachFastLane(server, MOUNT, { adapter });
  attached(server);
  const seen = [];
  const { emit } = server;
  server.emit = (name, ...rest) => {
    if (name === 'request') seen.push(`${rest[0].method} ${rest[0].url}`);
    return emit.call(server, name, ...rest);
  };
  const sockets = [];
  server.on('connection', (socket) => sockets.push(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEnd(() => new Promise((resolve) => server.close(resolve).closeAllConnections()));
  return { sim, adapter, server, lane, seen, sockets, port: server.address().port };
}

/** A client that says what it is told and reads what comes. */
class Client {
  text = '';
  #socket;
  #more = new EventTarget();

  constructor(port, options = {}) {
    this.#socket = net.connect({ port, host: '127.0.0.1', ...options });
    this.#socket.setEncoding('latin1').on('data', (text) => {
      this.text += text;
      this.#more.dispatchEvent(new Event('more'));
    });
    this.#socket.on('error', () => {});
    this.closed = new Promise((resolve) => this.#socket.once('close', resolve));
    this.ended = new Promise((resolve) => this.#socket.once('end', resolve));
    atEnd(() => this.#socket.destroy());
  }

  say(text) {
    this.#socket.write(text, 'latin1');
  }

  end() {
    this.#socket.end();
  }

  destroy() {
    this.#socket.destroy();
  }

  pause() {
    this.#socket.pause();
  }

  resume() {
    this.#socket.resume();
  }

  /** Lets go of what comes until `pattern`, with which it resolves to how much that was. */
  async count(pattern) {
    let count = 0;
    for (;;) {
      const match = pattern.exec(this.text);
      const end = match ? match.index + match[0].length : Math.max(this.text.length - 16, 0);
      count += end;
      this.text = this.text.slice(end);
      if (match) return count;
      await once(this.#more, 'more');
    }
  }

  /** Resolves to the match when what came has `pattern`, and takes it away with all before it. */
  async until(pattern) {
    for (;;) {
      const match = pattern.exec(this.text);
      if (match) {
        this.text = this.text.slice(match.index + match[0].length);
        return match;
      }
      await once(this.#more, 'more');
    }
  }

  /** The next whole answer: `{status, head, body}`. */
  async answer() {
    const [, status, fields] = await this.until(/HTTP\/1\.1 (\d+) [^\r]*\r\n((?:[^\r]+\r\n)*)\r\n/);
    const head = new Headers(fields.split('\r\n').flatMap((line) => (line ? [line.split(/: ?/, 2)] : [])));
    const length = Number(head.get('content-length'));
    while (this.text.length < length) await once(this.#more, 'more');
    const body = this.text.slice(0, length);
    this.text = this.text.slice(length);
    return { status: Number(status), head, body };
  }
}

const connect = ({ port }, options) => new Client(port, options);

/** Resolves when Sim has read a request. */
const asking = ({ sim }) => new Promise((resolve) => sim.once('request', resolve));

const get = (path, ...fields) => [`GET ${path} HTTP/1.1`, 'host: sim', ...fields, '', ''].join('\r\n');
const post = (path, body, ...fields) =>
  [`POST ${path} HTTP/1.1`, 'host: sim', `content-length: ${body.length}`, ...fields, '', body].join('\r\n');
const health = (...fields) => get(`${MOUNT}/health`, ANN, ...fields);
const run = (flow, body = '{}', ...fields) => post(`${MOUNT}/flows/${flow}/run`, body, ANN, ...fields);
const json = ({ body }) => JSON.parse(body);

describe('a connection whose first request is the adapter’s', () => {
  it('is served past Node, request after request', async () => {
    const host = await start();
    const client = connect(host);
    for (let round = 0; round < 3; round++) {
      client.say(run('echo', '{"input":{"a":1}}'));
      const answer = await client.answer();
      expect(answer.status).toBe(202);
      client.say(get(`${MOUNT}/runs/${json(answer).run.id}/status`, ANN));
      expect(json(await client.answer()).run.id).toBe(json(answer).run.id);
    }
    expect(host.seen).toEqual([]);
  });

  it('has the heads that Node writes', async () => {
    const fields = async (set) => {
      const host = await start({ set });
      const client = connect(host);
      client.say(health());
      const { head } = await client.answer();
      return [host.seen.length, [...head.keys()], head.get('connection'), head.get('keep-alive')];
    };
    const [byUs, ...ours] = await fields();
    const [byNode, ...node] = await fields((server) => server.setTimeout(60_000));
    expect([byUs, byNode]).toEqual([0, 1]);
    expect(ours).toEqual(node);
  });

  it('is answered in the order of its requests, however many are sent at once', async () => {
    const host = await start();
    const client = connect(host);
    client.say(health('x-request-id: 1') + run('echo', '{}', 'x-request-id: 2') + health('x-request-id: 3'));
    const ids = [];
    for (let n = 0; n < 3; n++) ids.push((await client.answer()).head.get('x-request-id'));
    expect(ids).toEqual(['1', '2', '3']);
    expect(host.seen).toEqual([]);
  });

  it('may send a request in parts', async () => {
    const host = await start();
    const client = connect(host, { noDelay: true });
    client.say(health());
    await client.answer();
    const request = run('echo', '{"input":{"text":"abc"}}');
    for (const at of [1, 30, request.length - 5]) {
      client.say(request.slice(0, at));
      // Another client's whole round trip: the first part has come by then.
      await fetch(`http://127.0.0.1:${host.port}/`);
      client.say(request.slice(at));
      expect((await client.answer()).status).toBe(202);
    }
    expect(host.sim.runs.map(({ input }) => input.text)).toEqual(['abc', 'abc', 'abc']);
    expect(host.seen).toEqual(Array(3).fill('GET /'));
  });

  it('ends when its client asks for that', async () => {
    const host = await start();
    const client = connect(host);
    client.say(health('connection: close'));
    expect((await client.answer()).head.get('connection')).toBe('close');
    await client.ended;
    expect(host.seen).toEqual([]);
  });

  it('ends after the time that its answers name, with nothing asked', async () => {
    const host = await start({ set: (server) => Object.assign(server, { keepAliveTimeout: 1 }) });
    const client = connect(host);
    client.say(health());
    expect((await client.answer()).status).toBe(200);
    await client.ended;
  });

  it.each([null, -1, 0, Number.NaN, Number.POSITIVE_INFINITY])(
    'may be kept open for %s ms',
    async (keepAliveTimeout) => {
      const host = await start({ set: (server) => Object.assign(server, { keepAliveTimeout }) });
      const client = connect(host);
      for (let round = 0; round < 2; round++) {
        client.say(health());
        expect((await client.answer()).status).toBe(200);
      }
      expect(host.seen).toEqual([]);
    },
  );

  it('gives up what its client no longer waits for, whatever else that said', async () => {
    const host = await start();
    host.sim.addFault({ kind: 'hang', method: 'GET', times: 1 });
    const client = connect(host);
    const [asked, abort] = [asking(host), host.sim.waitFor('abort')];
    client.say(get(`${MOUNT}/flows/echo`, ANN));
    await asked;
    client.say(health().repeat(200));
    client.end();
    await abort;
  });

  it('gives up what its client no longer waits for', async () => {
    const host = await start();
    for (const leave of ['end', 'destroy']) {
      host.sim.addFault({ kind: 'hang', method: 'GET', times: 1 });
      const client = connect(host);
      const [asked, abort] = [asking(host), host.sim.waitFor('abort')];
      client.say(get(`${MOUNT}/flows/echo`, ANN));
      await asked;
      client[leave]();
      await abort;
    }
    expect(host.seen).toEqual([]);
  });

  it('is one user’s after another’s, as each request says', async () => {
    const host = await start();
    const client = connect(host);
    const bob = `authorization: Bearer ${tokenOf({ id: 'bob' })}`;
    client.say(run('echo'));
    const { id } = json(await client.answer()).run;
    const status = (...fields) => client.say(get(`${MOUNT}/runs/${id}/status`, ...fields));
    status(bob);
    expect((await client.answer()).status).toBe(404);
    status();
    expect((await client.answer()).status).toBe(401);
    status(ANN, bob);
    expect((await client.answer()).status).toBe(401);
    status(ANN);
    expect((await client.answer()).status).toBe(200);
    expect(host.seen).toEqual([]);
  });

  it('counts for the limit of its client’s address', async () => {
    const host = await start({ options: { ipMax: 1 } });
    const client = connect(host);
    const flows = () => client.say(get(`${MOUNT}/flows`, ANN));
    flows();
    expect((await client.answer()).status).toBe(200);
    flows();
    expect((await client.answer()).status).toBe(429);
    expect(host.seen).toEqual([]);
  });
});

describe('is Node’s again, with the request that is not plain:', () => {
  const cases = {
    'another path': [get('/other'), 418],
    'a path that only begins alike': [get('/api/simulate'), 418],
    'another method': [`HEAD ${MOUNT}/health HTTP/1.1\r\nhost: sim\r\n${ANN}\r\n\r\n`, 200],
    'a body in chunks': [
      `POST ${MOUNT}/flows/echo/run HTTP/1.1\r\nhost: sim\r\n${ANN}\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`,
      202,
    ],
    'a long body': [run('echo', JSON.stringify({ input: { text: 'x'.repeat(20_000) } })), 202],
    'a GET with a body': [`${get(`${MOUNT}/health`, ANN, 'content-length: 2')}{}`, 200],
    'a long head': [health(`x-long: ${'x'.repeat(9000)}`), 200],
    'many fields': [health(...Array.from({ length: 70 }, (_, n) => `x-${n}: ${n}`)), 200],
    'a value that is no ASCII': [health('x-request-id: \xe9'), 200],
    'two lengths': [run('echo', '{}', 'content-length: 3'), 400],
    'a length that is no number': [get(`${MOUNT}/health`, ANN, 'content-length: +2'), 400],
    'a length and chunks': [run('echo', '{}', 'transfer-encoding: chunked'), 400],
    'no host': [`GET ${MOUNT}/health HTTP/1.1\r\n${ANN}\r\n\r\n`, 400],
    'a field over two lines': [health('x-folded: a\r\n b'), 400],
    'a blank before a colon': [health('x-blank : a'), 400],
    'a line feed alone': [`GET ${MOUNT}/health HTTP/1.1\nhost: sim\n${ANN}\n\r\n\r\n`, 400],
    'what is no HTTP': ['\x16\x03\x01 hello\r\n\r\n', 400],
  };
  it.each(Object.entries(cases))('%s', async (_, [request, status]) => {
    const host = await start();
    const client = connect(host);
    client.say(health());
    expect((await client.answer()).status).toBe(200);
    const before = host.seen.length;
    client.say(request);
    const [, answered] = await client.until(/HTTP\/1\.1 (\d+) /);
    expect(Number(answered)).toBe(status);
    expect(host.seen.length - before).toBe(status === 400 ? 0 : 1);
  });

  it('HTTP/1.0, which ends it', async () => {
    const host = await start();
    const client = connect(host);
    client.say(`GET ${MOUNT}/health HTTP/1.0\r\nhost: sim\r\n${ANN}\r\n\r\n`);
    await client.ended;
    expect(client.text).toMatch(/^HTTP\/1\.1 200 /);
    expect(host.seen).toEqual([`GET ${MOUNT}/health`]);
  });

  it('what its client waits with: Expect', async () => {
    const host = await start();
    const client = connect(host);
    const [head, body] = run('echo', '{}', 'expect: 100-continue').split('{');
    client.say(head);
    await client.until(/HTTP\/1\.1 100 Continue\r\n\r\n/);
    client.say(`{${body}`);
    expect((await client.answer()).status).toBe(202);
  });

  it('what takes too long to come', async () => {
    const host = await start();
    const client = connect(host);
    const request = health();
    client.say(request.slice(0, -2));
    // Node has it when it knows of the connection.
    await expect.poll(() => host.sockets[0].parser, { timeout: 5000 }).toBeTruthy();
    client.say(request.slice(-2));
    expect((await client.answer()).status).toBe(200);
    expect(host.seen).toEqual([`GET ${MOUNT}/health`]);
  });

  it('and stays so, with all that follows', async () => {
    const host = await start();
    const client = connect(host);
    client.say(health() + get('/other') + health() + get('/last'));
    expect((await client.answer()).status).toBe(200);
    await client.until(/418[\s\S]*?\/other/);
    expect((await client.answer()).status).toBe(200);
    await client.until(/418[\s\S]*?\/last/);
    expect(host.seen).toEqual(['GET /other', `GET ${MOUNT}/health`, 'GET /last']);
  });
});

describe('is Node’s from the beginning', () => {
  const servers = {
    'where the server has a timeout': { set: (server) => server.setTimeout(60_000) },
    'where the server counts requests': { set: (server) => Object.assign(server, { maxRequestsPerSocket: 9 }) },
    'where the host limits its time': {
      set: (server) => server.on('connection', (socket) => socket.setTimeout(60_000)),
    },
    'where somebody else listens to requests': { attached: (server) => server.on('request', () => {}) },
  };
  it.each(Object.entries(servers))('%s', async (_, options) => {
    const host = await start(options);
    const client = connect(host);
    client.say(health());
    expect((await client.answer()).status).toBe(200);
    expect(host.seen).toEqual([`GET ${MOUNT}/health`]);
  });

  it('over TLS', async () => {
    const tls = selfSigned();
    const host = await start({ tls });
    const status = await new Promise((resolve, reject) => {
      const headers = { authorization: ANN.slice('authorization: '.length) };
      const options = { port: host.port, path: `${MOUNT}/health`, headers, rejectUnauthorized: false };
      https.get(options, (res) => resolve(res.resume().statusCode)).on('error', reject);
    });
    expect([status, host.seen.length]).toEqual([200, 1]);
  });

  it('when its client says nothing, and one that leaves disturbs nobody', async () => {
    const host = await start();
    const client = connect(host);
    await expect.poll(() => host.sockets[0]?.parser, { timeout: 5000 }).toBeTruthy();
    client.say(health());
    expect((await client.answer()).status).toBe(200);
    const silent = connect(host);
    await expect.poll(() => host.sockets.length).toBe(2);
    silent.end();
    await silent.closed;
    expect(host.seen).toEqual([`GET ${MOUNT}/health`]);
  });
});

describe('a stream', () => {
  /** The events of a stream, as they come. */
  const events = (client) => client.until(/HTTP\/1\.1 200 OK\r\n[\s\S]*?transfer-encoding: chunked\r\n\r\n/);

  it('comes whole, and the connection goes on', async () => {
    const host = await start();
    const client = connect(host);
    client.say(run('echo', '{"mode":"stream","input":{"a":1}}'));
    await events(client);
    await client.until(/event: final\ndata: [^\n]*\n\n[\s\S]*?\r\n0\r\n\r\n/);
    client.say(health());
    expect((await client.answer()).status).toBe(200);
    expect(host.seen).toEqual([]);
  });

  it('that breaks off says why', async () => {
    const host = await start({ flows: ['wait'] });
    const client = connect(host);
    client.say(run('wait', '{"mode":"stream"}'));
    await client.until(/event: run\n/);
    await host.adapter.close({ drainMs: 0 });
    const [, error] = await client.until(/event: error\ndata: ([^\n]*)\n\n\r\n0\r\n\r\n/);
    expect(JSON.parse(error).error.code).toBe('shutting_down');
    expect(host.seen).toEqual([]);
  });

  it('is given up when its client leaves', async () => {
    const host = await start({ flows: ['wait'] });
    const client = connect(host);
    client.say(run('wait'));
    const { id } = json(await client.answer()).run;
    client.say(get(`${MOUNT}/runs/${id}/events`, ANN));
    await client.until(/event: status\n/);
    expect(host.adapter.metrics()).toMatch(/^sim_adapter_watchers 1$/m);
    client.destroy();
    await expect.poll(() => host.adapter.metrics()).toMatch(/^sim_adapter_watchers 0$/m);
  });

  /** A token that ends within two seconds. */
  const short = () => {
    const exp = Math.floor(Date.now() / 1000) + 2;
    return `authorization: Bearer ${sign({ id: 'short', user: { id: 'ann' }, exp }, TOKENS.jwtSecret)}`;
  };

  it('ends with its token, also one that ended before it began, and with what its client asked for', async () => {
    const host = await start({ flows: ['wait'] });
    host.sim.addFault({ kind: 'delay', ms: 2500, method: 'POST', path: /execute$/, times: 1 });
    const client = connect(host);
    client.say(post(`${MOUNT}/flows/wait/run`, '{"mode":"stream"}', short(), 'connection: close'));
    await client.until(/event: reauth\ndata: \{\}\n\n\r\n0\r\n\r\n/);
    await client.ended;
  });

  it('ends with its token, and what it started goes on', async () => {
    const host = await start({ flows: ['wait'] });
    const ends = short();
    const started = connect(host);
    started.say(post(`${MOUNT}/flows/wait/run`, '{"mode":"stream"}', ends));
    const [, id] = await started.until(/event: run\ndata: \{"run":\{"id":"([^"]+)"/);
    const watching = connect(host);
    watching.say(get(`${MOUNT}/runs/${id}/events`, ends));
    await started.until(/event: reauth\ndata: \{\}\n\n\r\n0\r\n\r\n/);
    await started.ended;
    await watching.until(/event: reauth\ndata: \{\}\n\n\r\n0\r\n\r\n/);
    watching.say(get(`${MOUNT}/runs/${id}/status`, ANN));
    expect(json(await watching.answer()).run.status).toBe('running');
    expect(host.seen).toEqual([]);
    expect(host.sim.requests.filter(({ path }) => path.includes('cancel'))).toEqual([]);
  });
});

describe('the end', () => {
  it('server.close() ends idle connections and waits for the others', async () => {
    const host = await start();
    const [idle, busy] = [connect(host), connect(host)];
    idle.say(health());
    await idle.answer();
    host.sim.addFault({ kind: 'delay', ms: 300, times: 1 });
    const asked = asking(host);
    busy.say(get(`${MOUNT}/flows/echo`, ANN));
    await asked;
    const closed = new Promise((resolve) => host.server.close(resolve));
    await idle.ended;
    const answer = await busy.answer();
    expect(answer.status).toBe(200);
    await Promise.all([busy.ended, closed]);
  });

  it('closeAllConnections() ends all of them', async () => {
    const host = await start();
    host.sim.addFault({ kind: 'hang', times: 1 });
    const client = connect(host);
    const [asked, abort] = [asking(host), host.sim.waitFor('abort')];
    client.say(get(`${MOUNT}/flows/echo`, ANN));
    await asked;
    host.server.closeAllConnections();
    await Promise.all([client.closed, abort]);
  });

  it('closeAllConnections() ends those, too, that have said nothing', async () => {
    const host = await start();
    const silent = connect(host);
    await expect.poll(() => host.sockets.length).toBe(1);
    await new Promise((resolve) => host.server.close(resolve).closeAllConnections());
    await silent.closed;
  });

  it('of the adapter: what waits is answered, and what comes then hears so from Node', async () => {
    const host = await start();
    const [idle, busy] = [connect(host), connect(host)];
    idle.say(health());
    await idle.answer();
    host.sim.addFault({ kind: 'hang', times: 1 });
    const asked = asking(host);
    busy.say(get(`${MOUNT}/flows/echo`, ANN));
    await asked;
    await host.adapter.close({ drainMs: 0 });
    expect(json(await busy.answer()).error.code).toBe('shutting_down');
    const late = connect(host);
    for (const client of [idle, busy, late]) {
      client.say(health());
      expect(json(await client.answer()).error.code).toBe('shutting_down');
    }
    expect(host.seen).toEqual(Array(3).fill(`GET ${MOUNT}/health`));
    await new Promise((resolve) => host.server.close(resolve));
  });

  it('of the adapter, too: idle connections end with their server, or when their time is up', async () => {
    const host = await start({ set: (server) => Object.assign(server, { keepAliveTimeout: 1000 }) });
    const [first, second] = [connect(host), connect(host)];
    for (const client of [first, second]) {
      client.say(health());
      await client.answer();
    }
    await host.adapter.close({ drainMs: 0 });
    await Promise.all([first.ended, second.ended]);
    const other = await start();
    const third = connect(other);
    third.say(health());
    await third.answer();
    await other.adapter.close({ drainMs: 0 });
    await Promise.all([third.ended, new Promise((resolve) => other.server.close(resolve))]);
  });

  it('of the lane: all connections are Node’s, also those that have said nothing yet', async () => {
    const host = await start({ flows: ['wait'] });
    const [idle, stream, silent] = [connect(host), connect(host), connect(host)];
    stream.say(run('wait', '{"mode":"stream"}'));
    await stream.until(/event: run\n/);
    idle.say(health());
    await idle.answer();
    await expect.poll(() => host.sockets.length).toBe(3);
    host.lane.detach();
    for (const client of [idle, silent]) {
      client.say(health());
      await client.until(/418 [\s\S]*?\/api\/sim\/health/);
    }
    const closed = new Promise((resolve) => host.server.close(resolve).closeAllConnections());
    await Promise.all([closed, stream.closed]);
  });

  it('of one of two servers with an adapter is not that of the other', async () => {
    const host = await start();
    const other = http.createServer(() => {}).listen(0, '127.0.0.1');
    await once(other, 'listening');
    attachFastLane(other, MOUNT, { adapter: host.adapter });
    const [here, there] = [connect(host), connect(other.address())];
    for (const client of [here, there]) {
      client.say(health());
      await client.answer();
    }
    await new Promise((resolve) => other.close(resolve));
    await there.ended;
    here.say(health());
    expect((await here.answer()).status).toBe(200);
    expect(host.seen).toEqual([]);
  });
});

describe('a large body', () => {
  /** A lane before a Sim whose flows are `bytes` long. */
  async function large(bytes) {
    const body = JSON.stringify({ data: { list: 'x'.repeat(bytes) } });
    const sim = http.createServer((_req, res) => res.setHeader('content-type', 'application/json').end(body));
    sim.listen(0, '127.0.0.1');
    await once(sim, 'listening');
    atEnd(() => new Promise((resolve) => sim.close(resolve).closeAllConnections()));
    const baseUrl = `http://127.0.0.1:${sim.address().port}`;
    return start({ options: { baseUrl, apiKey: 'key', workspaceId: undefined, maxAnswerBytes: 64 * 2 ** 20 } });
  }
  const flow = JSON.stringify({ method: 'GET', path: '/api/v2/workflows/f' });

  it('waits for a client that is slow to read, whole, and the next answer follows it', async () => {
    const host = await large(16 * 2 ** 20);
    const client = connect(host);
    client.pause();
    client.say(post(`${MOUNT}/proxy`, flow, ANN) + health());
    // Others are served meanwhile.
    const other = connect(host);
    other.say(health());
    await other.answer();
    client.resume();
    expect(await client.count(/"\}\}/)).toBeGreaterThan(16 * 2 ** 20);
    await client.answer();
    expect(host.seen).toEqual([]);
  });

  it('is never followed by a request that is lost', async () => {
    const host = await large(50_000);
    const client = connect(host);
    for (let round = 0; round < 100; round++) {
      client.say(post(`${MOUNT}/proxy`, flow, ANN) + health(`x-request-id: ${round}`));
      await client.count(/"\}\}/);
      expect((await client.answer()).head.get('x-request-id')).toBe(`${round}`);
    }
    expect(host.seen).toEqual([]);
  });
});
