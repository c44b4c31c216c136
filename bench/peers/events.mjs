// Sim's event stream as ours, for the JavaScript peers: what came in one piece goes out in one piece. It must not know
// where the bytes come from or go.

import { StringDecoder } from 'node:string_decoder';

/** The headers of a stream. */
export const eventHead = (requestId) => ({
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache, no-transform',
  'content-encoding': 'identity',
  'x-accel-buffering': 'no',
  'x-request-id': requestId,
});

export class Relay {
  /** The data of Sim's last event. */
  ended;
  #decoder = new StringDecoder('utf8');
  #text = '';
  #count = 0;

  /** One event of ours. */
  event(name, value) {
    return this.#numbered(name, JSON.stringify(value));
  }

  #numbered(name, json) {
    this.#count += 1;
    return `id: ${this.#count}\nevent: ${name}\ndata: ${json}\n\n`;
  }

  /** Our events for all of Sim's that end in these bytes. */
  feed(bytes) {
    const text = this.#text + this.#decoder.write(bytes);
    let out = '';
    let from = 0;
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n', from)) {
      if (text.startsWith('data: ', from)) out += this.#translate(text.slice(from + 6, end));
      from = end + 2;
    }
    this.#text = text.slice(from);
    return out;
  }

  #translate(json) {
    if (json === '"[DONE]"') return '';
    const { event, ...data } = JSON.parse(json);
    if (event === undefined) return data.chunk === undefined ? '' : this.#numbered('chunk', json);
    if (event === 'chunk_reset') return this.event('reset', data);
    if (event === 'thinking' || event === 'tool') return this.event(event, data);
    if (event === 'stream_error') {
      return this.event('error', { blockId: data.blockId, message: data.error });
    }
    if (event === 'final') this.ended = data.data;
    return '';
  }
}
