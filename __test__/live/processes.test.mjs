// Runs that several processes watch, with a real redis-server between them: one of them polls, all hear of it, and nobody
// is without news when that one, or Redis, goes away.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';

import { startRedis } from '../security/redis.mjs';
import { atEnd, SECRET, startAdapter, startHost, startProcess } from '../security/support.mjs';
import { names, notFound, playSim, refused, runIs, start, watch } from './support.mjs';

const PASSWORD = 'a-password-of-redis';

/** A Sim whose run is what `sim.run` answers; `sim.reads` tells who read it, by the request id of the first watcher there. */
async function startRun() {
  const reads = [];
  const sim = await playSim({
    execute: (_req, res) => {
      res.writeHead(202, { 'content-type': 'application/json' }).end('{"data":{"runId":"the-run"}}');
    },
    status: (req, res) => {
      reads.push({ by: req.headers['x-request-id'], at: performance.now() });
      sim.run(req, res);
    },
  });
  return Object.assign(sim, { reads, run: runIs('running') });
}

async function redisFor(options) {
  const redis = await startRedis({ password: PASSWORD, ...options });
  atEnd(() => redis.stop());
  return redis;
}

/** Processes that share a Redis and are connected to it. */
async function startProcesses(count, sim, redis) {
  const env = {
    SIM_BASE_URL: sim.url,
    SIM_API_KEY: sim.apiKey,
    SIM_API_VERSION: 'v2',
    SIM_HANDLE_SECRET: SECRET,
    SIM_USER_MAX: '0',
    SIM_IP_MAX: '0',
    USE_REDIS: 'true',
    REDIS_URI: redis.uri,
    REDIS_KEY_PREFIX: 'chat',
  };
  const processes = await Promise.all(Array.from({ length: count }, () => startProcess(env)));
  await connected(redis, count);
  return processes;
}

/** Adapters in this process, each with a host, that share a Redis and are connected to it: processes but for the name. */
async function startInstances(count, sim, redis, options) {
  const made = Array.from({ length: count }, () => startAdapter(sim, { redisUri: redis.uri, ...options }));
  const instances = await Promise.all(made.map(async (adapter) => ({ adapter, ...(await startHost(adapter)) })));
  await connected(redis, count);
  return instances;
}

/** Waits until so many have tried their script. */
const connected = (redis, count) =>
  expect.poll(async () => (await redis.command('CLIENT', 'LIST')).match(/cmd=eval\b/g)?.length ?? 0).toBe(count);

/** Watches as the process that Sim knows as `name`, and hears the first state. */
async function join(host, id, name) {
  const watched = await watch(host, id, { headers: { 'x-request-id': name } });
  return Object.assign(watched, { first: await watched.next() });
}

/** Waits until the last reads were all done by one process; its name. */
async function onePoller(sim, reads = 5) {
  const last = () => sim.reads.slice(-reads);
  const from = sim.reads.length;
  await expect
    .poll(() => sim.reads.length >= from + reads && new Set(last().map(({ by }) => by)).size === 1, { timeout: 15_000 })
    .toBe(true);
  return last()[0].by;
}

/** A folder for a node's own notes. */
function folder() {
  const made = mkdtempSync(path.join(tmpdir(), 'sim-adapter-redis-'));
  atEnd(() => rmSync(made, { recursive: true }));
  return made;
}

const told = (events) => events.map(({ data }) => data.run.status);

