// Builds the tokens of `corpus/tokens.json`, good and bad ones. It must not know how a token is checked.

import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';

export const corpus = JSON.parse(readFileSync(new URL('corpus/tokens.json', import.meta.url), 'utf8'));

const DIGESTS = { HS256: 'sha256', HS384: 'sha384', HS512: 'sha512' };
const base64url = (value) => Buffer.from(value).toString('base64url');

const hmac = (algorithm, secret, message) =>
  algorithm === 'none' ? Buffer.alloc(0) : createHmac(DIGESTS[algorithm], secret).update(message).digest();

const repeated = (text) => text.replace(/@repeat (\d+)/, (_all, times) => 'x'.repeat(Number(times)));

/** A part's text: as it stands, or the JSON of an object. */
function part(value, now) {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  const number = (_all, offset) => String(now + Number(offset || 0));
  return repeated(text.replace(/"@now([-+.\d]*)"/g, number).replace(/@now([-+.\d]*)/g, number));
}

/** A good token of `payload`. */
export function sign(payload, secret) {
  const message = `${base64url('{"alg":"HS256","typ":"JWT"}')}.${base64url(JSON.stringify(payload))}`;
  return `${message}.${hmac('HS256', secret, message).toString('base64url')}`;
}

const SIGNATURES = {
  'flip-first': (bytes) => Buffer.from(bytes.map((byte, at) => (at === 0 ? byte ^ 0x80 : byte))),
  'flip-last': (bytes) => Buffer.from(bytes.map((byte, at) => (at === 31 ? byte ^ 1 : byte))),
  'signature-31': (bytes) => bytes.subarray(0, 31),
  'signature-16': (bytes) => bytes.subarray(0, 16),
  'signature-twice': (bytes) => Buffer.concat([bytes, bytes]),
  'signature-zero': (bytes) => Buffer.alloc(bytes.length),
};

const TOKENS = {
  'other-payload': (token, now) => {
    const [header, , signature] = token.split('.');
    return `${header}.${base64url(JSON.stringify({ id: 'mallory', exp: now + 900 }))}.${signature}`;
  },
  'pad-signature': (token) => `${token}=`,
  'standard-base64': (token) => token.replace(/\.(..)([^.]*)$/, '.+/$2'),
  'trailing-bits': (token) => `${token.slice(0, -1)}_`,
  newline: (token) => `${token}\n`,
  'drop-first': (token) => token.slice(1),
  'drop-last-10': (token) => token.slice(0, -10),
  'drop-signature': (token) => token.slice(0, token.lastIndexOf('.')),
  'drop-half': (token) => token.slice(0, token.length / 2),
  'fourth-part': (token) => `${token}.${token.split('.')[2]}`,
};

/** The token of one case of the corpus. */
export function tokenOf(
  { token, header, payload, payloadHex, sign: algorithm = 'HS256', secret = 'newest', edit },
  now,
) {
  if (token !== undefined) return repeated(token);
  const body = payloadHex === undefined ? Buffer.from(part(payload, now)) : Buffer.from(payloadHex, 'hex');
  const padding = edit === 'pad-payload' ? '=' : '';
  const message = `${base64url(part(header ?? { alg: 'HS256', typ: 'JWT' }, now))}.${base64url(body)}${padding}`;
  const signature = hmac(algorithm, corpus.secrets[secret], message);
  const edited = SIGNATURES[edit]?.(signature) ?? signature;
  const whole = `${message}.${edited.toString('base64url')}`;
  return TOKENS[edit]?.(whole, now) ?? whole;
}

/** The values of the case's `Authorization` headers. */
export const authorizationsOf = (entry, now) =>
  (entry.authorization ?? ['Bearer {token}']).map((value) => value.replaceAll('{token}', () => tokenOf(entry, now)));
