// Who asks, and how often: the middlewares in front of the JavaScript peers, one for each library. They answer refusals
// themselves. They must not know what lies behind them.

import { createSecretKey, randomUUID } from 'node:crypto';

import { rateLimit } from 'express-rate-limit';
import { createVerifier } from 'fast-jwt';
import jwt from 'jsonwebtoken';
import { RateLimiterMemory } from 'rate-limiter-flexible';

import { bearer, userOf } from './input.mjs';
import { exceeded, sendError } from './output.mjs';

function authenticated(verify) {
  return function authenticate(req, res, next) {
    req.requestId = randomUUID();
    const token = bearer(req.headers);
    try {
      req.user = token && userOf(verify(token));
    } catch {
      // Not this secret's, or expired: nobody.
    }
    if (req.user) return next();
    sendError(res, 401, 'unauthenticated', 'sign in', req.requestId);
  };
}

/** jsonwebtoken with the secret as text, as most code has it. */
export const jsonwebtokenText = ({ jwtSecret }) =>
  authenticated((token) => jwt.verify(token, jwtSecret, { algorithms: ['HS256'] }));

/** jsonwebtoken with a key made once: it then does not try to read a public key out of the secret. */
export function jsonwebtokenKey({ jwtSecret }) {
  const key = createSecretKey(Buffer.from(jwtSecret));
  return authenticated((token) => jwt.verify(token, key, { algorithms: ['HS256'] }));
}

/** fast-jwt, which remembers the tokens it has seen, good and bad. */
export function fastJwt({ jwtSecret }) {
  return authenticated(createVerifier({ key: jwtSecret, algorithms: ['HS256'], cache: true }));
}

/** express-rate-limit in memory, with its own RateLimit fields. */
export function expressRateLimit({ userMax, userWindow }) {
  return rateLimit({
    windowMs: userWindow * 60_000,
    limit: userMax,
    standardHeaders: 'draft-8',
    legacyHeaders: false,
    keyGenerator: (req) => req.user.id,
    handler: (req, res) => {
      const resetsAt = req.rateLimit.resetTime.getTime();
      sendError(res, 429, 'rate_limited', 'too many requests', req.requestId, exceeded(userMax, resetsAt));
    },
  });
}

function tell(res, limit, windowS, remaining, resetMs) {
  const resetS = Math.max(Math.ceil(resetMs / 1000), 1);
  res.setHeader('ratelimit-policy', `"user";q=${limit};w=${windowS}`);
  res.setHeader('ratelimit', `"user";r=${remaining};t=${resetS}`);
  return resetS;
}

function refuse(req, res, limit, resetS) {
  res.setHeader('retry-after', resetS);
  const details = exceeded(limit, Date.now() + resetS * 1000);
  sendError(res, 429, 'rate_limited', 'too many requests', req.requestId, details);
}

/** rate-limiter-flexible in memory. */
export function flexibleRateLimit({ userMax, userWindow }) {
  const windowS = userWindow * 60;
  const limiter = new RateLimiterMemory({ points: userMax, duration: windowS });
  return function limit(req, res, next) {
    limiter.consume(req.user.id).then(
      ({ remainingPoints, msBeforeNext }) => {
        tell(res, userMax, windowS, remainingPoints, msBeforeNext);
        next();
      },
      ({ msBeforeNext }) => refuse(req, res, userMax, tell(res, userMax, windowS, 0, msBeforeNext)),
    );
  };
}

/** A fixed window in a Map, by hand: what is left when nothing but the rule is done. */
export function ownRateLimit({ userMax, userWindow }) {
  const windowS = userWindow * 60;
  const windowMs = windowS * 1000;
  const users = new Map();
  setInterval(() => {
    const now = Date.now();
    for (const [id, { endsAt }] of users) if (endsAt <= now) users.delete(id);
  }, 60_000).unref();
  return function limit(req, res, next) {
    const now = Date.now();
    let window = users.get(req.user.id);
    if (window === undefined || window.endsAt <= now) {
      window = { endsAt: now + windowMs, count: 0 };
      users.set(req.user.id, window);
    }
    const left = userMax - ++window.count;
    const resetS = tell(res, userMax, windowS, Math.max(left, 0), window.endsAt - now);
    if (left >= 0) return next();
    refuse(req, res, userMax, resetS);
  };
}
