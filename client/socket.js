// A run's events over the page's own Socket.io connection: what docs/realtime.md says a client does. It knows the socket by
// the members it uses, and nothing of tokens.

import { networkError, toldError } from './error.js';

/** How long a join may go unanswered. A gateway answers once it has the run's state; a server without one never does. */
const JOIN_MS = 5000;

/** What `readSocket` throws when nobody at the other end knows of runs. */
export class NoGatewayError extends Error {}

/** Sockets whose server did not answer a join. */
const deaf = new WeakSet();

/** Whether a join is worth the wait: once in vain is enough for a connection. */
export const isDeaf = (/** @type {import('./index.js').RunSocket} */ socket) => deaf.has(socket);

/** @param {import('./index.js').RunSocket} socket */
function giveUp(socket) {
  deaf.add(socket);
  const again = () => {
    deaf.delete(socket);
    socket.off('connect', again);
  };
  socket.on('connect', again);
}

/**
 * How many follow each run on a socket: the last one to go leaves.
 *
 * @type {WeakMap<object, Map<string, number>>}
 */
const followers = new WeakMap();

/** @param {object} socket @param {string} run @param {1 | -1} by */
function count(socket, run, by) {
  const runs = followers.get(socket) ?? new Map();
  followers.set(socket, runs);
  const left = (runs.get(run) ?? 0) + by;
  if (left > 0) runs.set(run, left);
  else runs.delete(run);
  return left;
}

/**
 * `open` once the run is joined, then its events; throws when the connection is lost or the run is refused, and a
 * `NoGatewayError` when the join is not answered.
 *
 * @param {import('./index.js').RunSocket} socket
 * @param {string} run
 * @param {{lastEventId: string, signal?: AbortSignal | undefined, silentMs: number}} options
 * @returns {AsyncGenerator<{event: string, id: string, data: any}, void>}
 */
export async function* readSocket(socket, run, { lastEventId, signal, silentMs }) {
  signal?.throwIfAborted();
  /** @type {any[]} */
  const events = [];
  let wake = () => {};
  /** @type {(reason: unknown) => void} */
  let fail = () => {};
  const gone = new Promise((_, reject) => {
    fail = reject;
  });
  gone.catch(() => {});
  const hear = (/** @type {any} */ event) => {
    if (event.run !== run) return;
    events.push(event);
    wake();
  };
  const lose = (/** @type {string} */ reason) => {
    // Socket.io connects again by itself, but not when it was the server that said goodbye.
    if (reason === 'io server disconnect' && !socket.active) socket.connect();
    fail(networkError());
  };
  const abort = () => fail(signal?.reason);
  count(socket, run, 1);
  socket.on('sim:event', hear);
  socket.on('disconnect', lose);
  signal?.addEventListener('abort', abort);
  try {
    const request = { run, ...(lastEventId && { lastEventId }) };
    const joined = socket.timeout(Math.min(silentMs, JOIN_MS)).emitWithAck('sim:join', request);
    const answer = await Promise.race([gone, joined.catch(() => undefined)]);
    if (answer?.error?.code) throw toldError(answer.error);
    if (!answer?.ok) {
      giveUp(socket);
      throw new NoGatewayError();
    }
    yield { event: 'open', id: '', data: {} };
    for (;;) {
      while (events.length > 0) yield events.shift();
      await Promise.race([
        gone,
        new Promise((resolve) => {
          wake = () => resolve(undefined);
        }),
      ]);
    }
  } finally {
    socket.off('sim:event', hear);
    socket.off('disconnect', lose);
    signal?.removeEventListener('abort', abort);
    if (count(socket, run, -1) <= 0 && socket.connected) socket.emit('sim:leave', { run });
  }
}
