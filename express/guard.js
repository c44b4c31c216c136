'use strict';

// Verifies the signatures of the adapter's requests on the receiving side: as a function, and as Express middleware.
// What makes a signature good is decided in Rust; here the bytes are gathered, and the order is kept: head, body, replay.

const { ReplayWindow, SignatureVerifier } = require('./native.js');

const DEFAULT_MAX_AGE_SECONDS = 60;
const SKEW_SECONDS = 30;
const DEFAULT_MAX_BODY_BYTES = 10 * 1024 * 1024;
const REPLAY_ENTRIES = 1024 * 1024;
const NO_BODY = Buffer.alloc(0);

// Shared by all guards of the process, so that a request that one of them accepted is known to the others.
let processReplays;

/** A request that is not accepted. `reason` is stable; `status` is the HTTP status to answer with. */
class SignatureError extends Error {
  constructor(reason, message, status = 401) {
    super(message);
    this.name = 'SignatureError';
    this.code = 'invalid_signature';
    this.reason = reason;
    this.status = status;
  }
}

/**
 * Accepts a request that was signed with one of the secrets, once.
 *
 * Reads the body unless `request.rawBody` holds it, and leaves it there.
 * @returns {Promise<{user: string | null, tenant: string | null, keyid: string}>} `user` is null for calls that the
 *   adapter makes for itself.
 * @throws {SignatureError}
 */
async function verifySignature(request, options) {
  return verifyWith(settings(options), request);
}

/** Express 4 and 5 middleware: puts what `verifySignature` returns into `request.signedBy`, or answers the refusal. */
function signatureGuard(options) {
  const own = settings(options);
  return async function guard(request, response, next) {
    let signedBy;
    try {
      signedBy = await verifyWith(own, request);
    } catch (error) {
      if (!(error instanceof SignatureError) || error.status === 500) return next(error);
      return response.status(error.status).json(refusalBody(error));
    }
    request.signedBy = signedBy;
    next();
  };
}

/** The JSON that answers a refusal. */
function refusalBody(error) {
  return { error: { code: error.code, message: error.message, details: { reason: error.reason } } };
}

function settings({
  secrets,
  maxAgeSeconds = DEFAULT_MAX_AGE_SECONDS,
  maxBodyBytes = DEFAULT_MAX_BODY_BYTES,
  replayStore,
}) {
  const list = typeof secrets === 'string' ? secrets.split(',').map((secret) => secret.trim()) : secrets;
  if (replayStore !== undefined && typeof replayStore?.claim !== 'function') {
    throw new TypeError('replayStore needs a method claim(key, until)');
  }
  processReplays ??= new ReplayWindow(REPLAY_ENTRIES);
  return {
    verifier: new SignatureVerifier(list, maxAgeSeconds, SKEW_SECONDS),
    replays: replayStore ?? processReplays,
    maxBodyBytes,
  };
}

async function verifyWith({ verifier, replays, maxBodyBytes }, request) {
  // An unsigned request ends here: not a byte of its body is kept.
  const ticket = refusing(() =>
    verifier.checkHead({
      method: request.method,
      secure: request.socket?.encrypted === true,
      // Express takes the mount path off `url`; what was signed is the request line.
      target: request.originalUrl ?? request.url,
      rawHeaders: request.rawHeaders,
    }),
  );
  const body = await bodyOf(request, maxBodyBytes);
  refusing(() => ticket.checkBody(body));
  await claim(replays, ticket);
  return { user: ticket.user, tenant: ticket.tenant, keyid: ticket.keyid };
}

/** Turns what the addon throws into a SignatureError. */
function refusing(check) {
  try {
    return check();
  } catch (error) {
    // Refusals have codes in snake case; anything else is a wrong call, and no reason to blame the request.
    throw /^[a-z_]+$/.test(error.code) ? new SignatureError(error.code, error.message) : error;
  }
}

async function claim(replays, ticket) {
  let first;
  try {
    first = await replays.claim(ticket.replayKey, ticket.replayUntil);
  } catch (error) {
    const full = error?.code === 'replay_store_full';
    const reason = full ? 'replay_store_full' : 'replay_store_unavailable';
    throw new SignatureError(reason, 'replays cannot be told apart at the moment', 503);
  }
  if (first !== true) throw new SignatureError('replayed', 'the request was seen before');
}

async function bodyOf(request, limit) {
  if (request.rawBody === undefined) request.rawBody = await readBody(request, limit);
  if (!Buffer.isBuffer(request.rawBody)) throw new TypeError('request.rawBody is not a Buffer');
  return request.rawBody;
}

async function readBody(request, limit) {
  if (!hasBody(request)) return NO_BODY;
  if (request.readableDidRead || request.readableEncoding) {
    throw new SignatureError(
      'body_unavailable',
      'the body was read before its signature was checked: mount the guard before body parsers, or keep the bytes ' +
        'with express.json({ verify: (request, _response, bytes) => { request.rawBody = bytes; } })',
      500,
    );
  }
  const tooLarge = new SignatureError('payload_too_large', `the body is larger than ${limit} bytes`, 413);
  if (Number(request.headers['content-length']) > limit) throw tooLarge;
  const chunks = [];
  let size = 0;
  try {
    // The stream stays open, so that the refusal can still be answered.
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      size += chunk.length;
      if (size > limit) throw tooLarge;
      chunks.push(chunk);
    }
  } catch (error) {
    throw error === tooLarge ? error : new SignatureError('body_aborted', 'the body did not arrive in full', 400);
  }
  return Buffer.concat(chunks, size);
}

/** RFC 9112 section 6.3: a request has a body when it says so. */
function hasBody({ headers }) {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

module.exports = { SignatureError, hasBody, refusalBody, signatureGuard, verifySignature };
