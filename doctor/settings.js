'use strict';

// What the environment says, as the adapter reads it: the adapter itself is made, and tells every problem.

const { readFileSync } = require('node:fs');
const tls = require('node:tls');

const { SimAdapter } = require('../express/adapter.js');
const { fail, ok, skip, warn } = require('./findings.js');

const list = (text = '') =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean);

/** Makes the adapter. `patient.adapter` is there when nothing is wrong; `patient.events` is what it logs. */
function checkSettings(patient) {
  const { env } = patient;
  patient.events = [];
  const note = (message, { event }) => patient.events.push({ event, message });
  try {
    patient.adapter = new SimAdapter({ logger: { info: note, warn: note } });
  } catch (error) {
    const problems = error.details?.problems;
    if (problems === undefined) throw error;
    const lines = problems.map(({ name, message }) => `${name} ${message}`);
    return fail(lines.join('; '), 'Mend these variables: docs/configure.md says what each may be.');
  }
  if (!env.SIM_BASE_URL?.trim()) {
    return fail(
      'SIM_BASE_URL is not set: every route answers not_configured',
      'Set SIM_BASE_URL and SIM_API_KEY: docs/configure.md.',
    );
  }
  patient.sim = simOf(env);
  return ok('every variable can be read');
}

/** The way to Sim, for requests of the doctor's own. */
function simOf(env) {
  const ca = env.SIM_CA_FILE?.trim();
  return {
    base: new URL(env.SIM_BASE_URL.trim()),
    key: env.SIM_API_KEY.trim(),
    workspace: env.SIM_WORKSPACE_ID?.trim(),
    version: env.SIM_API_VERSION?.trim() || 'auto',
    secrets: list(env.SIM_SIGNING_SECRET),
    timeoutMs: Number(env.SIM_CONNECT_TIMEOUT_MS) || 5000,
    // Node reads NODE_EXTRA_CA_CERTS by itself.
    ca: ca ? [...tls.rootCertificates, readFileSync(ca, 'utf8')] : undefined,
  };
}

/** Whether calls go through an outgoing proxy: then hops between here and Sim are not ours to look at. */
function proxied({ env, sim }) {
  const ofScheme = sim.base.protocol === 'https:' ? ['HTTPS_PROXY', 'https_proxy'] : ['HTTP_PROXY', 'http_proxy'];
  const name = ['PROXY', ...ofScheme].find((variable) => env[variable]?.trim());
  const host = sim.base.hostname;
  const except = list(env.NO_PROXY ?? env.no_proxy).map((part) => part.replace(/^\*?\./, ''));
  return name !== undefined && !except.some((part) => part === '*' || part === host || host.endsWith(`.${part}`))
    ? name
    : undefined;
}

function checkSecrets({ env }) {
  if (env.SIM_HANDLE_SECRET?.trim()) return ok('run handles outlive this process and hold on all instances');
  const fix = 'Set SIM_HANDLE_SECRET, the same on all instances: openssl rand -hex 32';
  if (env.SIM_SIGNING_SECRET?.trim()) {
    return warn('SIM_SIGNING_SECRET serves run handles too: whoever checks signatures could forge handles', fix);
  }
  return fail(
    'no handle secret: handles end with the process, and the browser client’s Idempotency-Key is refused',
    fix,
  );
}

const FAULTS = {
  timeout: 'Redis does not answer in time: check REDIS_URI and the network between here and Redis.',
  connection:
    'No connection, or Redis refuses it: check REDIS_URI (host, port, password; rediss:// for TLS) and REDIS_CA.',
  answer: 'Redis answers and refuses the script: check its permissions (docs/limits.md) and its memory.',
};

/** How long connecting may take. */
const REDIS_WITHIN_MS = 3000;
const REDIS_LOOK_MS = 50;

async function checkRedis({ adapter, env, events }) {
  if (!env.REDIS_URI?.trim() || env.USE_REDIS?.trim().toLowerCase() === 'false') {
    return skip('REDIS_URI is not set, or USE_REDIS is false: limits hold in each process');
  }
  const until = performance.now() + REDIS_WITHIN_MS;
  const trouble = () => events.find(({ event }) => event === 'redis_unavailable');
  while (!adapter.bridge.redisUp && !trouble() && performance.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, REDIS_LOOK_MS));
  }
  if (adapter.bridge.redisUp) return ok('limits are shared');
  const fault = /\((\w+)\)/.exec(trouble()?.message)?.[1];
  return fail(`Redis cannot be used${fault ? ` (${fault})` : ''}`, FAULTS[fault] ?? FAULTS.timeout);
}

/** The whole way, as requests take it. */
async function checkAdapter({ adapter }) {
  const health = await adapter.health();
  if (!health.sim.reachable)
    return fail('the adapter does not reach Sim', 'See the checks above; through a proxy, see the proxy’s log.');
  try {
    const { flows } = await adapter.listFlows({ limit: 1 });
    const what = flows.length > 0 ? 'lists flows' : 'lists flows, and none is deployed';
    return ok(`the adapter ${what}; Sim answers in ${health.sim.latencyMs} ms`);
  } catch (error) {
    return fail(`the adapter cannot list flows: ${error.code}`, `See docs/errors.md#${error.code}.`);
  }
}

module.exports = { checkAdapter, checkRedis, checkSecrets, checkSettings, proxied };
