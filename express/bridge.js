'use strict';

// The host's end of the native adapter: hands requests over, takes answers in batches, answers the adapter's questions.
// It knows neither Express nor promises.

const { Calls } = require('./calls.js');
const { answerers, configurationError, plainOptions, planReader } = require('./hooks.js');
const { Inbox } = require('./inbox.js');
const { logTo } = require('./log.js');
const { Native } = require('./native.js');
const { unpack, ANSWER, QUESTION, LOG, CLOSED, HEAD, PIECE, END, LARGE_HEAD, LEFT } = require('./outbox.js');
const { withPiece } = require('./pieces.js');
const { traced } = require('./tracing.js');

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
  'REDIS_CA',
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

/** Room for what is drained at a time, in bytes; one that needs more gets it. */
const DRAINED = 256 * 1024;
/** Room for the answer to a webhook. */
const HOOK_ANSWER = 4 * 1024;

/** The head where no socket is lent. */
const NOTHING = Buffer.alloc(0);

/** How many submissions wait for one another at the most: with more the addon's thread idles through a busy turn. */
const GROUP = 16;

/** How long the host may take to name a user's plan. The other hooks have the call's own deadline. */
const HOOK_TIMEOUT_MS = 10_000;

async function within(ms, promise) {
  let timer;
  const late = new Promise((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The addon throws its problems as JSON; anything else is a fault of its own. */
function readProblems(error) {
  try {
    return JSON.parse(error.message);
  } catch {
    throw error;
  }
}

/** Hands one packed answer on. */
const answerTo = (sink) => (_kind, _call, status, head, packed, from, to) => {
  sink.answer(status, head, packed, from, to);
};

/**
 * Where an answer goes: `answer(status, head, bytes, from, to)` for a whole one, whose body is `bytes` from one place to
 * another; `open(status, head, giveUp)`, `piece(bytes, written, done)` and `end()` for one that comes in pieces. `head` is
 * header names and values, one a line. The bytes of an answer hold only during the call, those of a piece until `done` is
 * called.
 * @typedef {object} Sink
 * @property {(status: number, head: string, bytes: Buffer, from: number, to: number) => void} answer
 * @property {(status: number, head: string, giveUp: () => void) => void} open
 * @property {(bytes: Buffer, written: (bytes: number) => void, done: () => void) => void} piece
 * @property {() => void} end
 * @property {(take: (fd: number, chunked: boolean, head: Buffer) => boolean) => void} [lend] may call `take` with the client's
 *   socket for a large body, and what goes before it, after `open`: if that returns true no `piece` comes, and the body is ended
 *   before `end`
 * @property {() => void} [abandoned] the request was given up: no answer comes
 */
/**
 * A call under way. Whoever may come late must have this and not its number, which may be another call's by then: a client
 * that reads slowly is done with an answer long after the adapter is.
 * @typedef {{ sink: Sink, user: unknown, number: number }} Call
 */
class Bridge {
  #native;
  #log;
  #answer;
  #planOf;
  /** @type {Calls<Call>} */
  #pending = new Calls();
  /** What happens to each connection that the adapter serves, when it no longer does. */
  #lent = new Map();
  #onClosed;
  #closed;
  #closing = new AbortController();
  #drained = Buffer.allocUnsafeSlow(DRAINED);
  #inbox = new Inbox();
  #hookAnswer = Buffer.allocUnsafeSlow(HOOK_ANSWER);
  #unflushed = 0;
  #flushing = false;

  constructor(options = {}) {
    const { plain, problems } = plainOptions(options);
    let cause;
    // Weak: the addon would keep an adapter alive that nobody has any more, and with it a thread.
    const self = new WeakRef(this);
    try {
      const settings = JSON.stringify({ options: plain, env: environment() });
      this.#native = new Native(settings, () => self.deref()?.#drain());
    } catch (error) {
      cause = error;
      problems.push(...readProblems(error));
    }
    if (problems.length > 0) {
      this.#native?.close(0);
      throw configurationError(problems, cause);
    }
    this.#log = logTo(options.logger);
    this.#answer = answerers(options);
    this.#planOf = planReader(options.planOf ?? undefined);
    /** Whether tokens are verified here, so that the router must hand over the header. */
    this.verifiesTokens = options.auth === 'jwt';
  }

  /** The name of the user's plan, or a promise of it. One that cannot be told is none: the most restricted plan holds. */
  planOf(user) {
    const failed = (error) => this.#hookFailed('planOf', error);
    try {
      const plan = this.#planOf(user);
      if (typeof plan?.then !== 'function') return plan;
      return within(HOOK_TIMEOUT_MS, plan).catch(failed);
    } catch (error) {
      return failed(error);
    }
  }

  /**
   * Hands a request over. `sink` gets the answer, perhaps before this returns; nothing after `cancel`.
   * @param {import('./inbox.js').Head} request
   * @param {string | Uint8Array | undefined} body
   * @param {Sink} sink
   * @param {unknown} user what the host's own callbacks are given
   * @returns {Call | undefined} what to cancel it by, where it is not answered at once
   */
  submit(request, body, sink, user) {
    sink = traced(request, sink);
    const call = { sink, user, number: 0 };
    call.number = this.#pending.add(call);
    try {
      return this.#inbox.put(request, body, (packed, head, length, apart) => {
        const answered = this.#native.submit(call.number, packed, head, length, apart);
        if (answered === 0) {
          this.#flush();
          return call;
        }
        this.#pending.take(call.number);
        unpack(packed, head + length, answered, answerTo(sink));
        return undefined;
      });
    } catch (error) {
      this.#pending.take(call.number);
      throw error;
    }
  }

  /** Sets going what was submitted: one alone at once, many in groups, the last at the end of the event loop's turn. */
  #flush() {
    this.#unflushed += 1;
    if (this.#pending.size === 1 || this.#unflushed === GROUP) return this.#flushNow();
    if (this.#flushing) return;
    this.#flushing = true;
    setImmediate(() => {
      this.#flushing = false;
      this.#flushNow();
    });
  }

  #flushNow() {
    this.#unflushed = 0;
    this.#native.flush();
  }

  /**
   * Hands a webhook over; without a body, to learn whether it is worth reading.
   * @param {object} delivery as `NativeDelivery` in native.d.ts
   * @param {Uint8Array | undefined} body
   * @param {Sink} sink gets the answer before this returns
   * @returns {boolean} whether it is answered
   */
  hook(delivery, body, sink) {
    const length = this.#native.hook(delivery, body, this.#hookAnswer);
    unpack(this.#hookAnswer, 0, length, answerTo(sink));
    return length > 0;
  }

  /** Makes the pollers of a run, else of a flow, else all of them look at Sim now. */
  nudge(flow, run) {
    this.#native.nudge(flow, run);
  }

  get maxHookBytes() {
    return this.#native.maxHookBytes;
  }

  /** Whether the one token among these values of `Authorization` is good. */
  knows(authorization) {
    return this.#native.knows(authorization);
  }

  /** Whether a client's address matters. */
  get limitsIps() {
    return this.#native.limitsIps;
  }

  get maxBodyBytes() {
    return this.#native.maxBodyBytes;
  }

  /** Gives a call up, unless it has ended. @param {Call} call */
  cancel(call) {
    if (!this.#goesOn(call)) return;
    this.#pending.take(call.number);
    call.sink.abandoned?.();
    this.#native.cancel(call.number);
  }

  #goesOn(call) {
    return this.#pending.get(call.number) === call;
  }

  /**
   * Has the adapter serve a client's connection, of which `first` was read, until it calls `left`: with what it has not
   * answered, or with nothing when the client is gone.
   * @param {import('../native.js').NativeTerms} terms
   * @param {(unread: Buffer | undefined) => void} left
   * @returns {number} what to forget it by; 0 where it is not taken
   */
  adopt(fd, first, terms, left) {
    const number = this.#native.adopt(fd, first, terms);
    if (number !== 0) this.#lent.set(number, left);
    return number;
  }

  /** The connection is closed. */
  forget(number) {
    if (this.#lent.delete(number)) this.#native.forget(number);
  }

  /** The adapter is to give a connection back after what is under way. */
  recall(number) {
    this.#native.recall(number);
  }

  #stopped() {
    for (const number of this.#lent.keys()) this.#left(number);
    this.#onClosed?.();
  }

  #left(number, unread) {
    const left = this.#lent.get(number);
    this.#lent.delete(number);
    left?.(unread);
  }

  /** What was counted, in Prometheus' text format. */
  metrics() {
    return this.#native.metrics();
  }

  /** Whether limits are shared through Redis now; undefined or null where they are not meant to be. */
  get redisUp() {
    return this.#native.redisUp;
  }

  /** Aborted when it takes no more requests. */
  get closing() {
    return this.#closing.signal;
  }

  /** Resolves when nothing is under way any more; what takes longer than `drainMs` is answered `shutting_down`. */
  close(drainMs) {
    this.#closed ??= new Promise((resolve) => {
      this.#onClosed = resolve;
      this.#native.close(drainMs);
      this.#closing.abort();
    });
    return this.#closed;
  }

  #drain() {
    // A log line of an adapter that could not start.
    if (this.#native === undefined) return;
    let length = this.#native.drain(this.#drained);
    while (length < 0) {
      this.#drained = Buffer.allocUnsafeSlow(-length);
      length = this.#native.drain(this.#drained);
    }
    unpack(this.#drained, 0, length, this.#receive);
  }

  #receive = (kind, first, second, head, packed, from, to) => {
    try {
      if (kind === ANSWER) this.#end(first)?.answer(second, head, packed, from, to);
      else if (kind === HEAD) this.#open(this.#pending.get(first), second, head);
      else if (kind === LARGE_HEAD) this.#openLarge(first, second, head);
      else if (kind === PIECE) this.#piece(first);
      else if (kind === END) this.#end(first)?.end();
      else if (kind === QUESTION) this.#question(first, second, head, JSON.parse(packed.toString('utf8', from, to)));
      else if (kind === LOG) this.#log(JSON.parse(packed.toString('utf8', from, to)));
      else if (kind === LEFT) this.#left(first, second === 0 ? Buffer.from(packed.subarray(from, to)) : undefined);
      else if (kind === CLOSED) this.#stopped();
    } catch (error) {
      // A host that cannot take its answer must not keep the others from theirs.
      queueMicrotask(() => {
        throw error;
      });
    }
  };

  /** The sink of a call of which this is the last that comes. */
  #end(number) {
    return this.#pending.take(number)?.sink;
  }

  #open(call, status, head) {
    call?.sink.open(status, head, () => this.cancel(call));
  }

  #openLarge(number, status, head) {
    const call = this.#pending.get(number);
    let said = false;
    const lend = (fd, chunked, head) => {
      const taken = this.#native.lend(number, fd, chunked, head);
      said = true;
      return taken;
    };
    try {
      this.#open(call, status, head);
      call?.sink.lend?.(lend);
    } finally {
      // The adapter waits for a word.
      if (!said) lend(-1, false, NOTHING);
    }
  }

  #piece(number) {
    const call = this.#pending.get(number);
    // What is left of an answer that nobody waits for any more.
    if (call === undefined) return this.#native.cancel(number);
    const take = (buffer) => this.#native.take(number, buffer);
    withPiece(take, (bytes, done) => call.sink.piece(bytes, (count) => this.#written(call, count), done));
  }

  #written(call, bytes) {
    if (this.#goesOn(call)) this.#native.written(call.number, bytes);
  }

  async #question(id, call, name, about) {
    let answer;
    try {
      // The host's own object where there is one; after `resolveUser` was answered from memory, what it said then.
      const user = this.#pending.get(call)?.user ?? about.user;
      answer = JSON.stringify(await this.#answer[name](user, about));
    } catch (error) {
      this.#hookFailed(name, error);
    }
    this.#native.reply(id, answer);
  }

  /** One line for the host's log. */
  say(line) {
    this.#log(line);
  }

  #hookFailed(name, error) {
    this.#log({ level: 'warn', event: 'hook_failed', message: `${name} failed: ${error?.message ?? error}` });
  }
}

module.exports = { Bridge };
