// The host's end of the native adapter: hands requests over, takes answers in batches, answers the adapter's questions.
// It knows neither Express nor promises.

const { SimError } = require('./error.js');
const { Native } = require('./native.js');
const { unpack, ANSWER, QUESTION, LOG, CLOSED } = require('./outbox.js');

const CALLBACKS = ['canRunFlow', 'logger'];

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
];

function environment() {
  const env = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (name.startsWith('SIM_') || SHARED_VARIABLES.includes(name)) env[name] = value;
  }
  return env;
}

function invalidConfiguration(cause) {
  let problems;
  try {
    problems = JSON.parse(cause.message);
  } catch {
    throw cause;
  }
  const lines = problems.map(({ name, message }) => `${name} ${message}`);
  const message = `the Sim adapter is not configured correctly: ${lines.join('; ')}`;
  return new SimError({ code: 'not_configured', message, details: { problems } }, 503);
}

/**
 * @callback Receive
 * @param {number} status
 * @param {string} head header names and values, one a line
 * @param {Buffer} body
 */
class Bridge {
  #native;
  #options;
  /** @type {Map<number, { receive: Receive, user: unknown }>} */
  #pending = new Map();
  #onClosed;
  #closed;

  constructor(options = {}) {
    this.#options = options;
    const plain = { ...options, canRunFlow: options.canRunFlow !== undefined };
    delete plain.logger;
    for (const name of CALLBACKS) {
      const given = options[name];
      const expected = name === 'logger' ? 'object' : 'function';
      if (given !== undefined && given !== null && typeof given !== expected) {
        throw invalidConfiguration(
          new Error(
            JSON.stringify([{ name, message: `must be ${expected === 'object' ? 'an object' : 'a function'}` }]),
          ),
        );
      }
    }
    try {
      this.#native = new Native(JSON.stringify({ options: plain, env: environment() }), () => this.#drain());
    } catch (error) {
      throw invalidConfiguration(error);
    }
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
      if (kind === ANSWER) this.#answer(first, second, head, body);
      else if (kind === QUESTION) this.#question(first, second, head, JSON.parse(body.toString()));
      else if (kind === LOG) this.#log(JSON.parse(body.toString()));
      else if (kind === CLOSED) this.#onClosed?.();
    });
  }

  #answer(call, status, head, body) {
    const pending = this.#pending.get(call);
    if (pending === undefined) return;
    this.#pending.delete(call);
    pending.receive(status, head, body);
  }

  async #question(id, call, name, about) {
    let answer;
    try {
      const user = this.#pending.get(call)?.user;
      // Flow by flow, as the host's function is written; the adapter asks about many at once.
      const answers = await Promise.all(about.map((flow) => this.#options[name](user, flow)));
      answer = JSON.stringify(answers.map(Boolean));
    } catch (error) {
      this.#log({ level: 'warn', event: `${name}_failed`, message: `${name} failed: ${error?.message ?? error}` });
    }
    this.#native.reply(id, answer);
  }

  #log({ level, event, message }) {
    this.#options.logger?.[level]?.(`[sim-adapter] ${message}`, { event });
  }
}

module.exports = { Bridge };
