'use strict';

// The body of a request, whatever the host did to it before: parsed by express.json, kept raw, or still in the stream.

/** How much of a body that is too large is read to its end, in multiples of the limit. */
const DISCARDED = 8;

/**
 * Calls `done(tooLarge, body)`, at once where the body is already there.
 * @param {import('node:http').IncomingMessage & { body?: unknown }} req
 * @param {number} limit bytes
 * @param {(tooLarge: boolean, body?: string | Uint8Array) => void} done
 */
function readBody(req, limit, done) {
  const { method, body } = req;
  if (method === 'GET' || method === 'HEAD') return done(false);
  if (typeof body === 'string' || body instanceof Uint8Array) return done(false, body);
  // A parser that skipped the request leaves `{}` (Express 4) or nothing (Express 5), and the stream untouched.
  const skipped = body === undefined || isEmptyObject(body);
  if (!skipped || req._body === true) return done(false, asJson(body));
  // Whoever drained the stream kept nothing: waiting for its end would hang.
  if (req.readableEnded) return done(false);
  readStream(req, limit, done);
}

/** What cannot be written as JSON again, because it is nested too deeply, goes on as what is no JSON, to be refused. */
function asJson(body) {
  try {
    return JSON.stringify(body);
  } catch {
    return 'too deep';
  }
}

/** Whether a body of more than `size` bytes, or of nobody knows how many, is still to be read. */
function isLongToRead(req, size) {
  const length = req.headers['content-length'];
  const long = length === undefined ? req.headers['transfer-encoding'] !== undefined : Number(length) > size;
  return long && !req.readableEnded && req._body !== true;
}

function isEmptyObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length === 0;
}

function readStream(req, limit, done) {
  const refuse = () => {
    done(true);
    discard(req, limit);
  };
  if (Number(req.headers['content-length']) > limit) return refuse();
  const chunks = [];
  let size = 0;
  // A client that goes away in the middle gets no answer: then neither is called again.
  req.on('data', (chunk) => {
    if (size > limit) return;
    size += chunk.length;
    if (size <= limit) return chunks.push(chunk);
    chunks.length = 0;
    refuse();
  });
  req.on('end', () => {
    if (size <= limit) done(false, chunks.length === 1 ? chunks[0] : Buffer.concat(chunks, size));
  });
}

/** Reads on and keeps nothing: a client that sends all before it reads shall meet the answer, not a reset. */
function discard(req, limit) {
  let left = DISCARDED * limit;
  req.on('data', (chunk) => {
    left -= chunk.length;
    if (left < 0) req.destroy();
  });
}

module.exports = { readBody, isLongToRead, discard };