describe('processes that share a Redis', () => {
  it('poll a run once between them, however many watch it in each', async () => {
    const [sim, redis] = await Promise.all([startRun(), redisFor()]);
    const processes = await startProcesses(3, sim, redis);
    const id = await start(processes[0], 'f');
    const watchers = await Promise.all(
      processes.flatMap((one, at) => Array.from({ length: 20 }, () => join(one, id, `process-${at}`))),
    );
    expect(new Set(watchers.map(({ first }) => first.data.run.status))).toEqual(new Set(['running']));
    expect(new Set(watchers.map(({ first }) => first.id)).size).toBe(1);
    const poller = await onePoller(sim);
    const from = sim.reads.length;
    const paused = Promise.all(watchers.map((watched) => watched.next()));
    sim.run = runIs('paused');
    expect(new Set(told(await paused))).toEqual(new Set(['paused']));
    sim.run = runIs('completed');
    const ends = await Promise.all(watchers.map((watched) => watched.rest()));
    expect(ends.map(told)).toEqual(watchers.map(() => ['completed']));
    const reads = sim.reads.slice(from - 1);
    expect(new Set(reads.map(({ by }) => by))).toEqual(new Set([poller]));
    const waits = reads.slice(1).map(({ at }, index) => at - reads[index].at);
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(195);
  });

  it('tell whoever comes late what is known, at once and without asking Sim', async () => {
    const [sim, redis] = await Promise.all([startRun(), redisFor()]);
    const [one, two] = await startProcesses(2, sim, redis);
    const id = await start(one, 'f');
    const first = await join(one, id, 'one');
    const waiting = [];
    sim.run = (req, res) => waiting.push([req, res]);
    await expect.poll(() => waiting.length).toBe(1);
    // Sim owes the one who polls an answer: nothing of what follows can come from a read.
    const reads = sim.reads.length;
    const late = await Promise.all(Array.from({ length: 5 }, () => join(two, id, 'two')));
    expect(late.map((watched) => watched.first)).toEqual(Array(5).fill(first.first));
    expect(sim.reads).toHaveLength(reads);
    runIs('completed')(...waiting[0]);
    const ends = await Promise.all([first, ...late].map((watched) => watched.rest()));
    expect(ends.map(told)).toEqual(Array(6).fill(['completed']));
    expect(sim.reads).toHaveLength(reads);
  });

  it('take a run over from one that was killed, within two intervals', async () => {
    const [sim, redis] = await Promise.all([startRun(), redisFor()]);
    const [owner, ...others] = await startProcesses(3, sim, redis);
    const id = await start(owner, 'f');
    await join(owner, id, 'owner');
    const watchers = await Promise.all(others.map((one, at) => join(one, id, `other-${at}`)));
    expect(await onePoller(sim)).toBe('owner');
    await owner.kill();
    const heir = await onePoller(sim, 3);
    expect(heir).toMatch(/^other/);
    const [last, before] = sim.reads.filter(({ by }) => by === 'owner').reverse();
    const first = sim.reads.find(({ by, at }) => by === heir && at > last.at);
    // An interval is half as long again as the one before, of which a fifth may have been taken off, and counts as 0.5 s
    // at the least. What is on top is for a machine that is busy.
    const interval = Math.max((1.5 / 0.8) * (last.at - before.at), 500);
    console.log(
      `taken over after ${(first.at - last.at).toFixed(0)} ms, ${((first.at - last.at) / interval).toFixed(1)} intervals`,
    );
    expect(first.at - last.at).toBeLessThan(2 * interval + 750);
    sim.run = runIs('completed');
    expect((await Promise.all(watchers.map((watched) => watched.rest()))).map(told)).toEqual([
      ['completed'],
      ['completed'],
    ]);
  });

  it('take a run over at once from one that is closed, however long it would have waited', async () => {
    const [sim, redis] = await Promise.all([startRun(), redisFor()]);
    const [one, two] = await startInstances(2, sim, redis);
    const id = await start(one, 'f');
    await join(one, id, 'one');
    const other = await join(two, id, 'two');
    const before = sim.reads.length;
    sim.run = (_req, res) => res.writeHead(429, { 'content-type': 'application/json', 'retry-after': '300' }).end('{}');
    await expect.poll(() => sim.reads.length).toBeGreaterThan(before);
    sim.run = runIs('completed');
    await one.adapter.close();
    expect(told(await other.rest())).toEqual(['completed']);
    expect(sim.reads.at(-1).by).toBe('two');
  });

  it('each poll for themselves while Redis is away, and share again when it is back', async () => {
    const [sim, redis] = await Promise.all([startRun(), redisFor()]);
    const processes = await startProcesses(2, sim, redis);
    const id = await start(processes[0], 'f');
    const watchers = await Promise.all(processes.map((one, at) => join(one, id, `process-${at}`)));
    await onePoller(sim);
    await redis.stop('SIGKILL');
    const from = sim.reads.length;
    await expect.poll(() => new Set(sim.reads.slice(from).map(({ by }) => by)).size, { timeout: 15_000 }).toBe(2);
    sim.run = runIs('paused');
    expect(told(await Promise.all(watchers.map((watched) => watched.next())))).toEqual(['paused', 'paused']);
    await redisFor({ port: redis.port });
    await Promise.all(processes.map((one) => one.logged('redis_available')));
    await onePoller(sim, 4);
    sim.run = runIs('completed');
    expect((await Promise.all(watchers.map((watched) => watched.rest()))).map(told)).toEqual([
      ['completed'],
      ['completed'],
    ]);
  }, 60_000);

  it('leave a run that one of them cannot read to the others', async () => {
    const [sim, redis] = await Promise.all([startRun(), redisFor()]);
    const [one, two] = await startInstances(2, sim, redis);
    const id = await start(one, 'f');
    await join(one, id, 'one');
    const other = await join(two, id, 'two');
    const answer = runIs('paused');
    sim.run = (req, res) => (req.headers['x-request-id'] === 'one' ? res.writeHead(401).end() : answer(req, res));
    expect(told([await other.next()])).toEqual(['paused']);
  });

  it('hear from each other that a run is gone', async () => {
    const [sim, redis] = await Promise.all([startRun(), redisFor()]);
    const [one, two] = await startInstances(2, sim, redis);
    const id = await start(one, 'f');
    const watchers = [await join(one, id, 'one'), await join(two, id, 'two')];
    sim.run = notFound;
    const ends = await Promise.all(watchers.map((watched) => watched.rest()));
    expect(ends.map(names)).toEqual([['error'], ['error']]);
    expect(ends.flat().map(({ data }) => data.error.code)).toEqual(['not_found', 'not_found']);
  });

  it('read a state themselves that is too long to be told', async () => {
    const [sim, redis] = await Promise.all([startRun(), redisFor()]);
    const [one, two] = await startInstances(2, sim, redis);
    const id = await start(one, 'f');
    const watchers = [await join(one, id, 'one'), await join(two, id, 'two')];
    const output = { text: 'x'.repeat(200_000) };
    sim.run = runIs('completed', { output });
    const ends = await Promise.all(watchers.map((watched) => watched.rest()));
    expect(ends.flat().map(({ data }) => data.run.output)).toEqual([output, output]);
  });

  it('in a Redis cluster do the same', async () => {
    const cluster = ['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1'];
    const nodes = await Promise.all(
      [0, 1].map(async () => {
        const bus = await startRedis();
        await bus.stop();
        return redisFor({
          password: undefined,
          more: [...cluster, '--cluster-port', String(bus.port), '--dir', folder()],
        });
      }),
    );
    await nodes[0].command('CLUSTER', 'ADDSLOTSRANGE', '0', '8191');
    await nodes[1].command('CLUSTER', 'ADDSLOTSRANGE', '8192', '16383');
    await nodes[1].command('CLUSTER', 'SET-CONFIG-EPOCH', '2');
    const [, busPort] = (await nodes[1].command('CONFIG', 'GET', 'cluster-port')).split('\n');
    await nodes[0].command('CLUSTER', 'MEET', '127.0.0.1', String(nodes[1].port), busPort);
    const whole = async (node) =>
      /cluster_state:ok[\s\S]*cluster_known_nodes:2/.test(await node.command('CLUSTER', 'INFO'));
    await expect.poll(async () => (await whole(nodes[0])) && (await whole(nodes[1])), { timeout: 15_000 }).toBe(true);
    const sim = await startRun();
    // Each names another node first, and so listens there.
    const uris = [nodes, [...nodes].reverse()].map((list) => list.map(({ uri }) => uri).join(','));
    const hosts = await Promise.all(
      uris.map((redisUri) => startHost(startAdapter(sim, { redisUri, redisCluster: true }))),
    );
    const runs = await Promise.all(Array.from({ length: 4 }, (_, at) => start(hosts[0], `flow-${at}`)));
    const watchers = (
      await Promise.all(runs.map((id) => Promise.all(hosts.map((host, at) => join(host, id, `${id} ${at}`)))))
    ).flat();
    const subscribed = async (node) => (await node.command('PUBSUB', 'CHANNELS')).split('\n').filter(Boolean).length;
    // Each for its runs, and for what all are told.
    const channels = 2 * (runs.length + 1);
    await expect.poll(async () => (await subscribed(nodes[0])) + (await subscribed(nodes[1]))).toBe(channels);
    sim.run = runIs('completed');
    expect((await Promise.all(watchers.map((watched) => watched.rest()))).map(told)).toEqual(
      watchers.map(() => ['completed']),
    );
  }, 60_000);
});

