// The two ways into the adapter, with one face: the methods of `SimAdapter`, and the routes of `simRouter()` over HTTP.
// Each call resolves to the answer's JSON or rejects with `{code, status, details, retryAfterMs}`.

import { once } from 'node:events';
import { createRequire } from 'node:module';
import express from 'express';

const { simRouter, SimError } = createRequire(import.meta.url)('../../../index.js');

export const DOORS = ['SimAdapter', 'simRouter'];

/** Through the class; `user` is who asks. */
export function classDoor(adapter, user) {
  return {
    health: () => adapter.health(),
    createFlow: (draft) => adapter.createFlow(draft, { user }),
    listFlows: (page) => adapter.listFlows({ ...page, user }),
    getFlow: (id) => adapter.getFlow(id, { user }),
    runFlow: (id, options) => adapter.runFlow(id, { ...options, user }),
    runStatus: (id) => adapter.runStatus(id, { user }),
    cancelRun: (id) => adapter.cancelRun(id, { user }),
    resumeRun: (id, options) => adapter.resumeRun(id, { ...options, user }),
    close: async () => {},
  };
}

/** Through HTTP, mounted as in LibreChat: signed in, after `express.json`. */
export async function routerDoor(adapter, user) {
  const app = express();
  app.use((req, _res, next) => {
    req.user = user;
    next();
  });
  app.use('/api/sim', express.json(), simRouter({ adapter }));
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const base = `http://127.0.0.1:${server.address().port}/api/sim`;

  async function exchange(method, path, { body, headers = {} } = {}) {
    const response = await fetch(base + path, {
      method,
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    return { status: response.status, headers: response.headers, json: await response.json() };
  }

  async function call(...request) {
    const { status, headers, json } = await exchange(...request);
    if (json.error === undefined) return json;
    const retryAfter = headers.get('retry-after');
    throw new SimError(json.error, status, {
      retryAfterMs: retryAfter === null ? undefined : Number(retryAfter) * 1000,
    });
  }

  return {
    /** The whole answer: `{status, headers, json}`. */
    exchange,
    health: () => call('GET', '/health'),
    createFlow: (draft) => call('POST', '/flows/create', { body: draft }),
    listFlows: (page = {}) => call('GET', `/flows?${new URLSearchParams(page)}`),
    getFlow: (id) => call('GET', `/flows/${encodeURIComponent(id)}`),
    runFlow: (id, { idempotencyKey, ...body } = {}) => {
      const headers = idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey };
      return call('POST', `/flows/${encodeURIComponent(id)}/run`, { body, headers });
    },
    runStatus: (id) => call('GET', `/runs/${id}/status`),
    cancelRun: (id) => call('POST', `/runs/${id}/cancel`),
    resumeRun: (id, body = {}) => call('POST', `/runs/${id}/resume`, { body }),
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}
