'use strict';

// Express <-> pipeline: reads what the adapter needs from a request, writes what it answers. No policy in it.

const { readBody } = require('./body.js');
const { ResponseSink } = require('./response.js');
const { describeUser, text } = require('./user.js');

/** Every `Authorization` header: Node keeps the first of several and says nothing of the others. */
function authorization({ rawHeaders }) {
  const values = [];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i].toLowerCase() === 'authorization') values.push(rawHeaders[i + 1]);
  }
  return values;
}

/** @param {import('./adapter.js').SimAdapter} adapter */
function createRouter(adapter) {
  const { bridge } = adapter;
  const { maxBodyBytes } = bridge;

  function submit(req, res, plan, tooLarge, body) {
    // The client may have gone while its body was read or its plan looked up.
    if (res.destroyed) return;
    const { user, headers } = req;
    const request = {
      method: req.method,
      url: req.url,
      mount: req.baseUrl ?? '',
      host: false,
      ...describeUser(user),
      plan: text(plan),
      ip: text(req.ip),
      authorization: bridge.verifiesTokens ? authorization(req) : undefined,
      requestId: text(req.requestId ?? headers['x-request-id']),
      idempotencyKey: headers['idempotency-key'],
      prefer: headers.prefer,
      traceparent: headers.traceparent,
      lastEventId: headers['last-event-id'],
      tooLarge,
    };
    const sink = new ResponseSink(res);
    const call = bridge.submit(request, body, sink, user);
    if (call !== undefined) res.on('close', () => sink.detached || bridge.cancel(call));
  }

  function sim(req, res, next) {
    readBody(req, maxBodyBytes, (tooLarge, body) => {
      // This may run in a listener of the request's, where a throw would end the process.
      try {
        const plan = req.user && bridge.planOf(req.user);
        if (typeof plan?.then !== 'function') return submit(req, res, plan, tooLarge, body);
        plan.then((name) => submit(req, res, name, tooLarge, body)).catch(next);
      } catch (error) {
        next(error);
      }
    });
  }

  // For a host that wants to drain it: `await router.adapter.close()`.
  return Object.assign(sim, { adapter });
}

module.exports = { createRouter };
