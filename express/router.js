'use strict';

// The adapter's routes as Express middleware.

const { createHandler } = require('./handler.js');

/** @param {import('./adapter.js').SimAdapter} adapter */
function createRouter(adapter) {
  const handle = createHandler(adapter);
  const { limitsIps } = adapter.bridge;
  const sim = (req, res, next) => {
    // Express looks `ip` up anew each time.
    handle(req, res, { url: req.url, mount: req.baseUrl ?? '', ip: limitsIps ? req.ip : undefined }, next);
  };
  // For a host that wants to drain it: `await router.adapter.close()`.
  return Object.assign(sim, { adapter });
}

module.exports = { createRouter };
