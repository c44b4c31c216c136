'use strict';

// Writes what the adapter answers to an HTTP response: at once, or piece by piece. No policy in it.

const { OutgoingMessage, ServerResponse, STATUS_CODES } = require('node:http');

const { atExpiry } = require('./expiry.js');
const { lendSocket, isPlain } = require('./socket.js');

/** Names and values in turn. */
function headersOf(head) {
  const headers = head.split('\n');
  headers.pop();
  return headers;
}

/** Where Node keeps the headers that a host sets; `null` before it has set one. */
const HOST_HEADERS = Object.getOwnPropertySymbols(new OutgoingMessage()).find(
  ({ description }) => description === 'kOutHeaders',
);

/** Whether `writeHead` would do nothing but put the head together: the host has said nothing of it, and a body may follow. */
function isFresh(res, status) {
  const bodiless = status < 200 || status === 204 || status === 304;
  return !bodiless && res.statusMessage === undefined && !res._expect_continue && res[HOST_HEADERS] === null;
}

/**
 * As `writeHead`, without the members that it adds. Express gives each response a shape of its own, and from then on one member more is a list
 * of all of them more, which the collector has to find: two of them are 7 % of what the main thread does for a request. Not Node's public API.
 */
function storeHead(res, status, headers) {
  if (res.statusCode !== status) res.statusCode = status;
  res._storeHeader(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'unknown'}\r\n`, headers);
}

/** @param {string[]} headers names and values in turn: setting them one by one costs the main thread more than all else here */
function writeHead(res, status, headers) {
  const { writeHead, writeHeader } = ServerResponse.prototype;
  if (res.writeHead === writeHead) {
    // Who wraps it for all responses leaves its other name as it was.
    if (writeHeader === writeHead && isFresh(res, status)) return storeHead(res, status, headers);
    return res.writeHead(status, headers);
  }
  // Middleware wraps it (compression, sessions, morgan), and some of it takes a flat list for one of pairs.
  for (let i = 0; i < headers.length; i += 2) res.setHeader(headers[i], headers[i + 1]);
  return res.writeHead(status);
}

/**
 * Ends a response with a body whose characters are bytes, after `writeHead`. From `end(text)` Node makes two writes, the second of
 * nothing; text that stands behind the head while it ends is one. Not where somebody would miss it: whatever wraps `end` of a response (compression),
 * HTTP/2, a length that Node is to check; and not where no body goes out, or one in chunks.
 */
function endWith(res, text) {
  // What Node would send next; not its public API.
  const head = res._headerSent ? undefined : res._header;
  const plain = typeof head === 'string' && res.end === OutgoingMessage.prototype.end && !res.strictContentLength;
  if (!plain || !res._hasBody || res.chunkedEncoding) return res.end(text, 'latin1');
  res._header = head + text;
  try {
    res.end();
  } finally {
    // It is read by logs.
    res._header = head;
  }
}

/** To a client of HTTP/1.0 a body that just stops is whole; TCP alone has a word for it. */
function breakOff(res) {
  const { socket } = res;
  if (res.req.httpVersionMinor === 0 && socket !== null && isPlain(socket)) socket.resetAndDestroy();
  else res.destroy();
}

/** Two of them end an event, and are found nowhere else in one. */
const LINE_FEED = 10;

class ResponseSink {
  #res;
  #waiting = 0;
  #written;
  #expiry;
  #opened = false;
  #ended = false;
  #lastByte;
  #midEvent = false;
  /** Whether what comes in pieces are events: another body that breaks off has no place for a last word. */
  #events = false;
  /** Whether the client was sent away from a stream that goes on without it. */
  detached = false;

  /** @param {import('node:http').ServerResponse} res */
  constructor(res) {
    this.#res = res;
  }

  /** A whole answer, its body `bytes` from one place to another. To a stream that is already open it is the end, and why. */
  answer(status, head, bytes, from, to) {
    const res = this.#res;
    if (res.destroyed) return;
    if (res.headersSent) return this.#last('error', bytes.toString('utf8', from, to));
    const headers = headersOf(head);
    headers.push('content-type', 'application/json; charset=utf-8', 'cache-control', 'no-store');
    headers.push('content-length', String(to - from));
    writeHead(res, status, headers);
    endWith(res, bytes.latin1Slice(from, to));
  }

  /** The head of a stream. `giveUp` ends it on the adapter's side. */
  open(status, head, giveUp) {
    const res = this.#res;
    if (res.destroyed || res.headersSent) return;
    this.#opened = true;
    writeHead(res, status, headersOf(head));
    this.#events = head.includes('text/event-stream');
    // The head of another answer goes out with its first piece.
    if (!this.#events) return;
    res.flushHeaders();
    const expire = () => {
      // Giving up the stream of a run that it started would stop the run: that one goes on, for whoever watches it next.
      if (res.req.method === 'GET') giveUp();
      else this.detached = true;
      this.#last('reauth', '{}');
      this.#drained();
    };
    this.#expiry = atExpiry(res.req.headers.authorization, expire);
    res.once('close', () => clearTimeout(this.#expiry));
  }

  /** The client's socket, for a large body that need not pass here. */
  lend(take) {
    const res = this.#res;
    if (!this.#opened || !lendSocket(res, take)) return;
    // A host that ends it meanwhile would have the next answer follow in the middle of this one.
    res.once('prefinish', () => this.#ended || res.destroy());
  }

  /** Bytes of a stream; `written` is told how many are on their way, so that as many more may come. */
  piece(bytes, written, done) {
    const res = this.#res;
    if (this.detached) {
      done();
      return written(bytes.length);
    }
    if (res.destroyed || res.writableEnded) return done();
    const ending = bytes.length > 1 ? bytes.subarray(-2) : [this.#lastByte, bytes[0]];
    this.#lastByte = ending[1];
    this.#midEvent = ending[0] !== LINE_FEED || ending[1] !== LINE_FEED;
    const flowing = res.write(bytes, done);
    // The compression middleware holds bytes back until it is told.
    res.flush?.();
    if (flowing && this.#waiting === 0) return written(bytes.length);
    this.#written = written;
    // One listener for a stream, however many pieces come until it drains.
    if (this.#waiting === 0) res.once('drain', () => this.#drained());
    this.#waiting += bytes.length;
  }

  end() {
    this.#ended = true;
    clearTimeout(this.#expiry);
    if (!this.#res.writableEnded) this.#res.end();
  }

  #drained() {
    const bytes = this.#waiting;
    this.#waiting = 0;
    if (bytes > 0) this.#written(bytes);
  }

  /** The last event; in the middle of another one there is no place for it, and the client finds the stream broken. */
  #last(event, data) {
    clearTimeout(this.#expiry);
    if (this.#res.writableEnded) return;
    // A client must not take half a body for a whole one.
    if (!this.#events) breakOff(this.#res);
    else if (this.#midEvent) this.#res.end();
    else this.#res.end(`event: ${event}\ndata: ${data}\n\n`);
  }
}

module.exports = { ResponseSink };
