// Reads an event stream (WHATWG HTML, 9.2.6) out of text that comes in any pieces. It knows no event by name.

/** @typedef {{event: string, data: string, id: string}} ServerEvent `id` is the last one that the stream gave. */

export class EventParser {
  #rest = '';
  #afterReturn = false;
  /** @type {string[]} */
  #data = [];
  #event = '';
  #id = '';

  /**
   * The events that are complete with this piece.
   *
   * @param {string} text
   * @returns {ServerEvent[]}
   */
  push(text) {
    if (text === '') return [];
    // A line may end in CR LF, and the piece between the two.
    const piece = this.#afterReturn && text[0] === '\n' ? text.slice(1) : text;
    this.#afterReturn = text.endsWith('\r');
    const lines = (this.#rest + piece).split(/\r\n|\r|\n/);
    this.#rest = /** @type {string} */ (lines.pop());
    return lines.flatMap((line) => this.#line(line));
  }

  /**
   * @param {string} line
   * @returns {ServerEvent[]}
   */
  #line(line) {
    if (line === '') return this.#dispatch();
    const colon = line.indexOf(':');
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
    if (field === 'data') this.#data.push(value);
    else if (field === 'event') this.#event = value;
    else if (field === 'id' && !value.includes('\0')) this.#id = value;
    return [];
  }

  #dispatch() {
    const event = { event: this.#event || 'message', data: this.#data.join('\n'), id: this.#id };
    const complete = this.#data.length > 0;
    this.#data = [];
    this.#event = '';
    return complete ? [event] : [];
  }
}

/** What `readEvents` throws when nothing came for so long that the connection must be dead. */
export class SilenceError extends Error {}

/**
 * Next piece of the body, unless it stays silent: a connection that died without a word never ends by itself.
 *
 * @param {ReadableStreamDefaultReader<Uint8Array>} reader
 * @param {number} silentMs
 */
async function within(reader, silentMs) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const silence = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new SilenceError('the event stream fell silent')), silentMs);
  });
  try {
    return /** @type {ReadableStreamReadResult<Uint8Array>} */ (await Promise.race([reader.read(), silence]));
  } finally {
    clearTimeout(timer);
  }
}

/**
 * The events of a body until it ends. Heartbeats (comments) count as a sign of life and are not events.
 *
 * @param {ReadableStream<Uint8Array>} body
 * @param {number} silentMs
 * @returns {AsyncGenerator<ServerEvent, void>}
 */
export async function* readEvents(body, silentMs) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const parser = new EventParser();
  try {
    for (;;) {
      const { done, value } = await within(reader, silentMs);
      if (done) return;
      yield* parser.push(decoder.decode(value, { stream: true }));
    }
  } finally {
    // Whoever stops reading wants the connection closed; one that is broken already has nothing to close.
    reader.cancel().catch(() => {});
  }
}
