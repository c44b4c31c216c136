// A measured process and the load on it. It must not know what grows.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';

import { StepError } from '../../scripts/steps.mjs';
import { load, writeRequests } from '../harness/load.mjs';
import { median } from '../harness/report.mjs';
import { proxy, SECRETS } from '../harness/requests.mjs';

/** As much as may be allowed to one user, over so long that nobody is forgotten meanwhile. */
const LIMIT = { userMax: 100_000, userWindow: 60, ipMax: 0 };

/** @typedef {{ warmMs: number, sliceMs: number, rounds: number, connections: number }} Pace */

export class Measured {
  #child;

  /** @param {{ sim: string, users?: number, options?: object }} place */
  static async start({ sim, users = 1, options = {} }) {
    const { apiKey, handleSecret, signingSecret } = SECRETS;
    const own = { baseUrl: sim, apiKey, handleSecret, signingSecret, apiVersion: 'v2', ...LIMIT, ...options };
    const one = new Measured();
    const env = { PATH: process.env.PATH, NODE_ENV: 'production' };
    const file = path.join(import.meta.dirname, 'server.mjs');
    one.#child = fork(file, [JSON.stringify({ users, options: own })], { env, execArgv: ['--expose-gc'] });
    const [{ port }] = await once(one.#child, 'message');
    one.url = `http://127.0.0.1:${port}`;
    return one;
  }

  /** What it has used so far: CPU in µs, and what is resident, in bytes; and how many users its limiter knows. */
  async ask(question = 'usage') {
    const answer = once(this.#child, 'message');
    this.#child.send(question);
    return (await answer)[0];
  }

  async end() {
    const ended = once(this.#child, 'exit');
    this.#child.disconnect();
    await ended;
  }
}

/** CPU in µs for each µs that passes while nothing is asked. */
export async function atRest(one, ms) {
  const [before, from] = [await one.ask(), performance.now()];
  await setTimeout(ms);
  const { cpu } = await one.ask();
  return (cpu - before.cpu) / (performance.now() - from) / 1000;
}

const sum = (values) => values.reduce((all, value) => all + value, 0);

/**
 * Asks all of them at once for an answer of 256 bytes of Sim's, through `/proxy`.
 *
 * @param {Measured[]} all @param {Pace} pace
 * @param {{ rest?: number, also?: () => Promise<number> }} [more] `rest`: what `atRest` was; `also`: another CPU time, in µs
 * @returns {Promise<{ rate: number, cpu: number, also: number, requests: number }>} medians: requests/s together, µs for each
 *   request, requests of a round
 */
export async function ask(all, { warmMs, sliceMs, rounds, connections }, { rest = 0, also = async () => 0 } = {}) {
  const file = await writeRequests('growth', proxy(256));
  const each = Math.max(1, Math.floor(connections / all.length));
  const slice = (ms) => Promise.all(all.map(({ url }) => load(url, file, each, ms)));
  const used = async () => sum((await Promise.all(all.map((one) => one.ask()))).map(({ cpu }) => cpu));
  await slice(warmMs);
  const figures = [];
  for (let round = 0; round < rounds; round++) {
    const [before, other] = [await used(), await also()];
    const results = await slice(sliceMs);
    const requests = sum(results.map((result) => result.requests));
    const bad = sum(results.map(({ broken, refused }) => broken + refused));
    if (bad > 0 || requests === 0) throw new StepError(`of ${requests} requests ${bad} were refused or broken`);
    const us = Math.max(...results.map((result) => result.us));
    figures.push({
      rate: sum(results.map((result) => (result.requests / result.us) * 1e6)),
      cpu: ((await used()) - before - rest * us) / requests,
      also: ((await also()) - other) / requests,
      requests,
    });
  }
  return Object.fromEntries(Object.keys(figures[0]).map((key) => [key, median(figures.map((one) => one[key]))]));
}
