'use strict';

/**
 * Faults that happen on a real socket: which request meets one, and what is done to it. It knows nothing of Sim: the
 * proper answer is a function that it may call, before (`apply`) it spoils what the client gets.
 */

const { setTimeout: delay } = require('node:timers/promises');
const { html, send } = require('./http');

const HUGE_HEADER_BYTES = 10 * 1024 * 1024;

/** Faults that spoil the proper answer: there the request takes effect, unless the rule says otherwise. */
const SPOILED = new Set(['truncated', 'cut-head', 'cut-body', 'delay']);

/** Ends a TCP connection with a reset; under TLS the connection just ends. */
function reset(socket) {
  if (socket.encrypted || socket.destroyed) {
    socket.destroy();
  } else {
    socket.resetAndDestroy();
  }
}

const headText = (reply, extra) => {
  const lines = Object.entries({ ...reply.headers, ...extra }).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${reply.status} Status\r\n${lines.join('')}\r\n`;
};

/** The bytes of a reply's body; of an event stream, the first frame. */
async function bytesOf(reply) {
  if (!reply.frames) {
    return Buffer.from(reply.body);
  }
  for await (const frame of reply.frames) {
    return Buffer.from(frame);
  }
  return Buffer.alloc(0);
}

/** Each kind gets `{rule, reply, res, socket, signal}`; `reply` is there when the rule applies the request. */
const KINDS = {
  async status({ rule, res, signal }) {
    const text = rule.body === undefined ? '' : typeof rule.body === 'string' ? rule.body : JSON.stringify(rule.body);
    const headers = { 'content-type': 'application/json', ...rule.headers };
    if (rule.retryAfter !== undefined) {
      headers['retry-after'] = String(rule.retryAfter);
    }
    await send(res, { status: rule.status ?? 500, headers, body: text }, signal);
  },

  async html({ rule, res, signal }) {
    await send(res, html(rule.status ?? 502, rule.title ?? 'Bad Gateway'), signal);
  },

  async redirect({ rule, res, signal }) {
    const headers = { location: rule.location ?? '/', ...rule.headers };
    await send(res, { status: rule.status ?? 302, headers, body: '' }, signal);
  },

  async empty({ rule, res }) {
    res.writeHead(rule.status ?? 200, { 'content-type': 'application/json', 'content-length': '0', ...rule.headers });
    res.end();
  },

  /** Announces the whole body and ends half-way. */
  async truncated({ rule, reply, socket }) {
    const body = await bytesOf(reply);
    const sent = body.subarray(0, rule.after ?? Math.floor(body.length / 2));
    socket.write(headText(reply, { 'content-length': body.length }));
    socket.end(sent);
  },

  async 'huge-header'({ socket }) {
    socket.write('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-huge: ');
    socket.end(`${'h'.repeat(HUGE_HEADER_BYTES)}\r\ncontent-length: 2\r\n\r\n{}`);
  },

  /** Leaves the client waiting: it ends when the client does, or with the emulator. */
  async hang() {},

  async delay({ rule, reply, res, signal }) {
    await delay(rule.ms ?? 1000, undefined, { signal }).catch(() => {});
    await send(res, reply, signal);
  },

  async reset({ socket }) {
    reset(socket);
  },

  async 'cut-head'({ reply, socket }) {
    const head = headText(reply, { 'transfer-encoding': 'chunked' });
    socket.end(head.slice(0, Math.floor(head.length / 2)));
  },

  /** A whole head, then a chunk that announces more than it brings. */
  async 'cut-body'({ rule, reply, socket }) {
    socket.write(headText(reply, { 'transfer-encoding': 'chunked' }));
    const body = await bytesOf(reply);
    const sent = body.subarray(0, rule.after ?? Math.floor(body.length / 2));
    socket.write(`${body.length.toString(16)}\r\n`);
    socket.end(sent);
  },
};

/** A seeded source of numbers in [0, 1), the same on every machine (mulberry32). */
function randomFrom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const onPath = (path, asked) => (asked instanceof RegExp ? asked.test(path) : asked === undefined || asked === path);

class Faults {
  #rules = new Set();

  /** Adds a rule and answers the function that removes it; throws on a kind that there is not. */
  add(rule) {
    if (rule.kind !== 'refuse' && !Object.hasOwn(KINDS, rule.kind)) {
      throw new TypeError(`unknown fault kind: ${rule.kind}`);
    }
    const entry = { rule, left: rule.times ?? Number.POSITIVE_INFINITY, random: randomFrom(rule.seed ?? 1) };
    this.#rules.add(entry);
    return () => {
      this.#rules.delete(entry);
    };
  }

  clear() {
    this.#rules.clear();
  }

  /** Whether a new connection is to be refused: only a rule without method and path can say so that early. */
  refusesConnection() {
    return (
      this.#take(({ kind, method, path }) => kind === 'refuse' && method === undefined && path === undefined) !== null
    );
  }

  /** The rule that this request meets, or null. */
  match(method, path) {
    return this.#take((rule) => (rule.method ?? method) === method && onPath(path, rule.path));
  }

  /** Does to the answer what the rule says; `answer` makes the proper reply and lets the request take effect. */
  async inflict(rule, { answer, res, signal }) {
    const { socket } = res;
    const apply = rule.apply ?? SPOILED.has(rule.kind);
    const reply = apply
      ? await answer()
      : { status: 200, headers: { 'content-type': 'application/json' }, body: '{"data":{}}' };
    // The client may have left meanwhile.
    if (socket?.destroyed === false) {
      await KINDS[rule.kind]({ rule, reply, res, socket, signal });
    }
  }

  #take(matches) {
    for (const entry of this.#rules) {
      const { rule } = entry;
      if (entry.left > 0 && matches(rule) && entry.random() < (rule.probability ?? 1)) {
        entry.left -= 1;
        return rule;
      }
    }
    return null;
  }
}

module.exports = { Faults, reset };
