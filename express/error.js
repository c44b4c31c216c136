'use strict';

// What a call rejects with. It mirrors the `error` of the HTTP contract and adds nothing of its own.

class SimError extends Error {
  /**
   * @param {{ code: string, message: string, details?: object, requestId?: string }} error
   * @param {number} status the HTTP status that goes with the code
   * @param {{ retryAfterMs?: number, cause?: unknown }} [more]
   */
  constructor(error, status, more = {}) {
    super(error.message, more.cause === undefined ? undefined : { cause: more.cause });
    this.name = 'SimError';
    this.code = error.code;
    this.status = status;
    this.requestId = error.requestId;
    this.retryAfterMs = more.retryAfterMs;
    this.details = error.details;
  }
}

module.exports = { SimError };
