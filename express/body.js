// The body of a request, whatever the host did to it before: parsed by express.json, kept raw, or still in the stream.

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
  const parsed =
    typeof body === 'object' && body !== null && (req._body === true || req.readableEnded || !isEmpty(body));
  if (parsed) return done(false, JSON.stringify(body));
  // Whoever drained the stream kept nothing: waiting for its end would hang.
  if (req.readableEnded) return done(false);
  readStream(req, limit, done);
}

function isEmpty(object) {
  for (const _ in object) return false;
  return true;
}

function readStream(req, limit, done) {
  if (Number(req.headers['content-length']) > limit) return done(true);
  const chunks = [];
  let size = 0;
  const onData = (chunk) => {
    size += chunk.length;
    if (size > limit) {
      stop();
      req.pause();
      return done(true);
    }
    chunks.push(chunk);
  };
  const onEnd = () => {
    stop();
    done(false, chunks.length === 1 ? chunks[0] : Buffer.concat(chunks, size));
  };
  // A client that goes away in the middle gets no answer.
  const stop = () => {
    req.off('data', onData).off('end', onEnd).off('close', stop);
  };
  req.on('data', onData).on('end', onEnd).on('close', stop);
}

module.exports = { readBody };
