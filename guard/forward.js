'use strict';

// Passes one request on to Sim and its answer back, byte for byte and as it comes. Decides nothing about who may.

const http = require('node:http');
const https = require('node:https');
const { Transform, pipeline } = require('node:stream');

const { hasBody } = require('../express/guard.js');
const { endToEnd, forwardedFor } = require('./headers.js');

// Node's servers close an idle connection after 5 s; a shorter life here keeps requests off a dying one.
const IDLE_CONNECTION_MS = 4_000;
// Without a length, Node would send these with an empty chunked body.
const METHODS_WITH_BODY = new Set(['POST', 'PUT', 'PATCH']);
const FRAMING = ['content-length', 'expect', 'x-forwarded-for'];

/** The way to Sim. `timeoutMs` is the longest silence that is waited out. */
function upstreamTo(url, timeoutMs) {
  const { request, Agent } = url.protocol === 'https:' ? https : http;
  const agent = new Agent({ keepAlive: true, timeout: IDLE_CONNECTION_MS });
  const open = (incoming, headers, options) =>
    request({
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port: url.port,
      method: incoming.method,
      path: incoming.url,
      headers,
      agent,
      ...options,
    });
  return { open, timeoutMs, close: () => agent.destroy() };
}

/**
 * Forwards `request` without the headers in `drop`. A `body` was read before; else the body streams, up to `maxBodyBytes`.
 * `refuse(status, reason)` answers for what cannot be forwarded, as long as nothing was answered.
 */
function forward(upstream, { request, response, drop, body, maxBodyBytes, refuse }) {
  const headers = endToEnd(request, [...drop, ...FRAMING]);
  headers.push(...forwardedFor(request), ...framing(request, body));
  const outgoing = upstream.open(request, headers);
  let cause = null;

  // `timeout` only tells of silence; the request is ended here.
  outgoing.setTimeout(upstream.timeoutMs, () => {
    cause = { status: 504, reason: 'upstream_timeout' };
    outgoing.destroy();
  });
  outgoing.on('close', () => {
    if (response.headersSent || response.destroyed) return;
    const { status, reason } = cause ?? { status: 502, reason: 'upstream_unreachable' };
    refuse(status, reason);
  });
  // What went wrong is told by `close`, which always follows.
  outgoing.on('error', () => {});
  outgoing.on('response', (incoming) => {
    response.writeHead(incoming.statusCode, incoming.statusMessage, endToEnd(incoming));
    response.flushHeaders();
    pipeline(incoming, response, () => {});
  });
  // A client that goes away ends the call to Sim, which cancels a streamed run there.
  response.on('close', () => {
    if (!response.writableFinished) outgoing.destroy();
  });

  if (body !== undefined) {
    outgoing.end(body);
    return;
  }
  const limit = limited(maxBodyBytes, () => {
    cause = { status: 413, reason: 'payload_too_large' };
    outgoing.destroy();
  });
  request.pipe(limit).pipe(outgoing);
}

/** The headers that say how long the body is: as received, never both. */
function framing(request, body) {
  if (body !== undefined && hasBody(request)) return ['Content-Length', String(body.length)];
  if (request.headers['transfer-encoding'] !== undefined) return ['Transfer-Encoding', 'chunked'];
  const length = request.headers['content-length'];
  if (length !== undefined) return ['Content-Length', length];
  return METHODS_WITH_BODY.has(request.method) ? ['Content-Length', '0'] : [];
}

/** Lets `limit` bytes through; at the first byte more it calls `exceeded` and passes nothing on. */
function limited(limit, exceeded) {
  let size = 0;
  return new Transform({
    transform(chunk, _encoding, done) {
      size += chunk.length;
      if (size <= limit) done(null, chunk);
      else exceeded();
    },
  });
}

/** Forwards a WebSocket handshake and then the bytes of both directions. */
function forwardUpgrade(upstream, { request, socket, head, drop, refuse, answered }) {
  const headers = endToEnd(request, [...drop, ...FRAMING]);
  headers.push(...forwardedFor(request), 'Connection', 'Upgrade', 'Upgrade', 'websocket');
  const outgoing = upstream.open(request, headers, { agent: false });
  let open = false;

  outgoing.setTimeout(upstream.timeoutMs, () => outgoing.destroy());
  outgoing.on('error', () => {});
  outgoing.on('close', () => {
    if (!open) refuse(502, 'upstream_unreachable');
  });
  outgoing.on('response', (incoming) => {
    open = true;
    answered(incoming.statusCode);
    socket.write(headOf(incoming, ['Connection', 'close']));
    pipeline(incoming, socket, () => {});
  });
  outgoing.on('upgrade', (incoming, line, first) => {
    open = true;
    answered(101);
    line.setTimeout(0);
    line.setNoDelay(true);
    socket.setNoDelay(true);
    socket.write(headOf(incoming, ['Connection', 'Upgrade', 'Upgrade', 'websocket']));
    socket.write(first);
    line.write(head);
    line.on('error', () => line.destroy());
    line.on('close', () => socket.destroy());
    // From here on `outgoing` no longer has the line: destroying it does nothing.
    socket.on('close', () => line.destroy());
    line.pipe(socket).pipe(line);
  });
  socket.on('close', () => outgoing.destroy());
  outgoing.end();
}

/** The head of an answer, as text, for a socket that no longer belongs to an HTTP server. */
function headOf(incoming, extra) {
  const lines = [`HTTP/1.1 ${incoming.statusCode} ${incoming.statusMessage}`];
  const headers = [...endToEnd(incoming), ...extra];
  for (let index = 0; index < headers.length; index += 2) lines.push(`${headers[index]}: ${headers[index + 1]}`);
  return `${lines.join('\r\n')}\r\n\r\n`;
}

module.exports = { forward, forwardUpgrade, upstreamTo };
