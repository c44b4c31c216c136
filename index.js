'use strict';

// The public face: five functions on a shared adapter, the class behind them, the Express router, the error.

const { SimAdapter } = require('./express/adapter.js');
const { SimError } = require('./express/error.js');
const { SignatureError, signatureGuard, verifySignature } = require('./express/guard.js');
const { createLane } = require('./express/lane.js');
const { createRouter } = require('./express/router.js');

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
  return createLane(server, mount, adapter, clientIp ?? ((req) => req.socket.remoteAddress));
}

module.exports = {
  health,
  createFlow,
  runFlow,
  runStatus,
  proxy,
  simRouter,
  attachFastLane,
  SimAdapter,
  SimError,
  verifySignature,
  signatureGuard,
  SignatureError,
};
