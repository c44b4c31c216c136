// What the tests of the browser's client share: small HTTP servers that answer as a test says, and events as the adapter
// writes them. It must not know the client.

import { once } from 'node:events';
import http from 'node:http';

import { afterEach } from 'vitest';

const closers = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/**
 * A server whose answers are `answers`, one for each request, the last one for all that follow. `requests` is what came:
 * `{method, url, headers, body}`.
 */
export async function serve(...answers) {
  const requests = [];
  const arrivals = [];
  const server = http.createServer(async (req, res) => {
    const { method, url, headers } = req;
    let body = '';
    for await (const piece of req.setEncoding('utf8')) body += piece;
    const request = { method, url, headers, body: body && JSON.parse(body), gone: once(res, 'close') };
    requests.push(request);
    const answer = answers[Math.min(requests.length, answers.length) - 1];
    await answer(res, request);
    for (const arrived of arrivals.splice(0)) arrived();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(() => new Promise((resolve) => server.close(resolve).closeAllConnections()));
  /** Resolves once `count` requests have been answered. */
  async function arrived(count) {
    while (requests.length < count) await new Promise((resolve) => arrivals.push(resolve));
  }
  return { baseUrl: `http://127.0.0.1:${server.address().port}/api/sim`, server, requests, arrived };
}

/** Waits short enough for a test. */
export const QUICK = { firstRetryMs: 5, longestRetryMs: 20, silentMs: 5000 };

export const json = (status, body, headers = {}) => {
  return (res) => res.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
};

export const refusal = (status, code, headers) =>
  json(status, { error: { code, message: 'no', requestId: 'request-1' } }, headers);

/** The connection ends without an answer. */
export const cut = (res) => res.destroy();

export const event = (name, data, id) => `${id ? `id: ${id}\n` : ''}event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;

/** A stream of events that then ends as `end` says: `'end'`, `'cut'`, or `'open'` (not at all). */
export const stream = (events, end = 'end') => {
  return async (res) => {
    res.writeHead(200, { 'content-type': 'text/event-stream' });
    res.flushHeaders();
    for (const text of events) res.write(text);
    if (end === 'end') res.end();
    // What was written has to arrive before the connection breaks.
    else if (end === 'cut') setImmediate(() => res.socket.destroySoon());
  };
};

/** A run as the adapter tells of it. */
export const run = (status, more = {}) => ({
  id: 'run-1',
  flowId: 'flow-1',
  status,
  startedAt: '2026-01-01T00:00:00.000Z',
  endedAt: null,
  durationMs: null,
  output: null,
  error: null,
  cost: null,
  paused: null,
  ...more,
});

export const status = (name, id = name, more = {}) => event('status', { run: run(name, more) }, id);

export const receipt = { id: 'run-1', status: 'running', statusUrl: '/s', eventsUrl: '/e' };

/** All that a generator gives. */
export async function all(events) {
  const list = [];
  for await (const one of events) list.push(one);
  return list;
}

/** The events without those about the connection, by type and status. */
export const told = (events) =>
  events.filter(({ type }) => type !== 'connection').map(({ type, run }) => (run ? `${type} ${run.status}` : type));
