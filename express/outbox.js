'use strict';

// Unpacks what `src/outbox.rs` packs: records of kind, two numbers, head and body.

const ANSWER = 1;
const QUESTION = 2;
const LOG = 3;
const CLOSED = 4;
const HEAD = 5;
const PIECE = 6;
const END = 7;
const LARGE_HEAD = 8;
const LEFT = 9;

const HEADER_BYTES = 17;

/**
 * Calls `visit(kind, first, second, head, packed, from, to)` for each record in the `length` bytes of `packed` from `start`
 * on; its body is from one place to another: a view of its own for each would cost more than all else here.
 * @param {Buffer} packed
 * @param {number} start
 * @param {number} length
 * @param {(kind: number, first: number, second: number, head: string, packed: Buffer, from: number, to: number) => void}
 *   visit
 */
function unpack(packed, start, length, visit) {
  let at = start;
  while (at < start + length) {
    const headAt = at + HEADER_BYTES;
    const bodyAt = headAt + packed.readUInt32LE(at + 9);
    const end = bodyAt + packed.readUInt32LE(at + 13);
    const kind = packed[at];
    const first = packed.readUInt32LE(at + 1);
    const second = packed.readUInt32LE(at + 5);
    visit(kind, first, second, packed.latin1Slice(headAt, bodyAt), packed, bodyAt, end);
    at = end;
  }
}

module.exports = { unpack, ANSWER, QUESTION, LOG, CLOSED, HEAD, PIECE, END, LARGE_HEAD, LEFT };
