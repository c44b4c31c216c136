'use strict';

// Node's request and response <-> pipeline: reads what the adapter needs from a request, writes what it answers. It knows
// neither Express nor policy.

const { readBody, isLongToRead, discard } = require('./body.js');
const { ResponseSink } = require('./response.js');
const { describeUser, text } = require('./user.js');

/** Every `Authorization` header: Node keeps the first of several and says nothing of the others. */
function authorization({ rawHeaders }) {
  const values = [];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i];
    if (name.length === 13 && name.toLowerCase() === 'authorization') values.push(rawHeaders[i + 1]);
  }
  return values;
}

/** A body of more bytes is read for no stranger. */
const FOR_ALL = 16 * 1024;

/**
 * @typedef {object} Place where a request came in
 * @property {string} url what follows the mount point: path and query
 * @property {string} mount
 * @property {string | undefined} ip the client's address
 */

/**
 * @param {import('./adapter.js').SimAdapter} adapter
 * @returns {(req: import('node:http').IncomingMessage, res: import('node:http').ServerResponse, place: Place,
 *   fail: (error: unknown) => void) => void} `fail` gets what the host's own functions throw
 */
function createHandler({ bridge }) {
  const { maxBodyBytes } = bridge;

  function submit(req, res, place, user, plan, tooLarge, body) {
    // The client may have gone while its body was read or its plan looked up.
    if (res.destroyed) return;
    const { headers } = req;
    const { user: id, tenant, role } = describeUser(user);
    const request = {
      method: req.method,
      url: place.url,
      mount: place.mount,
      user: id,
      tenant,
      role,
      plan: text(plan),
      ip: text(place.ip),
      authorization: bridge.verifiesTokens ? authorization(req) : undefined,
      requestId: text(req.requestId ?? headers['x-request-id']),
      idempotencyKey: headers['idempotency-key'],
      prefer: headers.prefer,
      traceparent: headers.traceparent,
      tracestate: headers.tracestate,
      lastEventId: headers['last-event-id'],
      tooLarge,
    };
    const sink = new ResponseSink(res);
    const call = bridge.submit(request, body, sink, user);
    if (call !== undefined) res.on('close', () => sink.detached || bridge.cancel(call));
  }

  const isStranger = (req) => !req.user && !(bridge.verifiesTokens && bridge.knows(authorization(req)));

  return (req, res, place, fail) => {
    const goOn = (tooLarge, body) => {
      // This may run in a listener of the request's, where a throw would end the process.
      try {
        // Express gives every request a shape of its own, so that each look at one costs a search: one for each member.
        const { user } = req;
        const plan = user && bridge.planOf(user);
        if (typeof plan?.then !== 'function') return submit(req, res, place, user, plan, tooLarge, body);
        plan.then((name) => submit(req, res, place, user, name, tooLarge, body)).catch(fail);
      } catch (error) {
        fail(error);
      }
    };
    if (!isLongToRead(req, FOR_ALL) || !isStranger(req)) return readBody(req, maxBodyBytes, goOn);
    // Who is nobody hears so before anything of the body is kept.
    goOn(false);
    discard(req, maxBodyBytes);
  };
}

module.exports = { createHandler };
