// `npm run bench`: the package side by side with what a user would write instead, each in its own process.
//
//   --quick      short slices, under 90 s: tells that the benchmark works, not how fast anything is
//   --only NAME  one scenario of bench/harness/scenarios.mjs, or `streams` for the times of streamed runs
//   --gate       exit code 1 when a bar is missed; without --publish only what has a bar is measured
//   --publish    writes the figures into docs/performance.md
//   --growth     instead: what a request costs as users, open streams and processes become more

import { readFileSync } from 'node:fs';
import os from 'node:os';
import { parseArgs } from 'node:util';

import { keepAwake } from '../bench/harness/awake.mjs';
import { measure } from '../bench/harness/measure.mjs';
import { startUpstream } from '../bench/harness/processes.mjs';
import { keep, publish } from '../bench/harness/publish.mjs';
import { barRows, isClear, judge, plain, rows } from '../bench/harness/report.mjs';
import { PACKAGE, SCENARIOS } from '../bench/harness/scenarios.mjs';
import { measureStreams } from '../bench/harness/streams.mjs';
import { prepare } from './prepare.mjs';
import { main, StepError, step } from './steps.mjs';

/** What is no scenario: single streams, and how long they take. */
const STREAMS = 'streams';

const PACES = {
  // A server is fast when V8 has compiled what a request takes, which takes seconds. A slice is long enough for its collector.
  full: { warmMs: 3000, sliceMs: 1000, rounds: 3, instances: 3, passes: 3 },
  quick: { warmMs: 200, sliceMs: 250, rounds: 1, instances: 1, passes: 1 },
};

function chosen(name) {
  if (name === STREAMS) return [];
  const scenarios = SCENARIOS.filter((scenario) => name === undefined || scenario.name === name);
  if (scenarios.length > 0) return scenarios;
  const names = [...SCENARIOS.map((scenario) => scenario.name), STREAMS];
  throw new StepError(`--only takes one of: ${names.join(', ')}`);
}

/** What of the scenarios decides on a bar. */
const withBars = (scenarios) =>
  scenarios
    .filter(({ bars }) => bars.length > 0)
    .map(({ peers, bars, ...rest }) => {
      const named = new Set([PACKAGE, ...bars.flatMap(({ against = [] }) => against)]);
      return { ...rest, bars, peers: peers.filter((peer) => named.has(peer)) };
    });

/** What the figures depend on beside the code. */
function machine() {
  const processor = os.cpus()[0].model.trim();
  const load = readFileSync('/proc/loadavg', 'latin1').split(' ')[0];
  const tcp = readFileSync('/proc/sys/net/ipv4/tcp_congestion_control', 'latin1').trim();
  return { date: new Date().toISOString(), processor, cores: os.cpus().length, node: process.versions.node, load, tcp };
}

main(async () => {
  const options = { quick: 'boolean', gate: 'boolean', publish: 'boolean', growth: 'boolean', only: 'string' };
  const { values } = parseArgs({
    options: Object.fromEntries(Object.entries(options).map(([name, type]) => [name, { type }])),
  });
  const all = chosen(values.only);
  const scenarios = values.gate && !values.publish ? withBars(all) : all;
  if (values.publish && (values.quick || values.only !== undefined)) {
    throw new StepError('--publish goes with neither --quick nor --only');
  }
  await prepare('release');
  if (values.growth) {
    const { growth } = await import('../bench/growth.mjs');
    return growth({ machine: machine(), ...values });
  }

  const pace = values.quick ? PACES.quick : PACES.full;
  const result = { machine: { ...machine(), awake: keepAwake() }, pace, bars: [], scenarios: [] };
  if (!result.machine.awake) console.log('idle processors may sleep: what waking them takes is in the figures');
  const upstream = await startUpstream();
  try {
    // Loads the addon, which `prepare` has just built.
    const { checkAnswers } = await import('../bench/harness/answers.mjs');
    await step('all answer the same', async () => {
      const faults = await checkAnswers(scenarios, upstream.url);
      if (faults.length > 0) throw new StepError(faults.join('\n'));
    });
    for (const scenario of scenarios) {
      await step(scenario.title, async () => {
        const figures = await measure(scenario, upstream.url, pace, (soFar) => isClear(scenario, soFar));
        console.log(plain(rows(figures)));
        result.scenarios.push({ name: scenario.name, title: scenario.title, figures });
        result.bars.push(...judge(scenario, figures));
      });
    }
    if (values.only === undefined || values.only === STREAMS) {
      await step('streamed runs: the first piece, and a client that goes', async () => {
        result.bars.push(...(await measureStreams(pace)));
      });
    }
  } finally {
    upstream.end();
  }

  keep(result);
  if (values.publish) publish(result);
  console.log(`\n${plain(barRows(result.bars))}`);
  const missed = result.bars.filter(({ met }) => !met);
  if (values.gate && missed.length > 0) {
    throw new StepError(`missed: ${missed.map(({ scenario, text, bar }) => `${scenario} ${text} ${bar}`).join('; ')}`);
  }
});
