'use strict';

// The client's socket of a response, where the adapter may write a large body into it by itself.

const { OutgoingMessage } = require('node:http');
const { Socket } = require('node:net');

/** Whether it is a TCP connection of Node's and nothing more: no TLS, no Unix-domain socket, no one's own class. */
function isPlain(socket) {
  return Object.getPrototypeOf(socket) === Socket.prototype && socket.remoteFamily !== undefined;
}

/** Its descriptor. Not Node's public API; undefined where there is none, as on Windows. */
function descriptorOf(socket) {
  const fd = socket._handle?.fd;
  return Number.isInteger(fd) && fd >= 0 ? fd : undefined;
}

/**
 * Offers the place where a response may be written, past Node, with its head, which goes out with the first bytes of the body;
 * not where somebody would miss it: TLS, HTTP/2, whatever wraps `write` (compression), a socket that may time out for want of
 * anything written to it, trailers, a length that Node is to check, what is still queued.
 * @param {import('node:http').ServerResponse} res after `writeHead`
 * @param {(fd: number, chunked: boolean, head: Buffer) => boolean} take
 * @returns {boolean} whether it was taken: then head and body, its last chunk included, are not Node's to write
 */
function lendSocket(res, take) {
  const { req, socket } = res;
  if (req.httpVersionMajor !== 1 || req.method === 'HEAD' || res.write !== OutgoingMessage.prototype.write)
    return false;
  if (res.strictContentLength || res.hasHeader('trailer')) return false;
  // `null` while an earlier request on this connection is being answered.
  if (socket === null || !isPlain(socket) || socket.timeout) return false;
  if (Object.hasOwn(socket, 'write')) return false;
  if (socket.destroyed || res.writableLength > 0) return false;
  const fd = descriptorOf(socket);
  // What Node would send next; not its public API. Somebody may have sent it already.
  const head = res._headerSent ? '' : res._header;
  if (fd === undefined || typeof head !== 'string') return false;
  if (!take(fd, res.chunkedEncoding, Buffer.from(head, 'latin1'))) return false;
  Object.assign(res, { _headerSent: true, chunkedEncoding: false });
  return true;
}

module.exports = { lendSocket, descriptorOf, isPlain };
