'use strict';

// Clients' connections whose first request is the adapter's: it serves them by itself, past Node's HTTP server, and gives
// them back with the first request that is not its own, or that is unusual. It knows no HTTP but the beginning of a request.

const http = require('node:http');

const { descriptorOf, isPlain } = require('./socket.js');
const { isTracing } = require('./tracing.js');

/** How long a client may say nothing before its connection is Node's, which has limits of its own. */
const SILENT_MS = 1000;
/** The longest that a timer can run. */
const LONGEST_MS = 0x7fffffff;
/** How much of a request tells whose it is, in bytes. */
const BEGINNING = 256;

/** A connection that breaks off has nobody else to tell while it is not Node's. */
const ignore = () => {};

/** What a request for `mount` or below begins with. */
const beginning = (mount) => new RegExp(`^(?:GET|POST) ${mount.replace(/[.~-]/g, '\\$&')}[/? ]`);

/** Node believes that it reads: it was not asked to stop. */
function readOn(handle) {
  handle.reading = true;
  handle.readStart();
}

/** @typedef {import('node:net').Socket} Socket */

class Connections {
  #server;
  #mount;
  #bridge;
  #ipHeader;
  #ours;
  #attached = false;
  /** Those that nobody serves: their clients have said nothing yet, or nothing since the last answer. @type {Set<Socket>} */
  #silent = new Set();
  /** Those of them that had an answer. @type {Set<Socket>} */
  #idle = new Set();
  /** Those that the adapter serves now, and its numbers for them. @type {Map<Socket, number>} */
  #lent = new Map();
  /** Those of them that end with what is under way. @type {Set<Socket>} */
  #ending = new Set();
  /** Node waits for no socket that it does not read. */
  #awake;
  #restore = ignore;

  /**
   * @param {import('node:http').Server} server
   * @param {string} mount
   * @param {import('./bridge.js').Bridge} bridge
   * @param {string | undefined} ipHeader which says the client's address, where the connection's own is not meant
   */
  constructor(server, mount, bridge, ipHeader) {
    this.#server = server;
    this.#mount = mount;
    this.#bridge = bridge;
    this.#ipHeader = ipHeader;
    this.#ours = beginning(mount);
  }

  /** Takes the place of Node's own listener, where the server has it. */
  attach() {
    const server = this.#server;
    const { closeIdleConnections, closeAllConnections } = server;
    if (!(server instanceof http.Server) || !server.listeners('connection').includes(http._connectionListener)) return;
    this.#attached = true;
    server.off('connection', http._connectionListener).on('connection', this.#onConnection);
    Object.assign(server, {
      closeIdleConnections: () => {
        for (const socket of this.#idle) socket.destroy();
        for (const socket of this.#lent.keys()) this.#ending.add(socket);
        this.#recall();
        closeIdleConnections.call(server);
      },
      closeAllConnections: () => {
        for (const socket of [...this.#silent, ...this.#lent.keys()]) socket.destroy();
        closeAllConnections.call(server);
      },
    });
    this.#restore = () => Object.assign(server, { closeIdleConnections, closeAllConnections });
  }

  /** Undoes that; connections that the adapter serves are Node's after what is under way. */
  detach() {
    if (!this.#attached) return;
    this.#attached = false;
    this.#server.off('connection', this.#onConnection).on('connection', http._connectionListener);
    this.#recall();
    this.#leave();
  }

  #recall() {
    for (const number of this.#lent.values()) this.#bridge.recall(number);
  }

  /** After the last connection a server that was given back is as it was. */
  #leave() {
    if (!this.#attached && this.#lent.size === 0 && this.#silent.size === 0) this.#restore();
  }

  #toNode(socket) {
    http._connectionListener.call(this.#server, socket);
  }

  #onConnection = (socket) => {
    if (!isPlain(socket) || !this.#mayLend(socket)) return this.#toNode(socket);
    this.#waitFor(socket, SILENT_MS, (decide) => decide());
  };

  /** Waits until the client says something: that decides who serves it. */
  #waitFor(socket, ms, late) {
    const forget = () => {
      clearTimeout(timer);
      this.#silent.delete(socket);
      this.#idle.delete(socket);
      socket.off('readable', decide).off('close', forget).off('error', ignore);
      this.#leave();
    };
    const decide = () => {
      forget();
      const first = socket.read();
      if (first !== null && this.#isOurs(first) && this.#lend(socket, first)) return;
      if (first !== null) socket.unshift(first);
      this.#toNode(socket);
    };
    const timer = setTimeout(late, ms, decide);
    this.#silent.add(socket);
    socket.on('readable', decide).on('close', forget).on('error', ignore);
  }

  #isOurs(first) {
    return this.#ours.test(first.toString('latin1', 0, BEGINNING));
  }

  /** Not where somebody would miss what Node counts, limits or tells of its connections and requests. */
  #mayLend(socket) {
    const server = this.#server;
    if (!this.#attached || !server.listening || isTracing() || server.listenerCount('request') !== 1) return false;
    return !socket.timeout && !server.timeout && !server.maxRequestsPerSocket;
  }

  /** What `NativeTerms` in native.d.ts says. */
  #terms({ remoteAddress }) {
    return {
      mount: this.#mount,
      ip: this.#bridge.limitsIps && this.#ipHeader === undefined ? remoteAddress : undefined,
      ipHeader: this.#ipHeader,
      keepAliveMs: this.#keepAliveMs(),
    };
  }

  /** Whether the adapter serves the connection now. */
  #lend(socket, first) {
    const bridge = this.#bridge;
    const fd = descriptorOf(socket);
    const handle = socket._handle;
    // Not Node's public API either.
    if (fd === undefined || typeof handle.readStop !== 'function' || !this.#mayLend(socket)) return false;
    handle.readStop();
    const number = bridge.adopt(fd, first, this.#terms(socket), (unread) => {
      socket.off('close', closed).off('error', ignore);
      const ending = this.#ending.has(socket);
      this.#noLonger(socket);
      if (unread === undefined || (ending && unread.length === 0)) return socket.destroy();
      readOn(handle);
      if (unread.length === 0) return this.#rest(socket);
      socket.unshift(unread);
      this.#toNode(socket);
    });
    if (number === 0) {
      readOn(handle);
      return false;
    }
    const closed = () => {
      this.#noLonger(socket);
      bridge.forget(number);
    };
    socket.on('close', closed).on('error', ignore);
    if (this.#lent.size === 0) this.#awake = setInterval(ignore, LONGEST_MS);
    this.#lent.set(socket, number);
    return true;
  }

  /** Node would take it for one that has not been answered yet, and `server.close()` would wait for it. */
  #rest(socket) {
    this.#idle.add(socket);
    this.#waitFor(socket, this.#keepAliveMs() || LONGEST_MS, () => socket.destroy());
  }

  #keepAliveMs() {
    const { keepAliveTimeout } = this.#server;
    return keepAliveTimeout > 0 ? Math.min(keepAliveTimeout, LONGEST_MS) : 0;
  }

  #noLonger(socket) {
    this.#lent.delete(socket);
    this.#ending.delete(socket);
    if (this.#lent.size === 0) clearInterval(this.#awake);
    this.#leave();
  }
}

module.exports = { Connections };
