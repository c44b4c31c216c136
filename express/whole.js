'use strict';

// An answer for the Node API: whole, whether it came at once or in pieces.

class WholeAnswer {
  #receive;
  #status;
  #head;
  #text = '';
  #decoder = new TextDecoder();

  /** @param {(status: number, head: string, json: string) => void} receive */
  constructor(receive) {
    this.#receive = receive;
  }

  /** Also the reason for which one in pieces broke off. */
  answer(status, head, bytes, from, to) {
    this.#receive(status, head, bytes.toString('utf8', from, to));
  }

  open(status, head) {
    this.#status = status;
    this.#head = head;
  }

  piece(bytes, written, done) {
    this.#text += this.#decoder.decode(bytes, { stream: true });
    const { length } = bytes;
    done();
    written(length);
  }

  end() {
    this.#receive(this.#status, this.#head, this.#text + this.#decoder.decode());
  }
}

module.exports = { WholeAnswer };
