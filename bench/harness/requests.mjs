// The requests that are measured, and the secrets that all servers share. It must not know who answers.

import { createHmac } from 'node:crypto';

/** What every peer is started with, beside its upstream. */
export const SECRETS = {
  apiKey: 'bench-api-key',
  jwtSecret: 'bench-jwt-secret-of-more-than-32-bytes',
  signingSecret: 'bench-signing-secret-of-more-than-32-bytes',
  handleSecret: 'bench-handle-secret-of-more-than-32-bytes',
};

/** Many users, as in life, and so many that none comes near the limit. */
const USERS = 256;

const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

function token(user, secret) {
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    id: user,
    username: user,
    provider: 'local',
    email: `${user}@example.com`,
    iat: now,
    exp: now + 86_400,
  };
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}

/** @param {number} [count] @param {string} [secret] of the signature; another than `jwtSecret` makes forged tokens */
function tokens(count = USERS, secret = SECRETS.jwtSecret) {
  // Ids as MongoDB's: 24 hexadecimal characters.
  return Array.from({ length: count }, (_, number) => token(number.toString(16).padStart(24, '0'), secret));
}

const TEXT = 'The quick brown fox jumps over the lazy dog. ';

/** `POST /flows/:id/run` whose body has `size` bytes. */
export function run(size, { flow = 'a3f2c9d4-5b6e-4f70-8a91-b2c3d4e5f607', mode = 'async', users, forged } = {}) {
  const body = (text) => JSON.stringify({ input: { question: text }, mode });
  const room = size - body('').length;
  const text = TEXT.repeat(Math.ceil(room / TEXT.length)).slice(0, room);
  const secret = forged ? 'another-secret-of-more-than-32-bytes' : undefined;
  return { path: `/api/sim/flows/${flow}/run`, body: body(text), tokens: tokens(users, secret) };
}

/** `POST /proxy` for a flow whose JSON has `size` bytes. */
export function proxy(size) {
  const body = JSON.stringify({ method: 'GET', path: `/api/v2/workflows/size-${size}` });
  return { path: '/api/sim/proxy', body, tokens: tokens() };
}
