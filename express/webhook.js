'use strict';

// The router for Sim's signed webhooks: gathers the bytes, and writes what the adapter answers. What makes a hook good is
// decided in Rust.

const { readBody } = require('./body.js');
const { ResponseSink } = require('./response.js');
const { text } = require('./user.js');

/** Whether somebody read the body before: the bytes that were signed are then gone, unless they were kept. */
function isParsed(req) {
  if (Buffer.isBuffer(req.body)) return false;
  return req._body === true || req.readableDidRead || req.readableEncoding !== null;
}

/** @param {import('./adapter.js').SimAdapter} adapter */
function createHooks({ bridge }) {
  return function simHooks(req, res, next) {
    const { method, url, headers } = req;
    const delivery = {
      method,
      url,
      ip: text(req.ip),
      requestId: text(req.requestId ?? headers['x-request-id']),
      signature: headers['x-webhook-signature'],
      id: headers['x-delivery-id'],
      parsed: isParsed(req),
      tooLarge: Number(headers['content-length']) > bridge.maxHookBytes,
    };
    const sink = new ResponseSink(res);
    // Not a byte is read for a hook that is refused by its head.
    if (bridge.hook(delivery, undefined, sink)) return;
    readBody(req, bridge.maxHookBytes, (tooLarge, body) => {
      // This may run in a listener of the request's, where a throw would end the process.
      try {
        const bytes = tooLarge ? undefined : (body ?? Buffer.alloc(0));
        bridge.hook({ ...delivery, tooLarge }, bytes, sink);
      } catch (error) {
        next(error);
      }
    });
  };
}

module.exports = { createHooks };
