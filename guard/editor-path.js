'use strict';

// Decides which request targets the editor listener passes on, and to which of Sim's two servers. Knows nothing of headers,
// sessions or signatures.
//
// Sim's key API must not be reachable here in any spelling. So a target is either in its one plain spelling, or refused;
// and what is refused is looked for in the most decoded reading that any server behind could make of it.

const REFUSED = new Set(['v1', 'v2', 'jobs']);
const NOT_CANONICAL = { status: 400, reason: 'path_not_canonical' };
const NOT_ALLOWED = { status: 403, reason: 'path_not_allowed' };

// RFC 3986 section 2.3: a letter, digit, `-`, `.`, `_` or `~` is never written as an escape.
const ESCAPED_UNRESERVED = /%(?:2[de]|3\d|4[1-9a-f]|5[\da]|5f|6[1-9a-f]|7[\dae])/i;

/** Returns null for a target to pass on, else `{status, reason}`. */
function editorRefusal(target) {
  if (!/^\/[\x21-\x7e]*$/.test(target) || target.includes('#')) return NOT_CANONICAL;
  const [path] = target.split('?', 1);
  // `%2F` stays: Sim's own file links carry storage keys as one escaped segment.
  if (path.includes('\\') || /%5c/i.test(path) || ESCAPED_UNRESERVED.test(path)) return NOT_CANONICAL;
  const reading = mostDecoded(path);
  if (reading === null) return NOT_CANONICAL;
  const segments = reading.slice(1).split('/');
  const inner = segments.slice(0, -1);
  if (inner.includes('') || segments.some((segment) => segment === '.' || segment === '..')) return NOT_CANONICAL;
  // What follows `;`, `?` or `#` in a segment, some servers do not count as part of its name.
  const [first, second] = segments.map((segment) => segment.split(/[;?#]/, 1)[0].trim());
  return first === 'api' && REFUSED.has(second) ? NOT_ALLOWED : null;
}

/** Whether a target, plain as it has to be, is for Sim's realtime server. Its other paths are for Sim alone. */
const isSocketIo = (target) => /^\/socket\.io(?:[/?]|$)/.test(target);

/** The path with every escape undone, compatibility letters folded, in lower case; null when there is no such reading. */
function mostDecoded(path) {
  let reading;
  try {
    reading = decodeURIComponent(path);
  } catch {
    return null;
  }
  reading = reading.normalize('NFKC');
  // An escaped percent sign may hide further escapes. Nobody honest nests them three deep.
  for (let round = 0; round < 3; round += 1) {
    const next = reading.replace(/%([0-7][\da-f])/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
    if (next === reading) break;
    if (round === 2) return null;
    reading = next.normalize('NFKC');
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  if (/[\0-\x1f\x7f]/.test(reading)) return null;
  return reading.replaceAll('\\', '/').toLowerCase();
}

module.exports = { editorRefusal, isSocketIo };
