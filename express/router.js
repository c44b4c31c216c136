// Express <-> pipeline: reads what the adapter needs from a request, writes what it answers. No policy in it.

const { readBody } = require('./body.js');

/** The addon takes strings only; a value of another type must not throw in the middle of a request. */
const text = (value) => (value === undefined || value === null ? undefined : String(value));

/** @param {import('./adapter.js').SimAdapter} adapter */
function createRouter(adapter) {
  const { bridge } = adapter;

  return function sim(req, res) {
    readBody(req, bridge.maxBodyBytes, (tooLarge, body) => {
      const { user, headers } = req;
      const request = {
        method: req.method,
        url: req.url,
        mount: req.baseUrl ?? '',
        host: false,
        user: text(user?.id ?? user?._id),
        tenant: text(user?.tenantId),
        requestId: text(req.requestId ?? headers['x-request-id']),
        idempotencyKey: headers['idempotency-key'],
        prefer: headers.prefer,
        traceparent: headers.traceparent,
        tooLarge,
      };
      // The rest of a body that is too large is not read: the connection ends with the answer.
      if (tooLarge) res.setHeader('connection', 'close');
      const call = bridge.submit(request, body, (status, head, bytes) => send(res, status, head, bytes), user);
      if (call !== undefined) res.on('close', () => bridge.cancel(call));
    });
  };
}

function send(res, status, head, body) {
  if (res.headersSent || res.destroyed) return;
  res.statusCode = status;
  res.setHeader('content-type', 'application/json; charset=utf-8');
  res.setHeader('cache-control', 'no-store');
  const lines = head.split('\n');
  for (let i = 0; i + 1 < lines.length; i += 2) res.setHeader(lines[i], lines[i + 1]);
  res.setHeader('content-length', body.length);
  res.end(body);
}

module.exports = { createRouter };
