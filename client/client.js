// The adapter's routes as functions. It knows paths and bodies; how a request gets there is the transport's affair.

import { streamRun, watchRun } from './events.js';
import { Transport } from './transport.js';

const TIMING = { firstRetryMs: 500, longestRetryMs: 15_000, silentMs: 45_000 };

/**
 * A key for one gesture. `crypto.randomUUID` is missing on pages without HTTPS, where LibreChat may well be.
 *
 * @returns {string}
 */
export function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/**
 * @param {import('./index.js').ClientOptions} options
 * @returns {import('./index.js').SimClient}
 */
export function createClient(options) {
  const transport = new Transport(options);
  const timing = { ...TIMING, ...options.timing };
  const { socket } = options;
  /** @type {Set<() => void>} */
  const creations = new Set();
  const flowPath = (/** @type {string} */ id, rest = '') => `/flows/${encodeURIComponent(id)}${rest}`;
  const runPath = (/** @type {string} */ id, /** @type {string} */ rest) => `/runs/${encodeURIComponent(id)}${rest}`;
  const runOf = (/** @type {{run: any}} */ answer) => answer.run;

  return {
    config: ({ signal } = {}) => transport.json('GET', '/config', { signal }).then(({ config }) => config),
    flows: ({ cursor, limit, signal } = {}) => {
      const query = new URLSearchParams();
      if (cursor) query.set('cursor', cursor);
      if (limit) query.set('limit', String(limit));
      const asked = query.toString();
      return transport.json('GET', `/flows${asked && `?${asked}`}`, { signal });
    },
    flow: (id, { signal } = {}) => transport.json('GET', flowPath(id), { signal }).then(({ flow }) => flow),
    createFlow: async (body) => {
      const { flow } = await transport.json('POST', '/flows/create', { body });
      for (const listener of creations) listener();
      return flow;
    },
    onFlowCreated: (listener) => {
      creations.add(listener);
      return () => {
        creations.delete(listener);
      };
    },
    runFlow: (id, { input = {}, idempotencyKey = newKey(), signal } = {}) => {
      const body = { input, mode: 'async' };
      const headers = { 'idempotency-key': `"${idempotencyKey}"` };
      return transport.json('POST', flowPath(id, '/run'), { body, headers, signal }).then(runOf);
    },
    streamRun: (id, { input = {}, idempotencyKey = newKey(), signal } = {}) =>
      streamRun(transport, id, { input, key: idempotencyKey, signal, timing, socket }),
    run: (id, { signal } = {}) => transport.json('GET', runPath(id, '/status'), { signal }).then(runOf),
    watchRun: (id, { signal } = {}) => watchRun(transport, id, { signal, timing, socket }),
    cancelRun: (id) => transport.json('POST', runPath(id, '/cancel')).then(runOf),
    resumeRun: (id, { input = {}, contextId } = {}) => {
      const body = { input, ...(contextId && { contextId }) };
      return transport.json('POST', runPath(id, '/resume'), { body }).then(runOf);
    },
  };
}
