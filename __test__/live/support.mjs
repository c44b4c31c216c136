// What the tests of the live side share: a client that reads server-sent events, and a Sim played byte by byte. It must
// not know what any single test is about.

import { once } from 'node:events';
import http from 'node:http';
import { checked, checkedEvent } from '../http/openapi.mjs';
import { atEnd, call } from '../http/support.mjs';

/** An open event stream of the host: `{status, headers, next(), rest(), until(event), abort()}`, or the JSON refusal. */
export async function open(host, method, path, { body, headers = {}, user = 'ann' } = {}) {
  const client = new AbortController();
  atEnd(() => client.abort());
  const response = await fetch(host.url + path, {
    method,
    headers: { 'x-test-user': user, ...(body && { 'content-type': 'application/json' }), ...headers },
    body: body && JSON.stringify(body),
    signal: client.signal,
  });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const { status } = response;
  const stream = new Events(reader, {
    event: (event) => checkedEvent(method, path, event),
    refusal: (json) => checked(method, path, { status, headers: response.headers, json }),
  });
  if (status === 200) checked(method, path, { status, headers: response.headers });
  return Object.assign(stream, { status, headers: response.headers, abort: () => client.abort() });
}

/** Starts a run in stream mode. */
export const stream = (host, flow, { input, selectedOutputs, ...options } = {}) =>
  open(host, 'POST', `/flows/${flow}/run`, { body: { input, mode: 'stream', selectedOutputs }, ...options });

/** Watches a run. */
export const watch = (host, id, options) => open(host, 'GET', `/runs/${id}/events`, options);

/** Starts a run that goes on by itself and gives its handle. */
export async function start(host, flow, options) {
  return (await call(host, 'POST', `/flows/${flow}/run`, options)).json.run.id;
}

/** The events of a body, as a client of our own would read them; each must be as the router's document has it. */
class Events {
  #reader;
  #check;
  #text = '';
  /** Everything that came, comments included. */
  raw = '';

  constructor(reader, check) {
    this.#reader = reader;
    this.#check = check;
  }

  /** The next event, `{event, id, data}`; undefined at the end. */
  async next() {
    for (;;) {
      const end = this.#text.indexOf('\n\n');
      if (end >= 0) {
        const block = this.#text.slice(0, end);
        this.#text = this.#text.slice(end + 2);
        if (block.startsWith(':')) continue;
        return this.#check.event(read(block));
      }
      const { done, value } = await this.#reader.read();
      if (done) return undefined;
      this.raw += value;
      this.#text += value;
    }
  }

  /** What is still to come, up to the end. */
  async rest() {
    const events = [];
    for (let event = await this.next(); event !== undefined; event = await this.next()) events.push(event);
    return events;
  }

  /** The next event of that name; what comes before it is passed over. */
  async until(name, matches = () => true) {
    for (;;) {
      const event = await this.next();
      if (event === undefined) throw new Error(`the stream ended without ${name}`);
      if (event.event === name && matches(event.data)) return event;
    }
  }

  /** What is left of an event that never ended. */
  get broken() {
    return this.#text;
  }

  /** The answer's JSON, for a refusal. */
  async json() {
    let text = this.#text;
    for (let part = await this.#reader.read(); !part.done; part = await this.#reader.read()) text += part.value;
    return this.#check.refusal(JSON.parse(text)).json;
  }
}

function read(block) {
  const fields = block.split('\n').map((line) => /^(id|event|data): (.*)$/s.exec(line)?.slice(1));
  if (fields.includes(undefined)) throw new Error(`not an event: ${JSON.stringify(block)}`);
  const { data, ...rest } = Object.fromEntries(fields);
  return { ...rest, data: JSON.parse(data) };
}

export const names = (events) => events.map(({ event }) => event);

/** Status and code of a refusal. */
export const refused = async (answer) => [answer.status, (await answer.json()).error.code];

/**
 * A Sim whose answers the test plays itself: `execute(req, res)` answers starts, `status(req, res)` reads of a run.
 * `url`, `apiKey` and `workspaceId` are as an emulator's.
 */
export async function playSim({ execute, status = notFound, port = 0 }) {
  const requests = [];
  const server = http.createServer((req, res) => {
    requests.push({ method: req.method, path: req.url, at: performance.now() });
    req.resume().on('end', () => (req.url.includes('/execute') ? execute : status)(req, res));
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const sim = {
    url: `http://127.0.0.1:${server.address().port}`,
    port: server.address().port,
    apiKey: 'key',
    workspaceId: 'workspace',
    requests,
    close: () => new Promise((resolve) => server.close(resolve).closeAllConnections()),
  };
  atEnd(() => server.listening && sim.close());
  return sim;
}

const json = (res, status, value) =>
  res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));

/** Answers a read of a run that is not there. */
export const notFound = (_req, res) =>
  json(res, 404, { error: { code: 'NOT_FOUND', message: 'Workflow run not found' } });

/** Answers a read of a v2 run. */
export function runIs(status, more = {}) {
  const times = { startedAt: null, endedAt: null, durationMs: null };
  const data = { runId: 'r', workflowId: 'f', status, output: null, error: null, cost: null, paused: null };
  return (_req, res) => json(res, 200, { data: { ...data, ...times, ...more } });
}

/** Begins an event stream. */
export const begin = (res) => res.writeHead(200, { 'content-type': 'text/event-stream' });

export const frame = (value) => `data: ${JSON.stringify(value)}\n\n`;

/** Sim's last words. */
export const FINAL = frame({ event: 'final', data: { success: true, output: { ok: true } } }) + frame('[DONE]');
