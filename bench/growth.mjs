// `npm run bench -- --growth`: what a request costs as users, open streams and processes become more, and what that makes
// of 100,000 requests/s. It must not know how a load is made.

import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';

import { startRedis } from '../__test__/security/redis.mjs';
import { root, StepError, step } from '../scripts/steps.mjs';
import { installPrograms } from '../scripts/system.mjs';
import { conclusions } from './growth/conclusions.mjs';
import { ask, atRest, Measured } from './growth/measured.mjs';
import { openStreams } from './growth/streams.mjs';
import { FOLDER, startUpstream } from './harness/processes.mjs';
import { markdown, plain } from './harness/report.mjs';

const PAGE = path.join(root, 'docs/performance.md');
const MARKS = ['<!-- growth -->', '<!-- end of growth -->'];

const PACES = {
  full: {
    ask: { warmMs: 1000, sliceMs: 2000, rounds: 3, connections: 64 },
    // Pollers without news have come to their longest wait.
    settleMs: 20_000,
    restMs: 10_000,
    users: [1, 1000, 1_000_000],
    streams: [1, 100, 10_000],
    processes: [1, 2, 4],
  },
  quick: {
    ask: { warmMs: 200, sliceMs: 400, rounds: 1, connections: 16 },
    settleMs: 500,
    restMs: 1000,
    users: [1, 100, 10_000],
    streams: [1, 10, 100],
    processes: [1, 2],
  },
};

/** Users in the limiter in memory. */
async function measureUsers(sim, pace) {
  const rows = [];
  for (const users of pace.users) {
    const one = await Measured.start({ sim, users });
    // What the first requests bring into being is not the users'.
    await ask([one], { ...pace.ask, rounds: 1 });
    const before = await one.ask();
    const after = await one.ask('meet all');
    if (after.known !== users) throw new StepError(`the limiter knows ${after.known} of ${users} users`);
    rows.push({ users, ...(await ask([one], pace.ask)), held: after.rss - before.rss, rss: (await one.ask()).rss });
    await one.end();
  }
  return rows;
}

/** Watched runs that are held open while others ask. */
async function measureStreams(sim, pace) {
  const rows = [];
  for (const streams of pace.streams) {
    const one = await Measured.start({ sim });
    // As above, of the streams.
    await ask([one], { ...pace.ask, rounds: 1 });
    const before = await one.ask();
    const close = await openStreams(one.url, streams);
    await setTimeout(pace.settleMs);
    const rest = await atRest(one, pace.restMs);
    const held = (await one.ask()).rss - before.rss;
    rows.push({ streams, ...(await ask([one], pace.ask, { rest })), rest, held, rss: (await one.ask()).rss });
    close();
    await one.end();
  }
  return rows;
}

/** Processes that share limits through one Redis. */
async function measureProcesses(sim, pace) {
  const rows = [];
  for (const processes of pace.processes) {
    const redis = await startRedis();
    const own = { sim, users: 1000, options: { redisUri: redis.uri } };
    const all = await Promise.all(Array.from({ length: processes }, () => Measured.start(own)));
    const info = async (name) => {
      const text = await redis.command('INFO', 'everything');
      return Number(new RegExp(`^${name}:(?:calls=)?([\\d.]+)`, 'm').exec(text)?.[1] ?? 0);
    };
    const also = async () => ((await info('used_cpu_user')) + (await info('used_cpu_sys'))) * 1e6;
    const figures = await ask(all, pace.ask, { also });
    rows.push({ processes, ...figures });
    // A process that has to wait for Redis counts for itself, and such a figure would say nothing.
    const decided = await info('cmdstat_evalsha');
    if (decided < figures.requests * pace.ask.rounds) throw new StepError(`Redis decided on ${decided} requests only`);
    await Promise.all(all.map((one) => one.end()));
    await redis.stop();
  }
  return rows;
}

const mib = (bytes) => (bytes / 1024 / 1024).toFixed(0);

/** The tables, the head of each first. */
function tables({ users, streams, processes }) {
  return [
    [
      ['users in the limiter', 'requests/s', 'CPU µs per request', 'RSS MiB', 'bytes per user'],
      ...users.map((one) => [
        ...[String(one.users), one.rate.toFixed(0), one.cpu.toFixed(0), mib(one.rss)],
        // A few users are less than what a process takes and gives back meanwhile.
        one.users < 10_000 ? '–' : (one.held / one.users).toFixed(0),
      ]),
    ],
    [
      ['open streams', 'CPU at rest, ms/s', 'requests/s of others', 'CPU µs per request', 'RSS MiB', 'KiB per stream'],
      ...streams.map((one) => [
        ...[String(one.streams), (one.rest * 1000).toFixed(1), one.rate.toFixed(0), one.cpu.toFixed(0), mib(one.rss)],
        // The same of a few streams.
        one.streams < 1000 ? '–' : (one.held / one.streams / 1024).toFixed(0),
      ]),
    ],
    [
      ['processes with one Redis', 'requests/s together', 'CPU µs per request', 'CPU µs of Redis per request'],
      ...processes.map((one) => [String(one.processes), one.rate.toFixed(0), one.cpu.toFixed(0), one.also.toFixed(1)]),
    ],
  ];
}

function publish(text) {
  const page = readFileSync(PAGE, 'utf8');
  const [from, to] = [page.indexOf(MARKS[0]) + MARKS[0].length, page.indexOf(MARKS[1])];
  writeFileSync(PAGE, `${page.slice(0, from)}\n\n${text}\n\n${page.slice(to)}`);
}

/** @param {{ machine: object, quick?: boolean, publish?: boolean }} options */
export async function growth({ machine, quick = false, publish: shown = false }) {
  await installPrograms({ 'redis-server': 'redis-server' });
  const pace = quick ? PACES.quick : PACES.full;
  const upstream = await startUpstream();
  const result = { machine, pace };
  try {
    result.users = await step('users in the limiter', () => measureUsers(upstream.url, pace));
    result.streams = await step('open streams', () => measureStreams(upstream.url, pace));
    result.processes = await step('processes that share a Redis', () => measureProcesses(upstream.url, pace));
  } finally {
    upstream.end();
  }
  writeFileSync(path.join(FOLDER, 'growth.json'), `${JSON.stringify(result, null, 2)}\n`);
  const words = conclusions(result);
  for (const table of tables(result)) console.log(`\n${plain(table)}`);
  console.log(`\n${words.join('\n\n')}`);
  if (shown) publish([...tables(result).map(markdown), ...words].join('\n\n'));
}
