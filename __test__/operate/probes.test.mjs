// `/live` and `/ready`: a status, nothing else, for anybody, and no burden for Sim.

import { once } from 'node:events';
import { SimAdapter, simProbes, simRouter } from '@sigmacode/sim-adapter';
import { expect, it } from 'vitest';

import { atEnd, express4, express5, startAdapter, startSim } from '../http/support.mjs';
import { startRedis } from '../security/redis.mjs';

async function startProbes(adapter, express = express5) {
  const app = express();
  app.use('/probes', simProbes({ adapter }));
  app.use((_req, res) => res.status(404).end('the host'));
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEnd(() => new Promise((resolve) => server.close(resolve).closeAllConnections()));
  const url = `http://127.0.0.1:${server.address().port}/probes`;
  return async (path, options) => {
    const response = await fetch(url + path, options);
    return [response.status, await response.text()];
  };
}

it.each([
  ['Express 4', express4],
  ['Express 5', express5],
])('live and ready are 200 without a body and without sign-in (%s)', async (_name, express) => {
  const probe = await startProbes(startAdapter(await startSim()), express);
  expect(await probe('/live')).toEqual([200, '']);
  expect(await probe('/ready')).toEqual([200, '']);
  expect(await probe('/ready?x', { method: 'HEAD' })).toEqual([200, '']);
  expect(await probe('/ready', { method: 'POST' })).toEqual([404, 'the host']);
  expect(await probe('/other')).toEqual([404, 'the host']);
});

it('however often it is asked, Sim is asked once in five seconds', async () => {
  const sim = await startSim();
  const probe = await startProbes(startAdapter(sim));
  const answers = await Promise.all(Array.from({ length: 50 }, () => probe('/ready')));
  expect(new Set(answers.map(([status]) => status))).toEqual(new Set([200]));
  expect(sim.requests.filter(({ path }) => path === '/api/health')).toHaveLength(1);
});

it('without Sim it is alive and not ready', async () => {
  const sim = await startSim();
  await sim.close();
  const probe = await startProbes(startAdapter(sim));
  expect(await probe('/ready')).toEqual([503, '']);
  expect(await probe('/live')).toEqual([200, '']);
});

it('an adapter that is not configured, or closing, is not ready, at once', async () => {
  expect(await (await startProbes(startAdapter(null, {})))('/ready')).toEqual([503, '']);
  const adapter = startAdapter(await startSim());
  const probe = await startProbes(adapter);
  expect(await probe('/ready')).toEqual([200, '']);
  await adapter.close();
  expect(await probe('/ready')).toEqual([503, '']);
  expect(await probe('/live')).toEqual([200, '']);
});

it('Redis counts where it is configured', async () => {
  const redis = await startRedis();
  atEnd(() => redis.stop());
  const adapter = startAdapter(await startSim(), { redisUri: redis.uri, userMax: 100 });
  const probe = await startProbes(adapter);
  await expect.poll(() => probe('/ready')).toEqual([200, '']);
  await redis.stop();
  await adapter.listFlows({ user: { id: 'ann' } });
  expect(await probe('/ready')).toEqual([503, '']);
});

it('takes an adapter, or the one that the environment configures, and nothing else', () => {
  expect(simProbes()).toBeTypeOf('function');
  expect(() => simProbes({ adapter: {} })).toThrow(TypeError);
  expect(() => simProbes({ baseUrl: 'http://sim' })).toThrow(TypeError);
  const router = simRouter();
  expect(router.adapter).toBeInstanceOf(SimAdapter);
});
