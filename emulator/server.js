'use strict';

/**
 * The listening socket: connections, the record of requests, latency, faults, and clients that go away. What a request
 * means is the router's affair.
 */

const { randomBytes } = require('node:crypto');
const http = require('node:http');
const https = require('node:https');
const { setTimeout: delay } = require('node:timers/promises');
const { reset } = require('./faults');
const { json, readBody, send } = require('./http');

/** Requests beyond this number are forgotten, oldest first, some at a time. */
const MAX_REQUESTS = 100_000;
const FORGET_AT_ONCE = 1000;

class Server {
  #server;
  #sockets = new Set();
  #numbers = new WeakMap();
  #connections = 0;
  requests = [];

  /** `answer(request)` gives the reply; `notify(event, value)` hears of requests and departures. */
  constructor({ tls, latency, faults, answer, notify }) {
    Object.assign(this, { latency, faults, answer, notify });
    const listener = (req, res) => this.#serve(req, res);
    this.#server = tls ? https.createServer(tls, listener) : http.createServer(listener);
    this.#server.on('connection', (socket) => this.#connected(socket));
    this.#server.on(tls ? 'secureConnection' : 'connection', (socket) => {
      this.#connections += 1;
      this.#numbers.set(socket, this.#connections);
      socket.on('error', () => {});
    });
    this.#server.on('tlsClientError', () => {});
  }

  /** Listens and answers the port. */
  async listen(port, host) {
    await new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, host, resolve);
    });
    return this.#server.address().port;
  }

  async close() {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) {
      socket.destroy();
    }
    await closed;
  }

  #connected(socket) {
    if (this.faults.refusesConnection()) {
      socket.on('error', () => {});
      reset(socket);
      return;
    }
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
  }

  async #serve(req, res) {
    try {
      await this.#handle(req, res);
    } catch (error) {
      // A client that leaves while it still sends is its own affair; anything else is a defect of this emulator.
      if (req.complete && !res.headersSent && !res.destroyed) {
        await send(res, json(500, { error: `emulator: ${error.message}` }), new AbortController().signal);
      } else {
        res.destroy();
      }
    }
  }

  async #handle(req, res) {
    const query = req.url.indexOf('?');
    const path = query === -1 ? req.url : req.url.slice(0, query);
    const rule = this.faults.match(req.method, path);
    if (rule?.kind === 'refuse') {
      reset(req.socket);
      return;
    }
    const { body, tooLarge } = await readBody(req);
    const record = this.#record(req, body);
    const departure = this.#watch(res, record, rule);
    const request = {
      method: req.method,
      path,
      query: new URLSearchParams(query === -1 ? '' : req.url.slice(query)),
      headers: req.headers,
      body,
      tooLarge,
      requestId: randomBytes(4).toString('hex'),
      onAbandoned: departure.onAbandoned,
    };
    await this.#lag(record);
    const answer = () => this.answer(request);
    if (rule) {
      await this.faults.inflict(rule, { answer, res, signal: departure.signal });
    } else {
      await send(res, await answer(), departure.signal);
    }
  }

  #record(req, body) {
    const record = {
      method: req.method,
      path: req.url,
      headers: req.headers,
      rawHeaders: req.rawHeaders,
      body,
      at: Date.now(),
      connection: this.#numbers.get(req.socket),
    };
    this.requests.push(record);
    if (this.requests.length > MAX_REQUESTS) {
      this.requests.splice(0, FORGET_AT_ONCE);
    }
    this.notify('request', record);
    return record;
  }

  /** Notices that the connection ended before the answer did; only a client's own departure is told as `abort`. */
  #watch(res, request, rule) {
    const gone = new AbortController();
    let abandoned = () => {};
    let run = null;
    res.on('close', () => {
      if (res.writableFinished) {
        return;
      }
      gone.abort();
      abandoned();
      if (!rule || rule.kind === 'hang' || rule.kind === 'delay') {
        this.notify('abort', { request, run });
      }
    });
    const onAbandoned = (cancel, started) => {
      run = started;
      abandoned = cancel;
      if (gone.signal.aborted) {
        cancel();
      }
    };
    return { signal: gone.signal, onAbandoned };
  }

  async #lag(record) {
    const ms = typeof this.latency === 'function' ? this.latency(record) : this.latency;
    if (ms > 0) {
      await delay(ms);
    }
  }
}

module.exports = { Server };
