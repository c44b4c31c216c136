'use strict';

// The host's end of the native adapter: hands requests over, takes answers in batches, answers the adapter's questions.
// It knows neither Express nor promises.

const { answerers, configurationError, plainOptions, planReader } = require('./hooks.js');
const { Native } = require('./native.js');
const { unpack, ANSWER, QUESTION, LOG, CLOSED } = require('./outbox.js');

/** Variables that other software names. Ours all begin with SIM_. */
const SHARED_VARIABLES = [
  'NODE_EXTRA_CA_CERTS',
  'PROXY',
  'HTTPS_PROXY',
  'https_proxy',
  'HTTP_PROXY',
  'http_proxy',
  'NO_PROXY',
  'no_proxy',
  'JWT_SECRET',
  'REDIS_URI',
  'REDIS_KEY_PREFIX',
  'USE_REDIS',
  'USE_REDIS_CLUSTER',
];

function environment() {
  const env = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (name.startsWith('SIM_') || SHARED_VARIABLES.includes(name)) env[name] = value;
  }
  return env;
}

/** The addon throws its problems as JSON; anything else is a fault of its own. */
function readProblems(error) {
  try {
    return JSON.parse(error.message);
  } catch {
    throw error;
  }
}

/**
 * @callback Receive
 * @param {number} status
 * @param {string} head header names and values, one a line
 * @param {Buffer} body
 */
class Bridge {
  #native;
  #logger;
  #answer;
  /** @type {Map<number, { receive: Receive, user: unknown }>} */
  #pending = new Map();
  #onClosed;
  #closed;

  constructor(options = {}) {
    const { plain, problems } = plainOptions(options);
    try {
      const settings = JSON.stringify({ options: plain, env: environment() });
      this.#native = new Native(settings, () => this.#drain());
    } catch (error) {
      problems.push(...readProblems(error));
    }
    if (problems.length > 0) {
      this.#native?.close(0);
      throw configurationError(problems);
    }
    this.#logger = options.logger;
    this.#answer = answerers(options);
    this.planOf = planReader(options.planOf ?? undefined);
    /** Whether tokens are verified here, so that the router must hand over the header. */
    this.verifiesTokens = options.auth === 'jwt';
  }

  /**
   * Hands a request over. `receive` is called once, perhaps before this returns; not at all after `cancel`.
   * @param {object} request as `NativeRequest` in native.d.ts
   * @param {string | Uint8Array | undefined} body
   * @param {Receive} receive
   * @param {unknown} user what the host's own callbacks are given
   * @returns {number | undefined} the number to cancel it by, while it is under way
   */
  submit(request, body, receive, user) {
    const submitted = this.#native.submit(request, body);
    if (typeof submitted === 'number') {
      this.#pending.set(submitted, { receive, user });
      return submitted;
    }
    unpack(submitted, (_kind, _call, status, head, bytes) => receive(status, head, bytes));
    return undefined;
  }

  get maxBodyBytes() {
    return this.#native.maxBodyBytes;
  }

  cancel(call) {
    if (this.#pending.delete(call)) this.#native.cancel(call);
  }

  /** Resolves when nothing is under way any more; what takes longer than `drainMs` is answered `shutting_down`. */
  close(drainMs) {
    this.#closed ??= new Promise((resolve) => {
      this.#onClosed = resolve;
      this.#native.close(drainMs);
    });
    return this.#closed;
  }

  #drain() {
    unpack(this.#native.drain(), (kind, first, second, head, body) => {
      if (kind === ANSWER) this.#deliver(first, second, head, body);
      else if (kind === QUESTION) this.#question(first, second, head, JSON.parse(body.toString()));
      else if (kind === LOG) this.#log(JSON.parse(body.toString()));
      else if (kind === CLOSED) this.#onClosed?.();
    });
  }

  #deliver(call, status, head, body) {
    const pending = this.#pending.get(call);
    if (pending === undefined) return;
    this.#pending.delete(call);
    try {
      pending.receive(status, head, body);
    } catch (error) {
      // A host that cannot take its answer must not keep the others from theirs.
      queueMicrotask(() => {
        throw error;
      });
    }
  }

  async #question(id, call, name, about) {
    let answer;
    try {
      // The host's own object where there is one; after `resolveUser` was answered from memory, what it said then.
      const user = this.#pending.get(call)?.user ?? about.user;
      answer = JSON.stringify(await this.#answer[name](user, about));
    } catch (error) {
      this.#log({ level: 'warn', event: 'hook_failed', message: `${name} failed: ${error?.message ?? error}` });
    }
    this.#native.reply(id, answer);
  }

  #log({ level, event, message }) {
    try {
      this.#logger?.[level]?.(`[sim-adapter] ${message}`, { event });
    } catch {
      // There is nowhere left to say that the log failed.
    }
  }
}

module.exports = { Bridge };
