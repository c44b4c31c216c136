'use strict';

// Buffers for the pieces of streamed answers, used again and again: a server that streams much leaves nothing to collect.

const SIZE = 256 * 1024;
/** What is kept of them while nobody needs any: a buffer that is made anew for each piece would have V8 collect all the time. */
const KEPT = 32;
/** A smaller piece goes out as a copy of its size, so that a slow client holds little more than what it was sent. */
const LARGE = SIZE / 4;

/** @type {Buffer[]} */
const free = [];

/**
 * Fills a buffer and hands it on.
 * @param {(buffer: Buffer) => number} fill returns how many bytes it filled
 * @param {(piece: Buffer, done: () => void) => void} hand gets what was filled; `done` says that nobody reads it any more
 */
function withPiece(fill, hand) {
  const buffer = free.pop() ?? Buffer.allocUnsafeSlow(SIZE);
  let released = false;
  const release = () => {
    // Once only, whatever the host wraps around `write`: a buffer that is given out twice would mix two answers.
    if (!released && free.length < KEPT) free.push(buffer);
    released = true;
  };
  const length = fill(buffer);
  if (length >= LARGE) return hand(buffer.subarray(0, length), release);
  const piece = Buffer.from(buffer.subarray(0, length));
  release();
  if (length > 0) hand(piece, () => {});
}

module.exports = { withPiece };
