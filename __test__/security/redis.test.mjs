// Limits that two processes share through a real redis-server, and what becomes of them when it goes away.

import { describe, expect, it } from 'vitest';

import { startRedis } from './redis.mjs';
import { atEnd, refusal, SECRET, startProcess, startSim } from './support.mjs';

const PASSWORD = 'a-password-of-redis';

/** Sim, Redis, and two processes that share it. */
async function startTwo(options = {}, env = {}) {
  const [sim, redis] = await Promise.all([startSim(['echo', 'wait']), startRedis({ password: PASSWORD })]);
  atEnd(() => redis.stop());
  const shared = {
    SIM_BASE_URL: sim.url,
    SIM_API_KEY: sim.apiKey,
    SIM_WORKSPACE_ID: sim.workspaceId,
    SIM_API_VERSION: 'v2',
    SIM_HANDLE_SECRET: SECRET,
    SIM_IP_MAX: '0',
    SIM_USER_MAX: '1000',
    USE_REDIS: 'true',
    REDIS_URI: redis.uri,
    REDIS_KEY_PREFIX: 'chat',
    ...env,
  };
  const processes = await Promise.all([0, 1].map(() => startProcess(shared, options)));
  for (const one of processes) await useRedis(redis, one);
  return { sim, redis, processes };
}

let strangers = 0;

/** Asks until this process counts in Redis: its connection is made when it starts, and nobody waits for it. */
async function useRedis(redis, one) {
  const before = await redis.countKeys();
  do {
    strangers += 1;
    await one.call('GET', '/flows/echo', { user: `stranger-${strangers}` });
  } while ((await redis.countKeys()) === before);
}

/**
 * Does `work` for a new user each time until Redis answered in time throughout: on a busy machine a round trip may
 * take longer than the adapter waits, and then it counts for itself, as it should.
 */
async function undisturbed(processes, work) {
  const count = (event) => processes.flatMap(({ logs }) => logs).filter((line) => line.event === event).length;
  for (let attempt = 1; ; attempt += 1) {
    const before = count('redis_unavailable');
    const result = await work(`user-${attempt}`);
    await Promise.all(processes.map((one) => one.settled()));
    if (count('redis_unavailable') === before || attempt === 5) return result;
    while (count('redis_available') < count('redis_unavailable'))
      await Promise.all(processes.map((one) => one.settled()));
  }
}

/** `count` requests, in turn to each of the processes; how many passed. */
async function passed(processes, count, ...request) {
  const answers = await Promise.all(
    Array.from({ length: count }, (_, at) => processes[at % processes.length].call(...request)),
  );
  return answers.filter(({ status }) => status < 300).length;
}

describe('two processes with one Redis', () => {
  it('admit together what one would, and each user and bucket on its own', async () => {
    const { processes } = await startTwo({}, { SIM_USER_MAX: '10', SIM_USER_WINDOW: '60' });
    const all = await undisturbed(processes, async (user) => [
      await passed(processes, 30, 'GET', '/flows/echo', { user }),
      await passed(processes, 30, 'POST', '/flows/echo/run', { user }),
      await passed(processes, 30, 'GET', '/flows/echo', { user: `another-${user}` }),
      await processes[1].call('GET', '/flows/echo', { user }),
    ]);
    const answer = all.pop();
    expect(all).toEqual([10, 10, 10]);
    expect(refusal(answer)).toEqual([429, 'rate_limited']);
    expect(answer.headers.get('ratelimit-policy')).toBe('"read";q=10;w=3600');
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
  });

  it('share the runs of a day, and a replay takes none in either', async () => {
    const { processes } = await startTwo({ plans: { USER: { runsPerDay: 3 } } });
    const all = await undisturbed(processes, async (user) => [
      await passed(processes, 6, 'POST', '/flows/echo/run', { user, headers: { 'idempotency-key': 'k1' } }),
      await passed(processes, 6, 'POST', '/flows/echo/run', { user }),
    ]);
    expect(all).toEqual([6, 2]);
  });

  it('share the slots of concurrent runs: the end seen by one frees it for the other', async () => {
    const plans = { USER: { concurrentRuns: 1, maxRunSeconds: 600 } };
    const { processes } = await startTwo({ plans });
    const [one, two] = processes;
    const statuses = await undisturbed(processes, async (user) => {
      const first = await one.call('POST', '/flows/wait/run', { user });
      const second = await two.call('POST', '/flows/wait/run', { user });
      const third = await one.call('POST', '/flows/wait/run', { user });
      const cancel = await two.call('POST', `/runs/${first.json.run.id}/cancel`, { user });
      const fourth = await one.call('POST', '/flows/wait/run', { user });
      return [first, second, third, cancel, fourth].map(({ status }) => status);
    });
    expect(statuses).toEqual([202, 429, 429, 200, 202]);
  });

  it('give back in both what Sim refused', async () => {
    const { sim, processes } = await startTwo({ plans: { USER: { runsPerDay: 1 } } });
    const [one, two] = processes;
    const statuses = await undisturbed(processes, async (user) => {
      sim.addFault({ kind: 'status', status: 429, path: /execute$/, times: 1 });
      const answers = [];
      for (const each of [one, two, one]) answers.push(await each.call('POST', '/flows/echo/run', { user }));
      return answers.map(({ status }) => status);
    });
    expect(statuses).toEqual([503, 202, 429]);
  });

  it('go on when Redis goes away, say so once, and come back by themselves', async () => {
    const { redis, processes } = await startTwo({}, { SIM_USER_MAX: '10', SIM_USER_WINDOW: '60' });
    const [one] = processes;
    const events = () => one.logs.map(({ event }) => event).filter((event) => event.startsWith('redis_'));
    await redis.stop('SIGKILL');
    // From now on each process counts for itself, from nothing.
    expect(await passed([one], 30, 'GET', '/flows/echo')).toBe(10);
    await one.logged('redis_unavailable');
    expect(events()).toEqual(['redis_unavailable']);
    const again = await startRedis({ port: redis.port, password: PASSWORD });
    atEnd(() => again.stop());
    await one.logged('redis_available');
    expect(events()).toEqual(['redis_unavailable', 'redis_available']);
    expect(await passed([one], 30, 'GET', '/flows/echo')).toBe(10);
    for (const { logs, output } of processes) expect(JSON.stringify(logs) + output()).not.toContain(PASSWORD);
  });
});
