// The ways into the adapter, with one face: the methods of `SimAdapter`, and its routes over HTTP, at each place where they
// can be mounted. Each call resolves to the answer's JSON or rejects with `{code, status, details, retryAfterMs}`.

import { once } from 'node:events';
import http from 'node:http';
import { createRequire } from 'node:module';
import express5 from 'express';
import express4 from 'express4';
import { checked } from '../../http/openapi.mjs';
import { sign } from '../../security/tokens.mjs';

const { attachFastLane, simRouter, SimError } = createRequire(import.meta.url)('../../../index.js');

const JWT_SECRET = 'the host signs its tokens with this one';
const PREFIX = '/api/sim';

/** What an adapter needs that knows users by their tokens alone; here a token says itself what `resolveUser` answers. */
export const TOKENS = { auth: 'jwt', jwtSecret: JWT_SECRET, resolveUser: ({ user }) => user };

/** Whose answer `resolveUser` remembers, and so another one for each user: names and tenants are not enough for that. */
const accountOf = (user) => Buffer.from(JSON.stringify(user)).toString('base64url');

/** A token for whom `resolveUser` calls `user`; null is somebody who is banned. */
export const tokenOf = (user, secret = JWT_SECRET) =>
  sign({ id: accountOf(user), user, exp: Math.floor(Date.now() / 1000) + 60 }, secret);

/** The host has signed in whom `x-test-user` names, as `requireJwtAuth` would have. */
function signIn(req, _res, next) {
  const { 'x-test-user': user } = req.headers;
  if (user !== undefined) req.user = JSON.parse(user);
  next();
}

const inExpress = (express, ...before) => ({
  options: {},
  identity: (user) => ({ 'x-test-user': JSON.stringify(user) }),
  listener: (adapter) =>
    express()
      .use(signIn)
      .use(PREFIX, ...before, simRouter({ adapter })),
});

const lane = (server, adapter) => attachFastLane(server, PREFIX, { adapter });

const ahead = (attach) => ({
  options: TOKENS,
  identity: (user) => ({ authorization: `Bearer ${tokenOf(user)}` }),
  listener: () => express5().use((_req, res) => res.status(418).end()),
  attach,
});

const MOUNTS = {
  simRouter: inExpress(express5, express5.json()),
  'simRouter before express.json': inExpress(express5),
  'simRouter in Express 4': inExpress(express4, express4.json()),
  attachFastLane: ahead(lane),
  // Of a server with a timeout no connection is the adapter's.
  'attachFastLane through Node': ahead((server, adapter) => lane(server.setTimeout(60_000), adapter)),
};

export const HTTP_DOORS = Object.keys(MOUNTS);
export const DOORS = ['SimAdapter', ...HTTP_DOORS];

/** The options that an adapter needs behind a door. */
export const optionsOf = (door) => MOUNTS[door]?.options ?? {};

/** Opens a door: `as(user)` gives its face for a user, and at HTTP's doors `bearing(token)` for whoever bears that. */
export async function openDoor(door, adapter) {
  if (door === 'SimAdapter') return { as: (user) => classFace(adapter, user), close: async () => {} };
  const { identity, listener, attach } = MOUNTS[door];
  const server = http.createServer(listener(adapter)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  attach?.(server, adapter);
  const base = `http://127.0.0.1:${server.address().port}${PREFIX}`;
  return {
    as: (user) => httpFace(base, identity(user)),
    bearing: (token) => httpFace(base, token === undefined ? {} : { authorization: `Bearer ${token}` }),
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

function classFace(adapter, user) {
  return {
    /** Where the routes are mounted. */
    prefix: '',
    health: () => adapter.health(),
    createFlow: (draft) => adapter.createFlow(draft, { user }),
    listFlows: (page) => adapter.listFlows({ ...page, user }),
    getFlow: (id) => adapter.getFlow(id, { user }),
    runFlow: (id, options) => adapter.runFlow(id, { ...options, user }),
    runStatus: (id) => adapter.runStatus(id, { user }),
    cancelRun: (id) => adapter.cancelRun(id, { user }),
    resumeRun: (id, options) => adapter.resumeRun(id, { ...options, user }),
  };
}

function httpFace(base, identity) {
  async function exchange(method, path, { body, headers = {} } = {}) {
    const response = await fetch(base + path, {
      method,
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers, ...identity },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    return checked(method, path, {
      status: response.status,
      headers: response.headers,
      json: await response.json(),
    });
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
    prefix: PREFIX,
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
  };
}
