'use strict';

// Packs a request for `src/inbox.rs`: of the head a line for each field that is there, a letter and the value; behind it the
// body.

/** Room for a request and an answer that comes at once, in bytes; an answer that does not fit comes by the outbox. */
const ROOM = 64 * 1024;
/** Larger bodies go over by themselves: copying them twice would cost more than another argument. In bytes or characters. */
const TOGETHER = 8 * 1024;
/** The longest head that goes into the common room, in characters, each of which takes three bytes at the most. */
const HEAD = 8 * 1024;

/** What no value may hold becomes what no value is accepted with. */
function line(letter, value) {
  if (value === undefined || value === null) return '';
  return `${letter}${value.includes('\n') ? value.replaceAll('\n', '\0') : value}\n`;
}

/**
 * @typedef {object} Head texts; absent ones are `undefined` or `null`
 * @property {string} method
 * @property {string} url path below the mount point, and query
 * @property {string} mount
 * @property {boolean} [host] the host's own call: no user, and none needed
 * @property {string} [user]
 * @property {string} [tenant]
 * @property {string} [role]
 * @property {string} [plan]
 * @property {string} [ip]
 * @property {string} [requestId]
 * @property {string} [idempotencyKey]
 * @property {string} [prefer]
 * @property {string} [traceparent]
 * @property {string} [tracestate]
 * @property {string} [lastEventId]
 * @property {number} [timeoutMs]
 * @property {boolean} [tooLarge] the body was not read, because it is larger than the addon takes
 * @property {string[]} [authorization] each such header; only looked at with `auth: 'jwt'`
 */

/** @param {Head} head */
function packHead(head) {
  let packed =
    line('M', head.method) +
    line('U', head.url) +
    line('B', head.mount) +
    (head.host ? 'h\n' : '') +
    line('u', head.user) +
    line('t', head.tenant) +
    line('r', head.role) +
    line('p', head.plan) +
    line('a', head.ip) +
    line('i', head.requestId) +
    line('k', head.idempotencyKey) +
    line('P', head.prefer) +
    line('T', head.traceparent) +
    line('S', head.tracestate) +
    line('e', head.lastEventId) +
    (head.timeoutMs === undefined ? '' : `w${head.timeoutMs}\n`) +
    (head.tooLarge ? 'l\n' : '');
  if (head.authorization !== undefined) for (const value of head.authorization) packed += line('A', value);
  return packed;
}

/** Adds a body at a place; returns its length in bytes. */
function addBody(packed, body, at) {
  if (body === undefined) return 0;
  if (typeof body === 'string') return packed.write(body, at);
  packed.set(body, at);
  return body.length;
}

/** One buffer for all requests, filled anew for each. */
class Inbox {
  /** Absent while a request is in it: whoever comes in the middle of another one must not overwrite it. */
  #room = Buffer.allocUnsafeSlow(ROOM);

  /**
   * Calls `hand` with a request: a buffer, how many bytes of it are the head, how many behind that the body, or the body
   * apart. An answer that comes at once has room behind both.
   * @template T
   * @param {Head} head
   * @param {string | Uint8Array | undefined} body
   * @param {(packed: Buffer, head: number, body: number, apart: Uint8Array | undefined) => T} hand
   */
  put(head, body, hand) {
    const text = packHead(head);
    const room = this.#room;
    const packed = room !== undefined && text.length <= HEAD ? room : Buffer.allocUnsafe(3 * text.length + ROOM);
    this.#room = undefined;
    try {
      const length = packed.write(text);
      if (body?.length > TOGETHER) return hand(packed, length, 0, typeof body === 'string' ? Buffer.from(body) : body);
      return hand(packed, length, addBody(packed, body, length), undefined);
    } finally {
      this.#room = room;
    }
  }
}

module.exports = { Inbox };
