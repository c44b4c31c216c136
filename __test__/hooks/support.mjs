// What the tests of hooks share: deliveries signed as Sim's Webhook block signs them, and a host with both routers. It must
// not know what any single test is about.

import { createHmac, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { simHooks, simRouter } from '@sigmacode/sim-adapter';
import { atEnd, documents, express5, optionsFor, startAdapter, startSim } from '../http/support.mjs';

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

/**
 * A Sim, an adapter that knows where its host is, and a host with both routers, hooks first. `callback` is the address
 * that Sim calls, `hooks` the path and status of each call that it made.
 */
export async function startNotified(names, { express = express5, sim: simOptions, adapter: adapterOptions } = {}) {
  // The adapter has to know the host's address, and the host the adapter.
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEnd(() => new Promise((resolve) => server.close(resolve).closeAllConnections()));
  const origin = `http://127.0.0.1:${server.address().port}`;
  const callback = `${origin}/api/sim-hooks`;
  const sim = await startSim(names, simOptions);
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
    sim,
    adapter,
    callback,
    hooks,
    host: { url: `${origin}/api/sim`, port: server.address().port, mount: '/api/sim' },
  };
}

export { atEnd, documents, optionsFor };
