'use strict';

// The client's socket of a response, where the adapter may write a large body into it by itself.

const { OutgoingMessage } = require('node:http');
const { Socket } = require('node:net');

/**
 * Sends the head of a response and offers the place where its body may be written, past Node; not where somebody would miss
 * it: TLS, HTTP/2, whatever wraps `write` (compression), a socket that may time out for want of anything written to it, what
 * is still queued.
 * @param {import('node:http').ServerResponse} res
 * @param {(fd: number, chunked: boolean) => boolean} take
 */
function lendSocket(res, take) {
  const { req, socket } = res;
  if (req.httpVersionMajor !== 1 || req.method === 'HEAD' || res.write !== OutgoingMessage.prototype.write) return;
  // `null` while an earlier request on this connection is being answered.
  if (socket === null || Object.getPrototypeOf(socket) !== Socket.prototype || socket.timeout) return;
  res.flushHeaders();
  if (socket.destroyed || socket.writableLength > 0) return;
  // Of a server on Windows there is none. The last chunk is not Node's to write then.
  if (take(socket._handle.fd, res.chunkedEncoding)) res.chunkedEncoding = false;
}

module.exports = { lendSocket };
