'use strict';

// Whatever is kept of the calls under way, by number.

/**
 * A number is a place, of so many, and how often it was taken: after 2048 times a number comes again. Those from 2 ** 31 on are
 * the addon's own.
 */
const PLACES = 2 ** 20;

/**
 * A list of places that are used again. In a `Map` the tables that it outgrows would stay in the old generation, each holding
 * on to the requests that were in it and to the next table: the garbage collector would copy all of them before it could let
 * them go.
 * @template T
 */
class Calls {
  /** @type {(T | undefined)[]} */
  #values = [];
  /** The number under which each place is taken, or will be. */
  #numbers = [];
  #free = [];

  get size() {
    return this.#values.length - this.#free.length;
  }

  /** @param {T} value @returns {number} its number: an unsigned one of 31 bits, of no other call that is under way */
  add(value) {
    const place = this.#free.pop() ?? this.#grow();
    this.#values[place] = value;
    return this.#numbers[place];
  }

  /** @returns {T | undefined} */
  get(number) {
    const place = number % PLACES;
    return this.#numbers[place] === number ? this.#values[place] : undefined;
  }

  /** Forgets a call; returns what was kept of it. */
  take(number) {
    const value = this.get(number);
    if (value === undefined) return undefined;
    const place = number % PLACES;
    this.#values[place] = undefined;
    this.#numbers[place] = (number + PLACES) % 2 ** 31;
    this.#free.push(place);
    return value;
  }

  #grow() {
    const place = this.#values.length;
    if (place === PLACES) throw new RangeError('too many calls are under way');
    this.#numbers.push(place);
    this.#values.push(undefined);
    return place;
  }
}

module.exports = { Calls };
