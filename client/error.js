// What a call rejects with: the `error` of the HTTP contract, or the client's own word for an answer that is not of it.
// It knows no route.

/** Codes for answers that came from the host or from something in front of it, not from the adapter. */
const CODES = /** @type {Record<number, string>} */ ({
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'not_found',
  413: 'payload_too_large',
  429: 'rate_limited',
});

/** Codes of a 5xx that only somebody else can mend: asking again does not help. */
const LASTING = ['not_configured', 'upstream_auth', 'upstream_quota'];

export class SimError extends Error {
  /**
   * @param {{code: string, message: string, details?: any, requestId?: string | undefined}} error
   * @param {{status?: number, retryAfterMs?: number | undefined, cause?: unknown}} [more] status 0: there was no answer
   */
  constructor({ code, message, details, requestId }, { status = 0, retryAfterMs, cause } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'SimError';
    this.code = code;
    this.status = status;
    this.requestId = requestId;
    this.retryAfterMs = retryAfterMs;
    this.details = details;
  }

  /** Whether the same request may well be answered later. */
  get passes() {
    if (LASTING.includes(this.code)) return false;
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

/** What HTTP would say of a refusal that asking again does not mend. */
const STATUS = /** @type {Record<string, number>} */ ({
  invalid_request: 400,
  unauthenticated: 401,
  forbidden: 403,
  plan_required: 403,
  not_found: 404,
});

/**
 * An error that came as an event or over a socket: its code says what a status would, and it brings what would be in
 * `Retry-After`.
 *
 * @param {{code: string, message: string, details?: any, requestId?: string, retryAfterMs?: number}} error
 */
export const toldError = (error) =>
  new SimError(error, { status: STATUS[error.code] ?? 502, retryAfterMs: error.retryAfterMs });

/**
 * No answer, or one that broke off.
 *
 * @param {unknown} [cause]
 */
export const networkError = (cause) =>
  new SimError({ code: 'network', message: 'no answer from the server' }, { cause });

/**
 * `Retry-After` (RFC 9110, 10.2.3) in ms: seconds, or a date.
 *
 * @param {string | null | undefined} value
 */
function retryAfter(value) {
  if (!value) return undefined;
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}

/**
 * The error of an answer, whoever wrote it.
 *
 * @param {number} status
 * @param {any} body parsed JSON, or undefined
 * @param {(name: string) => string | null | undefined} header
 */
export function answerError(status, body, header) {
  const more = { status, retryAfterMs: retryAfter(header('retry-after')) };
  if (typeof body?.error?.code === 'string') return new SimError(body.error, more);
  const message = typeof body?.message === 'string' ? body.message : `the server answered ${status}`;
  const requestId = header('x-request-id') ?? undefined;
  return new SimError({ code: CODES[status] ?? 'unexpected_answer', message, requestId }, more);
}

/**
 * The error of a host's own HTTP client: axios keeps the answer in `response`.
 *
 * @param {any} error
 */
export function requestError(error) {
  if (error?.name === 'CanceledError' || error?.name === 'AbortError') return error;
  const answer = error?.response;
  if (!answer) return networkError(error);
  return answerError(answer.status, answer.data, (name) => answer.headers?.[name]);
}
