'use strict';

// GET /live and /ready for whoever watches the process: a status, and nothing else. No sign-in, so nothing to learn.

/** How long what was found out about Sim holds, however often it is asked for. */
const HOLDS_MS = 5000;
/** Within this, Sim answers or does not. Shorter than the above: there is one check at a time. */
const CHECK_MS = 3000;

/** @param {import('./adapter.js').SimAdapter} adapter */
function createProbes(adapter) {
  const { bridge } = adapter;
  let checked = { at: Number.NEGATIVE_INFINITY, reachable: Promise.resolve(false) };

  /** Whether Sim was reachable a moment ago. */
  function reachable() {
    if (performance.now() - checked.at >= HOLDS_MS) {
      const check = adapter.health({ timeoutMs: CHECK_MS });
      checked = {
        at: performance.now(),
        reachable: check.then(
          ({ sim }) => sim.reachable,
          () => false,
        ),
      };
    }
    return checked.reachable;
  }

  async function isReady() {
    return (await reachable()) && !bridge.closing.aborted && bridge.redisUp !== false;
  }

  const answer = (res, good) =>
    res.writeHead(good ? 200 : 503, { 'cache-control': 'no-store', 'content-length': 0 }).end();

  return function probes(req, res, next) {
    const path = req.url.split('?', 1)[0];
    if (req.method !== 'GET' && req.method !== 'HEAD') return next();
    if (path === '/live') return answer(res, true);
    if (path !== '/ready') return next();
    isReady().then((good) => answer(res, good), next);
  };
}

module.exports = { createProbes };
