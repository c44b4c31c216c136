// One Idempotency-Key on two instances that share a Redis: what was asked under it is known to both.

import { afterAll, beforeAll, expect, test } from 'vitest';

import { startRedis } from './redis.mjs';
import { refusal, startInstance, startSim } from './support.mjs';

let redis;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

const run = ({ call }, key, message) =>
  call('POST', '/flows/echo/run', { user: 'ann', body: { input: { message } }, headers: { 'idempotency-key': key } });

async function twoInstances(options) {
  const sim = await startSim();
  return { sim, one: await startInstance(sim, options), other: await startInstance(sim, options) };
}

test('another body under the same key is refused on an instance that never saw the first', async () => {
  const { sim, one, other } = await twoInstances({ redisUri: redis.uri });
  expect((await run(one, 'key', 'a')).status).toBe(202);
  expect(refusal(await run(other, 'key', 'b'))).toEqual([422, 'idempotency_mismatch']);
  const same = await run(other, 'key', 'a');
  expect([same.status, same.headers.get('idempotent-replayed')]).toEqual([202, 'true']);
  expect(sim.runs).toHaveLength(1);
});

test('without a shared Redis the other instance replays the first run, and starts none', async () => {
  const { sim, one, other } = await twoInstances();
  expect((await run(one, 'key', 'a')).status).toBe(202);
  const second = await run(other, 'key', 'b');
  expect([second.status, second.headers.get('idempotent-replayed')]).toEqual([202, 'true']);
  expect(sim.runs).toHaveLength(1);
});

test('a request that started nothing leaves its key free for a mended one', async () => {
  const { sim, one, other } = await twoInstances({ redisUri: redis.uri });
  const { id } = sim.addFlow({ id: 'draft', name: 'draft', document: sim.flows[0].document, deployed: false });
  const draft = (instance, message) =>
    instance.call('POST', `/flows/${id}/run`, {
      user: 'ann',
      body: { input: { message } },
      headers: { 'idempotency-key': 'k2' },
    });
  expect(refusal(await draft(one, 'a'))).toEqual([409, 'flow_not_deployed']);
  expect(refusal(await draft(other, 'b'))).toEqual([409, 'flow_not_deployed']);
});
