'use strict';

// Which header lines cross a proxy. Works on raw header lists, so that order, case and duplicates survive.

// RFC 9110 section 7.6.1, and what only concerns one connection in practice.
const HOP_BY_HOP = new Set([
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** The header lines that go on to the other side, as a flat list, without those named in `drop` (lower case). */
function endToEnd({ rawHeaders, headers }, drop = []) {
  const dropped = new Set([...drop, ...namedByConnection(headers)]);
  const kept = [];
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = rawHeaders[index].toLowerCase();
    if (!HOP_BY_HOP.has(name) && !dropped.has(name)) kept.push(rawHeaders[index], rawHeaders[index + 1]);
  }
  return kept;
}

function namedByConnection({ connection = '' }) {
  return connection
    .toLowerCase()
    .split(',')
    .map((word) => word.trim());
}

/**
 * Why a request head cannot be passed on, or null. `Connection` may name headers to drop; a proxy that obeys would let
 * a third party take off a header that the signature covers, so that anything but the usual words is refused.
 */
function headRefusal(request) {
  const words = namedByConnection(request.headers);
  const usual = words.every((word) => word === '' || word === 'close' || HOP_BY_HOP.has(word));
  if (!usual) return { status: 400, reason: 'connection_header' };
  const hosts = request.rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === 'host');
  return hosts.length === 1 ? null : { status: 400, reason: 'host_header' };
}

/** The `X-Forwarded-For` line for this request: the addresses so far, and the one it came from. */
function forwardedFor(request) {
  const before = request.headers['x-forwarded-for'];
  const address = request.socket.remoteAddress ?? 'unknown';
  return ['X-Forwarded-For', before === undefined ? address : `${before}, ${address}`];
}

module.exports = { endToEnd, forwardedFor, headRefusal };
