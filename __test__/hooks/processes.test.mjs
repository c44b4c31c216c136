// Hooks behind a load balancer: whichever process one comes to, whoever made the flow, the watchers in all processes that
// share a Redis are reached. The redis-server is a real one.

import { expect, it } from 'vitest';
import { startRedis } from '../security/redis.mjs';
import {
  atEnd,
  create,
  deliver,
  documents,
  GROWN,
  grownTo,
  hurried,
  secretOf,
  startInstance,
  startSim,
  watchFlow,
  webhookOf,
} from './support.mjs';

async function redis() {
  const server = await startRedis();
  atEnd(() => server.stop());
  return server;
}

/** Two processes but for the name, of which the second watches nothing. */
async function startTwo() {
  const [sim, server] = await Promise.all([startSim(['approve']), redis()]);
  sim.addFlow({ id: 'other', document: documents.approve });
  const start = () => startInstance(sim, { redisUri: server.uri, redisKeyPrefix: 'chat' });
  const [watching, idle] = [await start(), await start()];
  const scripts = async () => (await server.command('CLIENT', 'LIST')).match(/cmd=eval\b/g)?.length;
  await expect.poll(scripts).toBe(2);
  return { sim, server, watching, idle };
}

/** Before a poller that waited for `GROWN` would look by itself. */
const SOON = { timeout: GROWN, interval: 10 };

it('a hook about a run, or about a flow, reaches its watchers in another process, and no others', async () => {
  const { sim, watching, idle } = await startTwo();
  const [run, other] = [await watchFlow(sim, watching.host, 'approve'), await watchFlow(sim, watching.host, 'other')];
  for (const payload of [{ runId: run.runId }, { flowId: 'approve' }]) {
    await grownTo(GROWN, run.times);
    const before = run.times().length;
    await deliver(idle.callback, JSON.stringify(payload));
    await expect.poll(() => run.times().length, SOON).toBeGreaterThan(before);
  }
  expect(hurried(run.times())).toBe(true);
  expect(hurried(other.times())).toBe(false);
}, 60_000);

it('the address of a flow that another process made names it in all, and nothing in Redis does', async () => {
  const { sim, server, watching, idle } = await startTwo();
  // Made where nobody watches; the hook comes to a third process.
  const flow = await create(idle.host, { document: documents.approve, notify: true });
  const { tag, secret } = webhookOf(sim, flow);
  const [run, other] = [await watchFlow(sim, watching.host, flow), await watchFlow(sim, watching.host, 'other')];
  const third = await startInstance(sim, { redisUri: server.uri, redisKeyPrefix: 'chat' });
  await grownTo(GROWN, run.times);
  const before = run.times().length;
  await deliver(`${third.callback}/${tag}`, '{}', { secret });
  await expect.poll(() => run.times().length, SOON).toBeGreaterThan(before);
  await expect.poll(() => hurried(run.times()), { timeout: 5000 }).toBe(true);
  expect(hurried(other.times())).toBe(false);

  const keys = (await server.command('KEYS', 'chat::sim:hook:*')).split('\n');
  expect(keys).toHaveLength(1);
  const held = keys[0] + (await server.command('GET', keys[0]));
  for (const word of [flow, tag]) expect(held).not.toContain(word);
  const days = Number(await server.command('PTTL', keys[0])) / 86_400_000;
  expect(days).toBeGreaterThan(89);
}, 60_000);

it('a hook of which nothing is known hurries all, in all processes, also where nobody watched for a while', async () => {
  const { sim, server, watching, idle } = await startTwo();
  const { watched } = await watchFlow(sim, watching.host, 'other');
  watched.abort();
  await expect.poll(() => server.command('PUBSUB', 'CHANNELS')).toBe('');
  const run = await watchFlow(sim, watching.host, 'approve');
  await grownTo(GROWN, run.times);
  await deliver(`${idle.callback}/unknown`, '{}', { secret: secretOf('unknown') });
  // Less than for one that is known: after a read within 2.5 s the next wait is one of 1.5 s.
  await expect.poll(() => hurried(run.times(), 0.8), { timeout: 8000 }).toBe(true);
}, 60_000);

it('without Redis a hook still reaches the watchers of its own process', async () => {
  const { sim, server, watching } = await startTwo();
  const run = await watchFlow(sim, watching.host, 'approve');
  await server.stop('SIGKILL');
  await grownTo(GROWN, run.times);
  const before = run.times().length;
  await deliver(watching.callback, JSON.stringify({ runId: run.runId }));
  await expect.poll(() => run.times().length, SOON).toBeGreaterThan(before);
}, 60_000);
