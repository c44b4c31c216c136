'use strict';

/**
 * What stands before every API route: the key, the rate limit and the headers that go with them, in the three
 * dialects of Sim's errors. It knows nothing of what the routes do.
 */

const { json } = require('./http');

const CHALLENGE = 'SimApiKey realm="Sim API", header="x-api-key"';

/** Sim's default for servers without billing: a limit that is never met. */
const UNLIMITED = 999_999;

const WINDOW_MS = 60_000;

/** v2's error envelope; every v2 answer is private. */
const NO_STORE = { 'cache-control': 'private, no-store' };
const v2Error = (status, code, message, details, headers) =>
  json(status, { error: { code, message, ...(details && { details }) } }, { ...NO_STORE, ...headers });
const v1Error = (status, error, more) => json(status, { error, ...more });

/** What each dialect says to a request without a key, and with a wrong one. */
const UNAUTHORIZED = {
  execute: (message) => v1Error(401, message ?? 'Unauthorized'),
  jobs: (message) => v1Error(401, message ?? 'Unauthorized', { code: 'UNAUTHORIZED' }),
  v1: (message) => v1Error(401, message ?? 'API key required'),
  v2: (message) =>
    v2Error(401, 'UNAUTHORIZED', message ?? 'Unauthorized', undefined, { 'www-authenticate': CHALLENGE }),
};

/** Requests per minute in fixed windows, for the one key there is. */
class RateLimit {
  #used = 0;
  #resetAt = 0;

  constructor(perMinute) {
    this.limited = perMinute !== undefined;
    this.perMinute = perMinute ?? UNLIMITED;
  }

  take() {
    const now = Date.now();
    if (now >= this.#resetAt) {
      this.#used = 0;
      this.#resetAt = now + WINDOW_MS;
    }
    this.#used += 1;
    const state = {
      allowed: !this.limited || this.#used <= this.perMinute,
      limit: this.perMinute,
      remaining: Math.max(0, this.perMinute - this.#used),
      resetAt: new Date(this.#resetAt),
    };
    return state;
  }

  clear() {
    this.#resetAt = 0;
  }
}

const rateHeaders = ({ limit, remaining, resetAt }) => ({
  'x-ratelimit-limit': String(limit),
  'x-ratelimit-remaining': String(remaining),
  'x-ratelimit-reset': resetAt.toISOString(),
});

function tooMany(dialect, { resetAt }) {
  const seconds = String(Math.max(1, Math.ceil((resetAt - Date.now()) / 1000)));
  if (dialect === 'v2') {
    const details = { retryAfter: resetAt.toISOString() };
    return v2Error(429, 'RATE_LIMITED', 'API rate limit exceeded', details, { 'retry-after': seconds });
  }
  if (dialect === 'v1') {
    const reply = v1Error(429, 'Rate limit exceeded', { retryAfter: resetAt.getTime() });
    return { ...reply, headers: { ...reply.headers, 'retry-after': seconds } };
  }
  return v1Error(429, 'Rate limit exceeded');
}

/** `admit` answers `{refusal}` or `{headers}`, the headers that an admitted answer carries. */
class Gate {
  constructor({ apiKey, rateLimit }) {
    this.apiKey = apiKey;
    this.rate = new RateLimit(rateLimit);
  }

  admit(dialect, headers) {
    const key = headers['x-api-key'];
    if (key !== this.apiKey) {
      return { refusal: UNAUTHORIZED[dialect](key === undefined ? undefined : 'Invalid API key') };
    }
    const rate = this.rate.take();
    const shown = dialect === 'v1' || dialect === 'v2' ? rateHeaders(rate) : {};
    if (!rate.allowed) {
      const reply = tooMany(dialect, rate);
      return { refusal: { ...reply, headers: { ...reply.headers, ...shown } } };
    }
    return { headers: shown };
  }
}

module.exports = { Gate, NO_STORE, v1Error, v2Error };
