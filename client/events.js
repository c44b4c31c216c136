// A run's events, whatever becomes of the connection: watched with `Last-Event-ID`, started with one key. It knows
// nothing of tokens and nothing of what is done with the events.

import { networkError, SimError, toldError } from './error.js';
import { isDeaf, NoGatewayError, readSocket } from './socket.js';
import { readEvents } from './sse.js';

const FINAL = ['completed', 'failed', 'cancelled'];

/** How often a start is sent (always with the same key) while no answer comes. */
const STARTS = 4;

/**
 * Whether a run in this status has ended for good. A paused one has not.
 *
 * @param {string | undefined} status
 */
export const isFinal = (status) => status !== undefined && FINAL.includes(status);

/** @typedef {import('./index.js').RunEvent} RunEvent */
/** @typedef {Required<import('./index.js').Timing>} Timing */
/** @typedef {import('./transport.js').Transport} Transport */

/** Waits that double from `firstRetryMs` to `longestRetryMs`, each spread over its upper half. */
class Backoff {
  #timing;
  #tries = 0;

  /** @param {Timing} timing */
  constructor(timing) {
    this.#timing = timing;
  }

  reset() {
    this.#tries = 0;
  }

  /** @param {SimError | undefined} error its `Retry-After` is the least there is to wait */
  next(error) {
    const { firstRetryMs, longestRetryMs } = this.#timing;
    const longest = Math.min(longestRetryMs, firstRetryMs * 2 ** this.#tries++);
    return Math.max((longest * (1 + Math.random())) / 2, error?.retryAfterMs ?? 0);
  }
}

/**
 * Waits, but no longer than until the browser says that it is online again.
 *
 * @param {number} ms
 * @param {AbortSignal | undefined} signal
 */
function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const stop = (/** @type {() => void} */ then) => () => {
      clearTimeout(timer);
      globalThis.removeEventListener?.('online', awake);
      signal?.removeEventListener('abort', aborted);
      then();
    };
    const awake = stop(() => resolve(undefined));
    const aborted = stop(() => reject(signal?.reason));
    const timer = setTimeout(awake, ms);
    globalThis.addEventListener?.('online', awake);
    signal?.addEventListener('abort', aborted);
    if (signal?.aborted) aborted();
  });
}

/** @param {string} data @returns {any} */
function parse(data) {
  try {
    return JSON.parse(data);
  } catch (error) {
    throw networkError(error);
  }
}

/**
 * Decides what follows a failure: throws it when the caller gave up or nothing is to be hoped for.
 *
 * @param {unknown} error
 * @param {AbortSignal | undefined} signal
 * @returns {SimError}
 */
function passing(error, signal) {
  if (signal?.aborted) throw signal.reason;
  const known = error instanceof SimError ? error : networkError(error);
  if (!known.passes) throw known;
  return known;
}

/**
 * `open` once the answer is there, then its events.
 *
 * @param {Transport} transport
 * @param {'GET' | 'POST'} method
 * @param {string} path
 * @param {{headers?: Record<string, string>, body?: object, signal?: AbortSignal | undefined, silentMs: number}} options
 * @returns {AsyncGenerator<{event: string, id: string, data: any}, void>}
 */
async function* readHttp(transport, method, path, { headers, body, signal, silentMs }) {
  const all = { accept: 'text/event-stream', ...headers };
  const { body: events } = await transport.open(method, path, { body, signal, headers: all });
  try {
    yield { event: 'open', id: '', data: {} };
    for await (const { event, id, data } of readEvents(/** @type {any} */ (events), silentMs)) {
      yield { event, id, data: parse(data) };
    }
  } finally {
    // Whoever left before the first event has never read it.
    if (events && !events.locked) events.cancel().catch(() => {});
  }
}

/**
 * `status` events until the run has ended, over as many connections as it takes.
 *
 * @param {Transport} transport
 * @param {string} runId
 * @param {{signal?: AbortSignal | undefined, timing: Timing, socket?: import('./index.js').RunSocket | undefined}} options
 * @returns {AsyncGenerator<RunEvent, void>}
 */
