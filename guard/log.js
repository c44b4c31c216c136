'use strict';

// One JSON line per event on standard output. Never a query, a header value other than the request id, or a body.

const MAX_PATH = 256;

function write(entry) {
  process.stdout.write(`${JSON.stringify({ time: new Date().toISOString(), ...entry })}\n`);
}

/** Begins the line of one request; the returned function writes it. */
function begin(listener, request) {
  const started = process.hrtime.bigint();
  const requestId = request.headers['x-request-id'];
  return (status, reason) =>
    write({
      listener,
      method: request.method,
      // A target that is no path may hold credentials.
      path: request.url.startsWith('/') ? request.url.split('?', 1)[0].slice(0, MAX_PATH) : undefined,
      status,
      reason,
      ms: Number((process.hrtime.bigint() - started) / 1_000_000n),
      requestId: /^[\w.:-]{1,128}$/.test(requestId) ? requestId : undefined,
    });
}

module.exports = { begin, write };
