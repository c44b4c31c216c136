'use strict';

// The header block of an answer: names and values, one a line.

/** @param {string} head @returns {Record<string, string>} */
function readHead(head) {
  const headers = {};
  const lines = head.split('\n');
  for (let i = 0; i + 1 < lines.length; i += 2) headers[lines[i]] = lines[i + 1];
  return headers;
}

module.exports = { readHead };
