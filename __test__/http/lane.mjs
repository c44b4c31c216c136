// What the tests of the fast lane's connections share: a server with a lane, and clients that speak HTTP byte by byte. It must
// not know what any single test is about.

import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import { attachFastLane } from '@sigmacode/sim-adapter';
import { TOKENS, tokenOf } from '../contract/support/doors.mjs';
import { atEnd, optionsFor, startAdapter, startSim } from './support.mjs';

export const MOUNT = '/api/sim';
export const ANN = `authorization: Bearer ${tokenOf({ id: 'ann' })}`;

/** The requests that Node read, as they come. Listening to them would keep all connections Node's. */
export function watchRequests(server) {
  const seen = [];
  const { emit } = server;
  server.emit = (name, ...rest) => {
    if (name === 'request') seen.push(`${rest[0].method} ${rest[0].url}`);
    return emit.call(server, name, ...rest);
  };
  return seen;
}

/**
 * A Sim, and a server with the lane; `seen` are the requests that Node read, `sockets` its ends of the connections. The
 * application answers 418 with the URL.
 */
export async function start({ flows = ['echo'], options = {}, set = () => {}, attached = () => {}, tls, sim } = {}) {
  sim ??= await startSim(flows);
  const adapter = startAdapter(null, { ...optionsFor(sim), ...TOKENS, ...options });
  const listener = (req, res) => res.writeHead(418).end(req.url);
  const server = tls ? https.createServer(tls, listener) : http.createServer(listener);
  set(server);
  const lane = attachFastLane(server, MOUNT, { adapter });
  attached(server);
  const seen = watchRequests(server);
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

export const connect = ({ port }, options) => new Client(port, options);

/** Resolves when Sim has read a request. */
export const asking = ({ sim }) => new Promise((resolve) => sim.once('request', resolve));

export const get = (path, ...fields) => [`GET ${path} HTTP/1.1`, 'host: sim', ...fields, '', ''].join('\r\n');
export const post = (path, body, ...fields) =>
  [`POST ${path} HTTP/1.1`, 'host: sim', `content-length: ${body.length}`, ...fields, '', body].join('\r\n');
export const health = (...fields) => get(`${MOUNT}/health`, ANN, ...fields);
export const run = (flow, body = '{}', ...fields) => post(`${MOUNT}/flows/${flow}/run`, body, ANN, ...fields);
export const json = ({ body }) => JSON.parse(body);
