'use strict';

// The public face: five functions on a shared adapter, the class behind them, the Express router, the error.

const { SimAdapter } = require('./express/adapter.js');
const { SimError } = require('./express/error.js');
const { SignatureError, signatureGuard, verifySignature } = require('./express/guard.js');
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

function simRouter(options) {
  if (options === undefined) return createRouter(sharedAdapter());
  const { adapter, ...rest } = options ?? {};
  if (adapter === undefined) return createRouter(new SimAdapter(rest));
  if (!(adapter instanceof SimAdapter)) throw new TypeError('adapter must be a SimAdapter');
  if (Object.keys(rest).length > 0) throw new TypeError('simRouter() takes an adapter or options, not both');
  return createRouter(adapter);
}

/** The adapter that holds the watchers, so it must be the router's: without one both are the shared one. */
function adapterOf({ adapter, ...rest } = {}) {
  const [stray] = Object.keys(rest);
  if (stray !== undefined)
    throw new TypeError(`${stray} is not an option; give them to the router, and its adapter here`);
  if (adapter === undefined) return sharedAdapter();
  if (!(adapter instanceof SimAdapter)) throw new TypeError('adapter must be a SimAdapter');
  return adapter;
}

const simHooks = (options) => createHooks(adapterOf(options));
const attachRealtime = (io, { userOf, ...rest } = {}) => openGateway(io, adapterOf(rest), userOf);
const listenToSim = (socket, { events, ...rest }) => takeHints(socket, adapterOf(rest), events);

module.exports = {
  health,
  createFlow,
  runFlow,
  runStatus,
  proxy,
  simRouter,
  simHooks,
  attachRealtime,
  listenToSim,
  SimAdapter,
  SimError,
  verifySignature,
  signatureGuard,
  SignatureError,
};
