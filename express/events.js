'use strict';

// A stream of the adapter as an async iterator of events. It takes more only as fast as they are consumed.

/** @typedef {{ event: string, id?: string, data: any }} StreamEvent */

class EventStream {
  #bridge;
  #toError;
  #wait;
  #call;
  #text = '';
  /** Up to here `#text` has no end of an event: a long one in many pieces is searched once. */
  #searched = 0;
  #decoder = new TextDecoder();
  /** @type {StreamEvent[]} */
  #events = [];
  #unread = 0;
  #written;
  #ended = false;
  #error;
  #wake = () => {};

  /**
   * @param {(status: number, head: string, body: string) => Error} toError
   * @param {<T>(promise: Promise<T>) => Promise<T>} wait keeps the process alive until the promise settles
   */
  constructor(bridge, toError, wait) {
    this.#bridge = bridge;
    this.#toError = toError;
    this.#wait = wait;
  }

  /** The call whose stream this is. */
  set call(call) {
    this.#call = call;
  }

  /** A refusal, or what a stream that is open broke off for. */
  answer(status, head, bytes, from, to) {
    this.#error = this.#toError(status, head, bytes.toString('utf8', from, to));
    this.end();
  }

  open() {}

  piece(bytes, written, done) {
    this.#written = written;
    this.#unread += bytes.length;
    this.#text += this.#decoder.decode(bytes, { stream: true });
    done();
    let begin = 0;
    let end = this.#text.indexOf('\n\n', this.#searched);
    while (end >= 0) {
      const event = readEvent(this.#text.slice(begin, end));
      if (event) this.#events.push(event);
      begin = end + 2;
      end = this.#text.indexOf('\n\n', begin);
    }
    this.#text = this.#text.slice(begin);
    this.#searched = Math.max(this.#text.length - 1, 0);
    this.#wake();
  }

  end() {
    this.#ended = true;
    this.#wake();
  }

  /** Ends it at once: what has come and was not consumed is dropped. */
  abort(reason) {
    this.#cancel();
    this.#events = [];
    this.#error = reason;
    this.end();
  }

  async *[Symbol.asyncIterator]() {
    try {
      while (true) {
        while (this.#events.length > 0) yield this.#events.shift();
        this.#acknowledge();
        if (this.#error !== undefined) throw this.#error;
        if (this.#ended) return;
        await this.#wait(
          new Promise((resolve) => {
            this.#wake = resolve;
          }),
        );
      }
    } finally {
      // Whoever stops listening stops the stream, and with it a streamed run.
      this.#cancel();
    }
  }

  #cancel() {
    if (this.#call !== undefined) this.#bridge.cancel(this.#call);
  }

  /** What was consumed makes room for more. */
  #acknowledge() {
    if (this.#unread > 0) this.#written(this.#unread);
    this.#unread = 0;
  }
}

/** @returns {StreamEvent | undefined} nothing for a comment */
function readEvent(block) {
  const fields = {};
  for (const line of block.split('\n')) {
    const colon = line.indexOf(': ');
    if (colon > 0) fields[line.slice(0, colon)] = line.slice(colon + 2);
  }
  if (fields.data === undefined) return undefined;
  return { event: fields.event, id: fields.id, data: JSON.parse(fields.data) };
}

module.exports = { EventStream };
