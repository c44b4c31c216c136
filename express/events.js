'use strict';

// A stream of the adapter as an async iterator of events. It takes more only as fast as they are consumed.

/** @typedef {{ event: string, id?: string, data: any }} StreamEvent */

class EventStream {
  #bridge;
  #toError;
  #call;
  #text = '';
  #decoder = new TextDecoder();
  /** @type {{ event: StreamEvent, bytes: number }[]} */
  #events = [];
  #unread = 0;
  #ended = false;
  #error;
  #wake = () => {};

  /** @param {(status: number, head: string, body: Uint8Array) => Error} toError */
  constructor(bridge, toError) {
    this.#bridge = bridge;
    this.#toError = toError;
  }

  /** The call whose stream this is. */
  set call(call) {
    this.#call = call;
  }

  answer(status, head, body) {
    this.fail(this.#toError(status, head, body));
  }

  open() {}

  piece(bytes, written) {
    this.written = written;
    this.#unread += bytes.length;
    this.#text += this.#decoder.decode(bytes, { stream: true });
    let end = this.#text.indexOf('\n\n');
    while (end >= 0) {
      const event = readEvent(this.#text.slice(0, end));
      this.#text = this.#text.slice(end + 2);
      if (event) this.#events.push(event);
      end = this.#text.indexOf('\n\n');
    }
    this.#wake();
  }

  end() {
    this.#ended = true;
    this.#wake();
  }

  fail(error) {
    this.#error = error;
    this.end();
  }

  async *[Symbol.asyncIterator]() {
    try {
      while (true) {
        while (this.#events.length > 0) {
          const event = this.#events.shift();
          if (event.event === 'error' && event.data.error) {
            throw this.#toError(502, '', Buffer.from(JSON.stringify(event.data)));
          }
          yield event;
        }
        this.#acknowledge();
        if (this.#error) throw this.#error;
        if (this.#ended) return;
        await new Promise((resolve) => {
          this.#wake = resolve;
        });
      }
    } finally {
      // Whoever stops listening stops the stream, and with it a streamed run.
      if (this.#call !== undefined) this.#bridge.cancel(this.#call);
    }
  }

  /** What was consumed makes room for more. */
  #acknowledge() {
    if (this.#unread > 0) this.written(this.#unread);
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
