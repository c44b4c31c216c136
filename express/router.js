'use strict';

// The adapter's routes as Express middleware.

const { createHandler } = require('./handler.js');

/** @param {import('./adapter.js').SimAdapter} adapter */
function createRouter(adapter) {
  const handle = createHandler(adapter);
  const sim = (req, res, next) => {
    handle(req, res, { url: req.url, mount: req.baseUrl ?? '', ip: req.ip }, next);
  };
  // For a host that wants to drain it: `await router.adapter.close()`.
  return Object.assign(sim, { adapter });
}

module.exports = { createRouter };
