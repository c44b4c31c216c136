// Measures one scenario: every peer warmed up, then in turn, round after round, so that whatever else the machine does
// meets all of them. It must not know what the figures have to be.

import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

import { StepError } from '../../scripts/steps.mjs';
import { load, writeRequests } from './load.mjs';
import { withPeers } from './processes.mjs';

const PAGE = 4096;
const RSS_EVERY_MS = 50;

/**
 * `rounds` of each of so many `instances`; all of that `passes` times at the most, with `LATER_FACTOR` times as many rounds from the second on.
 * @typedef {{ warmMs: number, sliceMs: number, rounds: number, instances: number, passes: number }} Pace
 */

/** The largest resident memory of a process while `work` goes on, in MB. */
async function watchMemory(pid, work) {
  let most = 0;
  const look = () => {
    most = Math.max(most, Number(readFileSync(`/proc/${pid}/statm`, 'latin1').split(' ')[1]) * PAGE);
  };
  look();
  const timer = setInterval(look, RSS_EVERY_MS);
  try {
    return [await work(), () => most / 1e6];
  } finally {
    clearInterval(timer);
    look();
  }
}

/** How often it is looked whether a server is at rest, and how much CPU it may then have used since. */
const LOOK_MS = 50;
const AT_REST_US = 2500;
/** The longest that it is waited for. */
const LOOKS = 100;

/** Lets a server finish what the load has left it with: it would take from the next one's time. */
async function settle(peer) {
  let { cpu } = await peer.usage();
  for (let looks = 0; looks < LOOKS; looks++) {
    await sleep(LOOK_MS);
    const before = cpu;
    cpu = (await peer.usage()).cpu;
    if (cpu - before < AT_REST_US) return;
  }
}

/** The longest that a slice is drawn out, in multiples of its time. */
const LONGEST = 16;

/** One peer under load for a while: what it did, and what that cost. A slice in which the machine stood still is done again. */
async function slice(scenario, peer, file, ms) {
  for (let times = 1; times <= LONGEST; times *= 2) {
    const figures = await attempt(scenario, peer, file, ms * times);
    if (figures !== undefined) return figures;
  }
  throw new StepError(`${scenario.name}: ${peer.name} answered nothing`);
}

/** `undefined`: nothing was answered. */
async function attempt(scenario, peer, file, ms) {
  const before = await peer.usage('reset');
  const [result, most] = await watchMemory(peer.pid, () => load(peer.url, file, scenario.connections, ms));
  const after = await peer.usage();
  const { requests, us, bytes, broken, refused } = result;
  if (requests === 0) return undefined;
  if (broken > 0) throw new StepError(`${scenario.name}: ${peer.name} broke ${broken} requests`);
  if (refused !== (scenario.refused ? requests : 0)) {
    throw new StepError(`${scenario.name}: ${peer.name} refused ${refused} of ${requests} requests`);
  }
  return {
    rate: (requests / us) * 1e6,
    megabytes: bytes / us,
    cpu: (after.cpu - before.cpu) / requests,
    main: (after.main - before.main) / requests,
    p50: result.p50 / 1000,
    p99: result.p99 / 1000,
    delay: after.delayMs,
    rss: most(),
  };
}

/** What the first pass leaves open takes more than one of its length; most of that should not go into warming up. */
const LATER_FACTOR = 3;

/** One pass: adds the figures of its rounds. */
async function pass(scenario, upstream, file, { warmMs, sliceMs, rounds, instances }, figures) {
  const { mount, limit, peers: names, longer = 1 } = scenario;
  for (let instance = 0; instance < instances; instance++) {
    await withPeers(names, { mount, limit, upstream }, async (peers) => {
      for (const peer of peers) {
        await load(peer.url, file, scenario.connections, warmMs);
        await settle(peer);
      }
      for (let round = 0; round < Math.ceil(rounds / longer); round++) {
        const first = (instance + round) % peers.length;
        for (const peer of [...peers.slice(first), ...peers.slice(0, first)]) {
          figures[peer.name].push(await slice(scenario, peer, file, sliceMs * longer));
          await settle(peer);
        }
      }
    });
  }
}

/**
 * @param {(typeof import('./scenarios.mjs').SCENARIOS)[number]} scenario
 * @param {Pace} pace
 * @param {(figures: Record<string, Record<string, number>[]>) => boolean} isClear whether they need no further pass
 * @returns {Promise<Record<string, Record<string, number>[]>>} for each peer, the figures of each round
 */
export async function measure(scenario, upstream, pace, isClear) {
  const file = await writeRequests(scenario.name, scenario.request);
  const figures = Object.fromEntries(scenario.peers.map((name) => [name, []]));
  for (let passes = 0; passes === 0 || (passes < pace.passes && !isClear(figures)); passes++) {
    const rounds = passes === 0 ? pace.rounds : pace.rounds * LATER_FACTOR;
    await pass(scenario, upstream, file, { ...pace, rounds }, figures);
  }
  return figures;
}