/** The keys there are, but for that of the script which each connection tries. */
const keysOf = async (redis) =>
  (await redis.command('KEYS', '*')).split('\n').filter((key) => !key.includes('{probe}'));

describe('who has Redis', () => {
  const OUTPUT = 'an-output-of-ann';

  /** Two instances that share a run of ann's, and all that Redis holds of it. */
  async function shared() {
    const [sim, redis] = await Promise.all([startRun(), redisFor()]);
    sim.run = runIs('running', { output: { text: OUTPUT } });
    const [one, two] = await startInstances(2, sim, redis);
    const id = await start(one, 'the-flow');
    const watchers = [await join(one, id, 'one'), await join(two, id, 'two')];
    await onePoller(sim, 2);
    const keys = await keysOf(redis);
    const channels = (await redis.command('PUBSUB', 'CHANNELS')).split('\n');
    return { sim, redis, id, hosts: [one, two], watchers, keys, channels };
  }

  it('reads neither user nor flow nor run nor output there', async () => {
    const { redis, id, keys, channels } = await shared();
    expect(keys.map((key) => key.split(':').at(-1)).sort()).toEqual(['poller', 'told']);
    const values = await Promise.all(keys.map((key) => redis.command('GET', key)));
    const all = [...keys, ...values, ...channels].join('\n');
    for (const word of ['ann', OUTPUT, id, 'the-flow', 'the-run', 'running']) expect(all).not.toContain(word);
  });

  it('cannot make a watcher hear what is not so', async () => {
    const { sim, redis, watchers, keys, channels } = await shared();
    expect(channels).toHaveLength(2);
    const told = keys.find((key) => key.endsWith(':told'));
    const forged = JSON.stringify({ from: 'x', kind: 'state', id: 'x', status: 'failed', state: { run: {} } });
    for (const message of [forged, '', 'x'.repeat(100_000)]) {
      for (const channel of channels) await redis.command('PUBLISH', channel, message);
      await redis.command('SET', told, message);
    }
    sim.run = runIs('completed');
    const ends = await Promise.all(watchers.map((watched) => watched.rest()));
    expect(ends.map((events) => events.map(({ data }) => data.run.status))).toEqual([['completed'], ['completed']]);
  });

  it('leaves nothing there when a run has ended', async () => {
    const { sim, redis, watchers } = await shared();
    sim.run = runIs('completed');
    await Promise.all(watchers.map((watched) => watched.rest()));
    await expect.poll(() => redis.command('PUBSUB', 'CHANNELS')).toBe('');
    const [left, ...more] = await keysOf(redis);
    expect([left.split(':').at(-1), more]).toEqual(['told', []]);
    expect(Number(await redis.command('PTTL', left))).toBeGreaterThan(0);
  });
});

it('a stranger on another process does not hear of a run, and asks neither Redis nor Sim', async () => {
  const [sim, redis] = await Promise.all([startRun(), redisFor()]);
  const [one, two] = await startInstances(2, sim, redis);
  const id = await start(one, 'f');
  await join(one, id, 'one');
  const keys = await redis.countKeys();
  expect(await refused(await watch(two, id, { user: 'bob', headers: { 'x-request-id': 'bob' } }))).toEqual([
    404,
    'not_found',
  ]);
  expect(await redis.countKeys()).toBe(keys);
  expect(sim.reads.filter(({ by }) => by === 'bob')).toEqual([]);
});
