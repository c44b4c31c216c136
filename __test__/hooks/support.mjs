// What the tests of hooks share: deliveries signed as Sim's Webhook block signs them, and a host with both routers. It must
// not know what any single test is about.

import { createHmac, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { simHooks, simRouter } from '@sigmacode/sim-adapter';
import { expect } from 'vitest';
import { atEnd, call, documents, express5, optionsFor, startAdapter, startSim } from '../http/support.mjs';
import { start, watch } from '../live/support.mjs';

/** The root of the flows' secrets. */
export const ROOT = 'a-webhook-root-of-thirty-two-bytes!';

/** Sim's headers for a payload. */
export function signed(payload, { secret = ROOT, time = Date.now(), id = randomUUID(), headers } = {}) {
  const mac = createHmac('sha256', secret).update(`${time}.${payload}`).digest('hex');
  const own = { 'content-type': 'application/json', 'x-webhook-timestamp': String(time), 'x-delivery-id': id };
  return { ...own, 'idempotency-key': id, 'x-webhook-signature': `t=${time},v1=${mac}`, ...headers };
}

/** Sends a delivery: `{status, headers, json}`. */
export async function deliver(url, payload = '{"event":"x"}', options = {}) {
  const response = await fetch(url, { method: 'POST', headers: signed(payload, options), body: payload });
  return { status: response.status, headers: response.headers, json: await response.json() };
}

/** The secret of the flow whose address has this tag. */
export const secretOf = (tag) => createHmac('sha256', ROOT).update(`sim-adapter hook/1\0${tag}`).digest('hex');

/**
 * A Sim, an adapter that knows where its host is, and a host with both routers, hooks first. `callback` is the address
 * that Sim calls, `hooks` the path and status of each call that it made.
 */
export async function startNotified(names, { express, sim: simOptions, adapter: adapterOptions } = {}) {
  const sim = await startSim(names, simOptions);
  return { sim, ...(await startInstance(sim, { express, ...adapterOptions })) };
}

/** One more adapter with its host, for a Sim that is there. */
export async function startInstance(sim, { express = express5, ...adapterOptions } = {}) {
  // The adapter has to know the host's address, and the host the adapter.
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEnd(() => new Promise((resolve) => server.close(resolve).closeAllConnections()));
  const origin = `http://127.0.0.1:${server.address().port}`;
  const callback = `${origin}/api/sim-hooks`;
  const adapter = startAdapter(sim, { callbackUrl: callback, webhookSecret: ROOT, ...adapterOptions });
  const app = express();
  const hooks = [];
  const note = (req, res, next) => {
    res.on('finish', () => hooks.push([req.url, res.statusCode]));
    next();
  };
  app.use('/api/sim-hooks', note, simHooks({ adapter }));
  app.use(express.json());
  app.use((req, _res, next) => {
    const { 'x-test-user': id, 'x-test-role': role = 'USER' } = req.headers;
    if (id !== undefined) req.user = { id, role };
    next();
  });
  app.use('/api/sim', simRouter({ adapter }));
  server.on('request', app);
  return {
    adapter,
    callback,
    hooks,
    host: { url: `${origin}/api/sim`, port: server.address().port, mount: '/api/sim' },
  };
}

/** Creates a flow of a document, deploys it, and gives its id. */
export async function create(host, body) {
  const answer = await call(host, 'POST', '/flows/create', { role: 'ADMIN', body: { deploy: true, ...body } });
  expect(answer.status).toBe(201);
  return answer.json.flow.id;
}

/** The settings of the Webhook block that a draft was given: `{tag, secret}`. */
export function webhookOf(sim, flowId) {
  const { blocks } = sim.flows.find(({ id }) => id === flowId).state;
  const { url, secret } = Object.values(blocks).find(({ type }) => type === 'webhook_request').subBlocks;
  return { tag: url.value.split('/').at(-1), secret: secret.value };
}

/** Starts a run of a flow that waits for a person, and watches it: `{runId, id, watched, times}`. */
export async function watchFlow(sim, host, flow) {
  const id = await start(host, flow);
  const watched = await watch(host, id);
  const paused = await watched.until('status', ({ run }) => run.status === 'paused');
  const { id: runId } = sim.runs.find(({ flowId }) => flowId === flow);
  // A pause is read with a second request.
  const { path: first } = sim.requests.find(({ method, path }) => method === 'GET' && path.includes(runId));
  const reads = () => sim.requests.filter(({ path }) => path === first);
  const known = reads().length - 1;
  /** When Sim was asked for the run since it waits, in ms. */
  const times = () =>
    reads()
      .slice(known)
      .map(({ at }) => at);
  return { runId, id, flow, watched, paused: paused.data.run.paused, times };
}

/** A wait of which `hurried` tells that it was cut, wherever that was: the part before is short, or else long beside what follows it. */
export const GROWN = 2000;

/** Resolves right after a read that came `ms` after the one before: the next one by itself is longer away than that. */
export async function grownTo(ms, times) {
  let from = times().length;
  for (;;) {
    await expect.poll(() => times().length, { timeout: 15_000, interval: 10 }).toBeGreaterThan(from);
    const [before, last] = times().slice(-2);
    if (last - before > ms) return;
    from = times().length;
  }
}

/**
 * Whether a wait was only that `part` of the one before, which took a second or more: by itself a poller waits longer each time. Shorter
 * ones look so where a machine is busy.
 */
export function hurried(times, part = 0.5) {
  const waits = times.slice(1).map((time, index) => time - times[index]);
  return waits.slice(1).some((wait, index) => waits[index] >= 1000 && wait < waits[index] * part);
}

export { atEnd, documents, optionsFor, startSim };
