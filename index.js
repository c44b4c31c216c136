'use strict';

// The public face: six functions on a shared adapter, the class behind them, the Express routers, the errors.

const { SimAdapter } = require('./express/adapter.js');
const { SimError } = require('./express/error.js');
const { SignatureError, signatureGuard, verifySignature } = require('./express/guard.js');
const { listenToFork } = require('./express/fork.js');
const { createLane } = require('./express/lane.js');
const { createProbes } = require('./express/probes.js');
const { openGateway } = require('./express/realtime.js');
const { createRouter } = require('./express/router.js');
const { takeHints } = require('./express/source.js');
const { createHooks } = require('./express/webhook.js');

let shared;

/** The adapter that the environment configures, made on first use. */
function sharedAdapter() {
  shared ??= new SimAdapter();
  return shared;
}

const health = (options) => sharedAdapter().health(options);
const createFlow = (draft, options) => sharedAdapter().createFlow(draft, options);
const runFlow = (flowId, options) => sharedAdapter().runFlow(flowId, options);
const runStatus = (runId, options) => sharedAdapter().runStatus(runId, options);
const proxy = (request, options) => sharedAdapter().proxy(request, options);
const metrics = () => sharedAdapter().metrics();

/** What `metrics()` is, as the header of its answer. */
const METRICS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** The adapter that `options` name, or a new one of theirs. */
function adapterOf(caller, { adapter, ...rest }, defaults) {
  if (adapter === undefined) return new SimAdapter({ ...defaults, ...rest });
  if (!(adapter instanceof SimAdapter)) throw new TypeError('adapter must be a SimAdapter');
  if (Object.keys(rest).length > 0) throw new TypeError(`${caller}() takes an adapter or options, not both`);
  return adapter;
}

function simRouter(options) {
  return createRouter(options === undefined ? sharedAdapter() : adapterOf('simRouter', options ?? {}));
}

function attachFastLane(server, mount, { clientIp, ...options } = {}) {
  const adapter = adapterOf('attachFastLane', options, { auth: 'jwt' });
  return createLane(server, mount, adapter, clientIp ?? undefined);
}

function simProbes({ adapter = sharedAdapter(), ...rest } = {}) {
  if (!(adapter instanceof SimAdapter)) throw new TypeError('adapter must be a SimAdapter');
  if (Object.keys(rest).length > 0) throw new TypeError('simProbes() takes an adapter and nothing else');
  return createProbes(adapter);
}

/** The adapter that holds the watchers, so it must be the router's: without one both are the shared one. */
function sharedWith({ adapter, ...rest } = {}) {
  const [stray] = Object.keys(rest);
  if (stray !== undefined)
    throw new TypeError(`${stray} is not an option; give them to the router, and its adapter here`);
  if (adapter === undefined) return sharedAdapter();
  if (!(adapter instanceof SimAdapter)) throw new TypeError('adapter must be a SimAdapter');
  return adapter;
}

const simHooks = (options) => createHooks(sharedWith(options));
const attachRealtime = (io, { userOf, clientIp, ...rest } = {}) =>
  openGateway(io, sharedWith(rest), { userOf, clientIp });

/** Of a socket of the host's, or with nothing but an adapter of the one that the environment names. */
function listenToSim(socket, options) {
  if (typeof socket?.on !== 'function') {
    if (options !== undefined) throw new TypeError('listenToSim() takes a socket and its events, or neither');
    return listenToFork(sharedWith(socket));
  }
  const { events, ...rest } = options;
  return takeHints(socket, sharedWith(rest), events);
}

module.exports = {
  health,
  createFlow,
  runFlow,
  runStatus,
  proxy,
  metrics,
  METRICS_CONTENT_TYPE,
  simRouter,
  attachFastLane,
  simProbes,
  simHooks,
  attachRealtime,
  listenToSim,
  SimAdapter,
  SimError,
  verifySignature,
  signatureGuard,
  SignatureError,
};
