// The process of one peer: starts it at its place in an Express application, or ahead of it, reports what it used when asked.
// Argument: the settings, as JSON. It must not know what is measured.

import { readFileSync } from 'node:fs';
import http from 'node:http';
import { monitorEventLoopDelay } from 'node:perf_hooks';

import express from 'express';

const settings = JSON.parse(process.argv[2]);

/** What a run is answered with, as long as the adapter's answer: the ceilings say nothing else. */
const HANDLE = 'A'.repeat(67);
const ANSWER = {
  run: {
    id: HANDLE,
    status: 'queued',
    statusUrl: `/api/sim/runs/${HANDLE}/status`,
    eventsUrl: `/api/sim/runs/${HANDLE}/events`,
  },
};

const PEERS = {
  'sim-adapter': async () => (await import('./sim-adapter.mjs')).simAdapter(settings),
  'best-js': async () => (await import('./best-js.mjs')).bestJs(settings),
  undici: async () => (await import('./undici.mjs')).undiciPeer(settings),
  axios: async () => (await import('./axios.mjs')).axiosKey(settings),
  'axios-string': async () => (await import('./axios.mjs')).axiosText(settings),
  hpm: async () => (await import('./hpm.mjs')).hpm(settings),
  'express-constant': () => (_req, res) => res.status(202).json(ANSWER),
};

/** What a handler has to read is read here too: this is as fast as an answer to a POST can be. */
function constant() {
  const bytes = Buffer.from(JSON.stringify(ANSWER));
  const head = { 'content-type': 'application/json; charset=utf-8', 'content-length': bytes.length };
  return (req, res) => {
    req.on('end', () => res.writeHead(202, head).end(bytes)).resume();
  };
}

/** An Express application with the peer at the place that users mount it. */
async function application() {
  const app = express();
  // As LibreChat has it: everything else is Express's default, ETags for what goes through `res.json` among it.
  app.disable('x-powered-by');
  if (settings.mount === 'json') app.use(express.json({ limit: '3mb' }));
  app.use('/api/sim', await PEERS[settings.peer]());
  return app;
}

async function serve() {
  if (settings.peer === 'node-http') return http.createServer(constant());
  if (!settings.mount.startsWith('lane')) return http.createServer(await application());
  if (settings.peer !== 'sim-adapter') return http.createServer(await PEERS[settings.peer]());
  const server = http.createServer(express());
  (await import('./sim-adapter.mjs')).fastLane(server, settings);
  // Where somebody else listens, too, connections stay Node's.
  if (settings.mount === 'lane-node') server.on('request', () => {});
  return server;
}

/** Milliseconds between two samples of the event loop; what comes on top of it is delay. */
const RESOLUTION_MS = 2;
const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
delay.enable();

/** CPU time of the main thread in µs. */
const mainThread = () =>
  Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'latin1').split(' ')[0]) / 1000;

process.on('message', (question) => {
  if (question === 'reset') delay.reset();
  const { user, system } = process.cpuUsage();
  const delayMs = Math.max(delay.percentile(99) / 1e6 - RESOLUTION_MS, 0);
  process.send({ cpu: user + system, main: mainThread(), delayMs });
});
process.on('disconnect', () => process.exit());

const server = await serve();
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