export async function* watchRun(transport, runId, { signal, timing, socket }) {
  const backoff = new Backoff(timing);
  const path = `/runs/${encodeURIComponent(runId)}/events`;
  let lastEventId = '';
  let renewed = false;
  for (;;) {
    signal?.throwIfAborted();
    /** @type {SimError | undefined} */
    let lost;
    const fresh = renewed;
    renewed = false;
    const begun = Date.now();
    const { silentMs } = timing;
    const overSocket = socket !== undefined && !isDeaf(socket) ? socket : null;
    const headers = lastEventId ? { 'last-event-id': lastEventId } : {};
    const renew = async () => {
      await transport.renew();
      signal?.throwIfAborted();
      // What the socket says of itself is said when it connects.
      overSocket?.disconnect().connect();
    };
    try {
      for await (const { event, data: value, id } of overSocket
        ? readSocket(overSocket, runId, { lastEventId, signal, silentMs })
        : readHttp(transport, 'GET', path, { headers, signal, silentMs })) {
        if (event === 'open') yield { type: 'connection', state: 'open' };
        if (event === 'reauth') {
          await renew();
          renewed = true;
          break;
        }
        if (event === 'error') throw toldError(value.error);
        if (event !== 'status') continue;
        lastEventId = id;
        backoff.reset();
        yield { type: 'status', run: value.run };
        if (isFinal(value.run.status)) return;
      }
    } catch (error) {
      if (error instanceof NoGatewayError) continue;
      // A request renews its token itself; a socket that connected with an old one has to connect again.
      if (overSocket && !fresh && /** @type {any} */ (error)?.code === 'unauthenticated') {
        await renew();
        renewed = true;
      } else {
        lost = passing(error, signal);
      }
    }
    if (renewed && Date.now() - begun > timing.firstRetryMs) continue;
    const retryInMs = backoff.next(lost);
    // New tokens that are refused at once must not become a storm of requests; for a person nothing was lost.
    if (!renewed) yield { type: 'connection', state: 'lost', retryInMs, error: lost ?? networkError() };
    await pause(retryInMs, signal);
  }
}

/**
 * Starts a run and gives its events. A start without an answer is sent again with the same key, so there is one run. A
 * stream that breaks off after the run is known goes on with `status` events; the last event is `final` either way.
 *
 * @param {Transport} transport
 * @param {string} flowId
 * @param {{input: object, key: string, signal?: AbortSignal | undefined, timing: Timing, socket?: import('./index.js').RunSocket | undefined}} options
 * @returns {AsyncGenerator<RunEvent, void>}
 */
export async function* streamRun(transport, flowId, { input, key, signal, timing, socket }) {
  const backoff = new Backoff(timing);
  const path = `/flows/${encodeURIComponent(flowId)}/run`;
  const request = { body: { mode: 'stream', input }, headers: { 'idempotency-key': `"${key}"` } };
  /** @type {import('./index.js').RunReceipt | undefined} */
  let run;
  for (let tries = 1; run === undefined; tries += 1) {
    /** @type {SimError} */
    let lost = networkError();
    try {
      const options = { ...request, signal, silentMs: timing.silentMs };
      for await (const { event, data: value } of readHttp(transport, 'POST', path, options)) {
        if (event === 'reauth') {
          await transport.renew();
          lost = toldError({ code: 'unauthenticated', message: 'the new token is not accepted either' });
          break;
        }
        if (event === 'error' && value.error) throw toldError(value.error);
        if (event === 'run') run = value.run;
        yield event === 'open' ? { type: 'connection', state: 'open' } : { type: event, ...value };
        if (event === 'final') return;
      }
    } catch (error) {
      lost = passing(error, signal);
      // An answer that says no is for the person who started it; only silence is tried again.
      if (run === undefined && (lost.code !== 'network' || tries === STARTS)) throw lost;
    }
    if (run !== undefined) break;
    if (tries === STARTS) throw lost;
    const retryInMs = backoff.next(lost);
    // A token that was renewed is no loss for a person.
    if (lost.code === 'network') yield { type: 'connection', state: 'lost', retryInMs, error: lost };
    await pause(retryInMs, signal);
  }
  for await (const event of watchRun(transport, run.id, { signal, timing, socket })) {
    const ended = event.type === 'status' && isFinal(event.run.status);
    yield ended ? { type: 'final', run: event.run } : event;
  }
}
