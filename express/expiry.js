'use strict';

// When a bearer token ends. It is read, not verified: whoever let its bearer in did that, and all that hangs on it is how
// long what it opened stays open.

/** A timer cannot run longer; what a token that lasts longer opened ends then, and the client comes back. */
const LONGEST_MS = 0x7fffffff;

/** In milliseconds since 1970; undefined where it cannot be told. */
function expiryOf(authorization) {
  const payload = /^bearer +[^.\s]+\.([^.\s]+)\./i.exec(authorization ?? '')?.[1];
  if (payload === undefined) return undefined;
  try {
    const { exp } = JSON.parse(Buffer.from(payload, 'base64url').toString());
    return typeof exp === 'number' ? exp * 1000 : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Calls `expired` when the token ends.
 * @param {string | undefined} authorization the header's value
 * @param {() => void} expired
 * @returns {NodeJS.Timeout | undefined} nothing for a token without an end
 */
function atExpiry(authorization, expired) {
  const at = expiryOf(authorization);
  if (at === undefined) return undefined;
  return setTimeout(expired, Math.min(Math.max(at - Date.now(), 0), LONGEST_MS));
}

module.exports = { atExpiry };
