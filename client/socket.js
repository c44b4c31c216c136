// A run's events over the page's own Socket.io connection: what docs/realtime.md says a client does. It knows the socket by
// the members it uses, and nothing of tokens.

import { networkError, SimError } from './error.js';

/** What HTTP would say of a refusal that asking again does not mend. */
const STATUS = /** @type {Record<string, number>} */ ({
  invalid_request: 400,
  unauthenticated: 401,
  forbidden: 403,
  plan_required: 403,
  not_found: 404,
});

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
 * `open` once the run is joined, then its events; throws when the connection is lost or the run is refused.
 *
 * @param {import('./index.js').RunSocket} socket
 * @param {string} run
 * @param {{lastEventId: string, signal?: AbortSignal | undefined, silentMs: number}} options
 * @returns {AsyncGenerator<{event: string, id: string, data: any}, void>}
 */
export async function* readSocket(socket, run, { lastEventId, signal, silentMs }) {
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
  const lose = () => fail(networkError());
  const abort = () => fail(signal?.reason);
  count(socket, run, 1);
  socket.on('sim:event', hear);
  socket.on('disconnect', lose);
  signal?.addEventListener('abort', abort);
  try {
    const joined = socket.timeout(silentMs).emitWithAck('sim:join', { run, ...(lastEventId && { lastEventId }) });
    const { error } = await Promise.race([gone, joined.catch(lose).then((answer) => answer ?? gone)]);
    if (error) throw new SimError(error, { status: STATUS[error.code] ?? 502 });
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
