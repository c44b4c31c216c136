// What the tests of the router and of the Node API share: an emulated Sim, an adapter for it, a host around the router
// and plain calls to that host. It must not know what any single test is about.

import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import http from 'node:http';
import { SimAdapter, simRouter } from '@sigmacode/sim-adapter';
import { documents, startEmulator } from '@sigmacode/sim-adapter/emulator';
import express5 from 'express';
import express4 from 'express4';
import { afterEach, expect } from 'vitest';

import { checked } from './openapi.mjs';

export { documents, express4, express5 };

/** Enough bytes for a secret, and nothing else. */
export const SECRET = 'not-a-secret-but-long-enough-for-one';

/** The addon's threads in this process whose names begin so (Linux). */
export const threads = (name) =>
  readdirSync('/proc/self/task')
    .map((id) => readFileSync(`/proc/self/task/${id}/comm`, 'latin1').trim())
    .filter((one) => one.startsWith(name));

const closers = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** What is to be done when the test has ended, last one first. */
export const atEnd = (close) => closers.push(close);

/** An emulated Sim with one deployed flow for each named document; the flows' ids are those names. */
export async function startSim(names = ['echo'], options = {}) {
  const flows = names.map((name) => ({ id: name, name, document: documents[name] }));
  const sim = await startEmulator({ flows, ...options });
  atEnd(() => sim.close());
  return sim;
}

/** The options of an adapter for `sim`. */
export function optionsFor(sim, options = {}) {
  const { url: baseUrl, apiKey, workspaceId } = sim;
  const unlimited = { userMax: 0, ipMax: 0 };
  return { baseUrl, apiKey, workspaceId, apiVersion: 'v2', handleSecret: SECRET, ...unlimited, ...options };
}

export function startAdapter(sim, options = {}) {
  const adapter = new SimAdapter(sim === null ? options : optionsFor(sim, options));
  atEnd(() => adapter.close({ drainMs: 0 }));
  return adapter;
}

/** The user whom `x-test-user` names, as a LibreChat host would have set it. */
function signIn(req, _res, next) {
  const { 'x-test-user': id, 'x-test-role': role = 'USER' } = req.headers;
  if (id !== undefined) req.user = { id, role };
  next();
}

/** An Express host with the adapter's router at `mount`; `before` are the host's middlewares in front of it. */
export async function startHost(adapter, { express = express5, before = [express.json()], mount = '/api/sim' } = {}) {
  const app = express();
  app.use(signIn, ...before);
  app.use(mount, simRouter({ adapter }));
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEnd(() => new Promise((resolve) => server.close(resolve).closeAllConnections()));
  const { port } = server.address();
  return { port, mount, url: `http://127.0.0.1:${port}${mount}` };
}

/** Sim, adapter and host at once. */
export async function startAll(names, { sim: simOptions, adapter: adapterOptions, host: hostOptions } = {}) {
  const sim = await startSim(names, simOptions);
  const adapter = startAdapter(sim, adapterOptions);
  const host = await startHost(adapter, hostOptions);
  return { sim, adapter, host, call: (...args) => call(host, ...args) };
}

/** One call to the host: `{status, headers, json, text}`. Every refusal must have the contract's one shape. */
export async function call(
  host,
  method,
  path,
  { body, headers = {}, user = 'ann', role = 'USER', signal, duplex } = {},
) {
  if (path.includes('%') || path.startsWith('//')) return callAsIs(host, method, path, user);
  const raw = typeof body === 'string' || body instanceof Uint8Array || body instanceof ReadableStream;
  const response = await fetch(host.url + path, {
    method,
    headers: {
      ...(user === null ? {} : { 'x-test-user': user, 'x-test-role': role }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    body: body === undefined || raw ? body : JSON.stringify(body),
    redirect: 'manual',
    signal,
    duplex,
  });
  return answerOf(method, path, response.status, response.headers, await response.text());
}

/** The same for a path that fetch would tidy up first. */
async function callAsIs({ port, mount }, method, path, user) {
  const options = { port, host: '127.0.0.1', method, path: mount + path, headers: { 'x-test-user': user } };
  const [response] = await once(http.request(options).end(), 'response');
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += chunk;
  return answerOf(method, path, response.statusCode, new Headers(response.headers), text);
}

/** An answer, which must be as the router's document has it. */
function answerOf(method, path, status, headers, text) {
  const answer = { status, headers, text, json: JSON.parse(text) };
  if (status >= 400 && !path.startsWith('/health')) expectErrorShape(answer);
  return checked(method, path, answer);
}

/** `{error: {code, message, details?, requestId}}`, and the headers that go with it. */
export function expectErrorShape({ headers, json }) {
  expect(Object.keys(json)).toEqual(['error']);
  const { code, message, details, requestId, ...more } = json.error;
  expect(more).toEqual({});
  expect(code).toMatch(/^[a-z_]+$/);
  expect(message).toMatch(/./);
  expect(['undefined', 'object']).toContain(typeof details);
  expect(requestId).toMatch(/^[A-Za-z0-9._:-]{1,128}$/);
  expect(headers.get('x-request-id')).toBe(requestId);
  expect(headers.get('content-type')).toBe('application/json; charset=utf-8');
}

/** Status and code of a refusal, for short expectations. */
export const refusal = ({ status, json }) => [status, json.error?.code];

/** The paths of the fields that an `invalid_request` names. */
export const fieldPaths = ({ json }) => json.error.details.fields.map(({ path }) => path);

/** Reads a run until its status is one of `statuses`; Sim's own events say when it is worth asking. */
export async function readUntil(sim, host, id, status, options) {
  await sim.waitFor('status', (run) => run.status === status);
  return call(host, 'GET', `/runs/${id}/status`, options);
}
