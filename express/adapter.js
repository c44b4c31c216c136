'use strict';

// The adapter as a Node API: each method is a route of the HTTP contract, called without HTTP.

const { Bridge } = require('./bridge.js');
const { SimError } = require('./error.js');
const { EventStream } = require('./events.js');
const { readHead } = require('./head.js');
const { describeUser, text } = require('./user.js');
const { WholeAnswer } = require('./whole.js');

/** The longest a timer can run, and the longest time that may be asked for. */
const LONGEST_MS = 0x7fffffff;

/** A time that the addon can take: it would read another number as whatever is left of its bits. */
function checkMs(name, value, least) {
  if (Number.isInteger(value) && value >= least && value <= LONGEST_MS) return;
  throw new TypeError(`${name} must be a whole number of milliseconds from ${least} to ${LONGEST_MS}`);
}

/** An id as part of a path. One that is empty or no text becomes one that no id can be, never another route. */
const segment = (id) => encodeURIComponent(String(id ?? '').toWellFormed()) || '%00';

class SimAdapter {
  /** Not private: the router speaks to it without the detour over promises. */
  bridge;
  #awaited = 0;
  #keepAlive;

  constructor(options) {
    this.bridge = new Bridge(options);
  }

  async health(options) {
    return this.#call('GET', '/health', undefined, options);
  }

  async createFlow(draft, options) {
    return this.#call('POST', '/flows/create', draft, options);
  }

  async listFlows({ cursor, limit, ...options } = {}) {
    const query = new URLSearchParams();
    if (cursor !== undefined && cursor !== null) query.set('cursor', cursor);
    if (limit !== undefined) query.set('limit', String(limit));
    return this.#call('GET', query.size > 0 ? `/flows?${query}` : '/flows', undefined, options);
  }

  async getFlow(flowId, options) {
    return this.#call('GET', `/flows/${segment(flowId)}`, undefined, options);
  }

  async runFlow(flowId, { input, mode, timeoutMs, ...options } = {}) {
    if (mode === 'stream') throw new TypeError("mode 'stream' is streamRun()'s");
    // In `sync` mode the time-out is the wait for the run, and the answer says how far it came.
    const body = mode === 'sync' ? { input, mode, timeoutMs } : { input, mode };
    const limit = mode === 'sync' ? options : { timeoutMs, ...options };
    return this.#call('POST', `/flows/${segment(flowId)}/run`, body, limit);
  }

  async runStatus(runId, options) {
    return this.#call('GET', `/runs/${segment(runId)}/status`, undefined, options);
  }

  async cancelRun(runId, options) {
    return this.#call('POST', `/runs/${segment(runId)}/cancel`, undefined, options);
  }

  async resumeRun(runId, { input, contextId, ...options } = {}) {
    return this.#call('POST', `/runs/${segment(runId)}/resume`, { input, contextId }, options);
  }

  /** Starts a run and yields its events as they come. Whoever stops iterating stops the run. */
  streamRun(flowId, { input, selectedOutputs, ...options } = {}) {
    const body = { input, mode: 'stream', selectedOutputs };
    return this.#stream('POST', `/flows/${segment(flowId)}/run`, body, options);
  }

  /** Yields a run's `status` on each change until it has ended. */
  watchRun(runId, options) {
    return this.#stream('GET', `/runs/${segment(runId)}/events`, undefined, options);
  }

  async proxy(request, options) {
    return this.#call('POST', '/proxy', request, options);
  }

  /** What was counted since the start, for Prometheus. Cheap enough for every scrape; works also after `close`. */
  metrics() {
    return this.bridge.metrics();
  }

  async close({ drainMs = 5000 } = {}) {
    checkMs('drainMs', drainMs, 0);
    return this.#await(this.bridge.close(drainMs));
  }

  /** Without `user` it is the host's own call. A `user` that is nobody is one who has not signed in. */
  async #request(method, url, { timeoutMs, idempotencyKey, lastEventId, requestId, ...given }) {
    const { user, ip, authorization } = given;
    if (timeoutMs !== undefined) checkMs('timeoutMs', timeoutMs, 1);
    return {
      method,
      url,
      mount: '',
      host: !('user' in given),
      ...describeUser(user),
      plan: user ? text(await this.bridge.planOf(user)) : undefined,
      // Of a client of the host's that came without HTTP.
      ip: text(ip),
      authorization,
      requestId: text(requestId),
      idempotencyKey: text(idempotencyKey),
      lastEventId: text(lastEventId),
      timeoutMs,
    };
  }

  async *#stream(method, url, body, options = {}) {
    const { signal, user } = options;
    const request = await this.#request(method, url, options);
    signal?.throwIfAborted();
    const events = new EventStream(this.bridge, toError, (promise) => this.#await(promise));
    const json = body === undefined ? undefined : JSON.stringify(body);
    events.call = this.bridge.submit(request, json, events, user);
    const stop = () => events.abort(signal.reason);
    signal?.addEventListener('abort', stop, { once: true });
    try {
      yield* events;
    } finally {
      signal?.removeEventListener('abort', stop);
    }
  }

  async #call(method, url, body, options = {}) {
    const { signal, user } = options;
    const request = await this.#request(method, url, options);
    const answer = new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const stop = () => {
        this.bridge.cancel(call);
        reject(signal.reason);
      };
      const receive = (status, head, body) => {
        signal?.removeEventListener('abort', stop);
        const json = JSON.parse(body);
        if (status < 400 || json?.error === undefined) resolve(json);
        else reject(toError(status, head, body));
      };
      const json = body === undefined ? undefined : JSON.stringify(body);
      const call = this.bridge.submit(request, json, new WholeAnswer(receive), user);
      if (call !== undefined) signal?.addEventListener('abort', stop, { once: true });
    });
    return this.#await(answer);
  }

  async #await(promise) {
    const release = this.#hold();
    try {
      return await promise;
    } finally {
      release();
    }
  }

  /** Keeps the process alive while somebody waits; the addon itself does not. */
  #hold() {
    if (this.#awaited++ === 0) this.#keepAlive = setInterval(() => this, LONGEST_MS);
    return () => {
      if (--this.#awaited === 0) clearInterval(this.#keepAlive);
    };
  }
}

/** The error in an answer. */
function toError(status, head, body) {
  const { error } = JSON.parse(body);
  const retryAfter = readHead(head)['retry-after'];
  return new SimError(error, status, { retryAfterMs: retryAfter && Number(retryAfter) * 1000 });
}

module.exports = { SimAdapter };
