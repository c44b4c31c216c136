'use strict';

// The two listeners of `sim-adapter guard`: who may pass, and what is taken off on the way.

const http = require('node:http');
const { finished } = require('node:stream');

const { SignatureError, refusalBody, verifySignature } = require('../express/guard.js');
const { editorRefusal, isSocketIo } = require('./editor-path.js');
const { forward, forwardUpgrade, upstreamTo } = require('./forward.js');
const { headRefusal } = require('./headers.js');
const { begin, write } = require('./log.js');

const HEADERS_TIMEOUT_MS = 15_000;
// Docker ends a container 10 s after it asked it to stop.
const GRACE_MS = 8_000;

// The signature is used up here, and Sim does not know it. What it covered stays: Content-Digest, X-Sim-User, X-Request-Id.
const API_DROP = ['signature', 'signature-input'];
// Nobody vouches for a browser's headers: a Sim that reads X-Sim-User must not believe one from here.
const EDITOR_DROP = ['signature', 'signature-input', 'x-sim-user'];

const MESSAGES = {
  connection_header: 'the connection header names a header that may not be dropped',
  host_header: 'the request needs exactly one host header',
  key_not_allowed: 'this listener takes no API keys',
  path_not_allowed: 'this path is not served here',
  path_not_canonical: 'the path is not in its plain form',
  payload_too_large: 'the body is too large',
  upgrade_not_allowed: 'this listener does not switch to that protocol',
  upstream_timeout: 'Sim did not answer in time',
  upstream_unreachable: 'Sim cannot be reached',
};

function refusalOf(reason) {
  return { error: { code: reason, message: MESSAGES[reason] } };
}

/** Starts both listeners; resolves once they accept connections. */
async function startGuard({
  upstream: simUrl,
  realtime: realtimeUrl,
  host,
  apiPort,
  editorPort,
  maxBodyBytes,
  maxAgeSeconds,
  upstreamTimeoutMs,
  secrets,
}) {
  const sim = upstreamTo(simUrl, upstreamTimeoutMs);
  const realtime = upstreamTo(realtimeUrl, upstreamTimeoutMs);
  const signatures = { secrets, maxAgeSeconds, maxBodyBytes };

  const api = listener('api', {
    upstreamFor: () => sim,
    maxBodyBytes,
    drop: API_DROP,
    admit: async (request, refuse) => {
      try {
        await verifySignature(request, signatures);
        return true;
      } catch (error) {
        if (!(error instanceof SignatureError)) throw error;
        refuse(error.status, error.reason, refusalBody(error));
        return false;
      }
    },
    isHealthCheck: (request) => request.url === '/healthz' && ['GET', 'HEAD'].includes(request.method),
    upgradeRefusal: () => ({ status: 403, reason: 'upgrade_not_allowed' }),
  });

  const editor = listener('editor', {
    upstreamFor: (request) => (isSocketIo(request.url) ? realtime : sim),
    maxBodyBytes,
    drop: EDITOR_DROP,
    admit: async (request, refuse) => {
      const refusal = browserRefusal(request);
      if (refusal !== null) refuse(refusal.status, refusal.reason);
      return refusal === null;
    },
    isHealthCheck: () => false,
    upgradeRefusal: (request) => {
      const websocket = request.method === 'GET' && request.headers.upgrade?.toLowerCase() === 'websocket';
      return websocket ? browserRefusal(request) : { status: 403, reason: 'upgrade_not_allowed' };
    },
  });

  /** Takes no more requests, lets those under way end for a while, then cuts them. */
  async function close() {
    const cut = setTimeout(() => {
      api.cut();
      editor.cut();
    }, GRACE_MS);
    await Promise.all([api.close(), editor.close()]);
    clearTimeout(cut);
    sim.close();
    realtime.close();
  }

  try {
    await api.listen(apiPort, host);
    await editor.listen(editorPort, host);
  } catch (error) {
    await close();
    throw error;
  }
  return { close };
}

function browserRefusal(request) {
  if (request.headers['x-api-key'] !== undefined || request.headers.authorization !== undefined) {
    return { status: 403, reason: 'key_not_allowed' };
  }
  return editorRefusal(request.url);
}

/** One listener: the order in which a request is looked at is the same on both. */
function listener(name, { upstreamFor, maxBodyBytes, drop, admit, isHealthCheck, upgradeRefusal }) {
  const lines = new Set();
  let closing = false;

  const server = http.createServer({ headersTimeout: HEADERS_TIMEOUT_MS }, async (request, response) => {
    if (closing) response.shouldKeepAlive = false;
    if (isHealthCheck(request)) return answer(request, response, 200, { ok: true });
    const finish = begin(name, request);
    let reason;
    response.on('close', () => {
      finish(response.headersSent ? response.statusCode : 499, reason);
    });
    const refuse = (status, why, body = refusalOf(why)) => {
      reason = why;
      answer(request, response, status, body);
    };
    try {
      const head = headRefusal(request) ?? tooLarge(request, maxBodyBytes);
      if (head !== null) return refuse(head.status, head.reason);
      if (!(await admit(request, refuse)) || response.destroyed) return;
      forward(upstreamFor(request), { request, response, drop, body: request.rawBody, maxBodyBytes, refuse });
    } catch {
      // A fault of our own: the connection ends, nothing is forwarded.
      reason = 'internal_error';
      response.destroy();
    }
  });

  server.on('upgrade', (request, socket, head) => {
    const finish = begin(name, request);
    let logged = false;
    const answered = (status, reason) => {
      if (!logged) finish(status, reason);
      logged = true;
    };
    const refuse = (status, reason) => {
      answered(status, reason);
      socket.end(refusalText(status, refusalOf(reason)));
    };
    lines.add(socket);
    socket.on('close', () => lines.delete(socket));
    // A line that breaks closes; there is nobody left to tell.
    socket.on('error', () => socket.destroy());
    const refusal = headRefusal(request) ?? upgradeRefusal(request);
    if (refusal !== null) return refuse(refusal.status, refusal.reason);
    forwardUpgrade(upstreamFor(request), { request, socket, head, drop, refuse, answered });
  });

  return {
    listen: (port, host) =>
      new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen(port, host, () => {
          write({ event: 'listening', listener: name, port: server.address().port });
          resolve();
        });
      }),
    close: () =>
      new Promise((resolve) => {
        closing = true;
        server.close(resolve);
        // A WebSocket has no end to wait for: its client connects again elsewhere.
        for (const socket of lines) socket.destroy();
      }),
    cut: () => server.closeAllConnections(),
  };
}

function tooLarge(request, limit) {
  return Number(request.headers['content-length'] ?? 0) > limit ? { status: 413, reason: 'payload_too_large' } : null;
}

function answer(request, response, status, body) {
  if (response.headersSent || response.destroyed) return;
  const bytes = Buffer.from(JSON.stringify(body));
  response.writeHead(status, {
    'Content-Type': 'application/json',
    'Content-Length': bytes.length,
    'Cache-Control': 'no-store',
  });
  response.write(bytes);
  // The answer is out; what is left of the body is thrown away before the end, since a connection that is closed on a
  // sender may take the answer with it. Node's request time-out bounds the wait.
  request.unpipe();
  request.resume();
  finished(request, () => response.end());
}

function refusalText(status, body) {
  const text = JSON.stringify(body);
  const head = [
    `HTTP/1.1 ${status} ${http.STATUS_CODES[status]}`,
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(text)}`,
    'Connection: close',
  ];
  return `${head.join('\r\n')}\r\n\r\n${text}`;
}

module.exports = { startGuard };
