// What `metrics()` tells is true, can be read by Prometheus, and holds nothing but counts.

import { once } from 'node:events';
import { METRICS_CONTENT_TYPE, metrics } from '@sigmacode/sim-adapter';
import { expect, it } from 'vitest';
import { atEnd, express4, express5, startAdapter, startAll, startSim } from '../http/support.mjs';
import { startRedis } from '../security/redis.mjs';
import { gauge, histogram, read, value } from './prometheus.mjs';

it('requests are counted by operation, class of status and error code', async () => {
  const { adapter, call, sim } = await startAll(['echo']);
  await call('GET', '/flows/echo');
  await call('GET', '/flows/echo');
  await call('GET', '/flows/none');
  await call('GET', '/flows', { user: null });
  await call('GET', '/nowhere');
  await call('POST', '/flows/echo/run', { body: { mode: 'sync' } });
  sim.addFault({ kind: 'status', status: 500, times: 1 });
  await call('POST', '/flows/create', { body: { name: 'a' } });

  const text = adapter.metrics();
  const page = read(text);
  const requests = (labels) => value(page, 'sim_adapter_requests_total', labels);
  expect(requests({ operation: 'flows_get', status: '2xx', code: 'none' })).toBe(2);
  expect(requests({ operation: 'flows_get', status: '4xx', code: 'not_found' })).toBe(1);
  expect(requests({ operation: 'flows_list', status: '4xx', code: 'unauthenticated' })).toBe(1);
  expect(requests({ operation: 'unknown', status: '4xx', code: 'not_found' })).toBe(1);
  expect(requests({ operation: 'flows_run_sync', status: '2xx', code: 'none' })).toBe(1);
  expect(requests({ operation: 'flows_create', status: '5xx', code: 'upstream_error' })).toBe(1);
  // What alerts look at is there as zero, so that the first one is an increase.
  expect(requests({ operation: 'runs_cancel', status: '2xx', code: 'none' })).toBe(0);
  expect(requests({ operation: 'runs_cancel', status: '5xx', code: 'upstream_auth' })).toBe(0);
  expect(requests({ operation: 'runs_cancel', status: '4xx', code: 'forbidden' })).toBeUndefined();
  // What was refused at once waited for nothing.
  expect(histogram(text, 'sim_adapter_request_duration_seconds', 'flows_get').count).toBe(3);
  expect(histogram(text, 'sim_adapter_request_duration_seconds', 'flows_list')).toBeUndefined();
});

it('calls to Sim are counted by operation, generation and how they ended, with their retries', async () => {
  const { adapter, call, sim } = await startAll(['echo']);
  await call('GET', '/flows/echo');
  sim.addFault({ kind: 'reset', times: 1 });
  await call('GET', '/flows/echo');
  sim.addFault({ kind: 'status', status: 404, body: { error: { code: 'NOT_FOUND', message: 'x' } }, times: 1 });
  await call('GET', '/flows/echo');
  await call('GET', '/health');

  const text = adapter.metrics();
  const page = read(text);
  const tries = (labels) => value(page, 'sim_adapter_upstream_requests_total', labels);
  expect(tries({ operation: 'flows_get', generation: 'v2', status: '2xx' })).toBe(2);
  expect(tries({ operation: 'flows_get', generation: 'v2', status: 'unreachable' })).toBe(1);
  expect(tries({ operation: 'flows_get', generation: 'v2', status: '4xx' })).toBe(1);
  expect(tries({ operation: 'health', generation: 'none', status: '2xx' })).toBe(1);
  expect(value(page, 'sim_adapter_upstream_retries_total', { operation: 'flows_get' })).toBe(1);
  const { count, sum, buckets } = histogram(text, 'sim_adapter_upstream_request_duration_seconds', 'flows_get');
  expect(count).toBe(4);
  expect(sum).toBeGreaterThan(0);
  expect(buckets['+Inf']).toBe(4);
});

it('what is under way is told as it is, and a client that goes away as abandoned', async () => {
  const { adapter, sim, host } = await startAll(['echo', 'wait']);
  const under = (name) => gauge(read(adapter.metrics()), name);
  expect(under('sim_adapter_requests_in_flight')).toBe(0);

  sim.addFault({ kind: 'hang', path: /\/flows\/|workflows\/echo$/, times: 1 });
  const leaves = new AbortController();
  const headers = { 'x-test-user': 'ann' };
  const asked = fetch(`${host.url}/flows/echo`, { headers, signal: leaves.signal }).catch((error) => error);
  await sim.waitFor('request', ({ path }) => path.includes('echo'));
  expect(under('sim_adapter_requests_in_flight')).toBe(1);
  leaves.abort();
  await asked;
  await sim.waitFor('abort');
  const page = read(adapter.metrics());
  const left = { operation: 'flows_get', status: 'none', code: 'abandoned' };
  expect(value(page, 'sim_adapter_requests_total', left)).toBe(1);
  expect(under('sim_adapter_requests_in_flight')).toBe(0);

  const { run } = await adapter.runFlow('wait');
  const watching = adapter.watchRun(run.id);
  await watching.next();
  expect(under('sim_adapter_streams_open')).toBe(1);
  expect(under('sim_adapter_watchers')).toBe(1);
  expect(under('sim_adapter_pollers')).toBe(1);
  await watching.return();
  await expect.poll(() => under('sim_adapter_streams_open')).toBe(0);
});

it('refusals by a limit are counted by the limit', async () => {
  const { adapter, call } = await startAll(['echo'], { adapter: { userMax: 1, ipMax: 3 } });
  for (let round = 0; round < 5; round += 1) await call('GET', '/flows/echo');
  const page = read(adapter.metrics());
  const refused = (limit) => value(page, 'sim_adapter_limit_refusals_total', { limit });
  expect(refused('read')).toBe(2);
  expect(refused('ip-read')).toBe(2);
  expect(refused('run')).toBe(0);
  expect(
    value(page, 'sim_adapter_requests_total', { operation: 'flows_get', status: '4xx', code: 'rate_limited' }),
  ).toBe(4);
  expect(gauge(page, 'sim_adapter_limit_keys')).toBe(2);
});

it('the breaker tells its state, and how often it opened', async () => {
  const { adapter, call, sim } = await startAll(['echo'], { adapter: { circuitOpenMs: 600_000 } });
  const state = (name) => value(read(adapter.metrics()), 'sim_adapter_breaker_state', { state: name });
  expect([state('closed'), state('open'), state('half_open')]).toEqual([1, 0, 0]);
  sim.addFault({ kind: 'html', status: 502 });
  for (let round = 0; round < 3; round += 1) await call('GET', '/flows/echo');
  expect([state('closed'), state('open'), state('half_open')]).toEqual([0, 1, 0]);
  const page = read(adapter.metrics());
  expect(gauge(page, 'sim_adapter_breaker_opened_total')).toBe(1);
});

it('Redis that went away is told, with what was decided without it', async () => {
  const redis = await startRedis();
  const { adapter, call } = await startAll(['echo'], { adapter: { userMax: 100, redisUri: redis.uri } });
  const now = (name) => gauge(read(adapter.metrics()), name);
  await call('GET', '/flows/echo');
  expect(now('sim_adapter_redis_up')).toBe(1);
  await redis.stop();
  await call('GET', '/flows/echo');
  expect(now('sim_adapter_redis_up')).toBe(0);
  expect(now('sim_adapter_redis_outages_total')).toBe(1);
  expect(now('sim_adapter_redis_fallbacks_total')).toBeGreaterThan(0);
});

it('a stream that breaks off after its head is counted', async () => {
  const sim = await startSim(['wait']);
  const adapter = startAdapter(sim);
  const { run } = await adapter.runFlow('wait');
  const watching = adapter.watchRun(run.id);
  await watching.next();
  sim.addFault({ kind: 'status', status: 404, body: { error: { code: 'NOT_FOUND', message: 'x' } } });
  await expect(watching.next()).rejects.toMatchObject({ code: 'not_found' });
  expect(gauge(read(adapter.metrics()), 'sim_adapter_streams_broken_total')).toBe(1);
});

it.each([
  ['Express 4', express4],
  ['Express 5', express5],
])('a host serves it as a page for Prometheus (%s)', async (_name, framework) => {
  const adapter = startAdapter(null, {});
  const app = framework();
  app.get('/metrics', (_req, res) => res.type(METRICS_CONTENT_TYPE).send(adapter.metrics()));
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEnd(() => new Promise((resolve) => server.close(resolve).closeAllConnections()));
  const response = await fetch(`http://127.0.0.1:${server.address().port}/metrics`);
  expect(response.headers.get('content-type')).toContain('version=0.0.4');
  expect(read(await response.text()).get('sim_adapter_info').metrics[0].value).toBe('1');
});

it('names and types follow Prometheus, and every label is one of a few words', async () => {
  const { adapter, call, sim } = await startAll(['echo']);
  await call('GET', '/flows/echo', { user: 'a-user-of-ours' });
  sim.addFault({ kind: 'status', status: 500 });
  await call('GET', '/flows/secret-flow');
  const text = adapter.metrics();
  for (const secret of ['a-user-of-ours', 'secret-flow', sim.apiKey, String(sim.port), '127.0.0.1']) {
    expect(text).not.toContain(secret);
  }
  for (const { name, type, help, metrics: samples } of read(text).values()) {
    expect(name).toMatch(/^sim_adapter_[a-z_]+$/);
    expect(name.endsWith('_total')).toBe(type === 'COUNTER');
    if (type === 'HISTOGRAM') expect(name).toMatch(/_seconds$/);
    expect(help).toMatch(/^[A-Z1].*\.$/);
    for (const { labels = {} } of samples) {
      for (const [label, word] of Object.entries(labels)) {
        if (label !== 'version') expect(word, `${name} ${label}`).toMatch(/^[a-z0-9][a-z0-9_-]*$/);
      }
    }
  }
});

it('the function of the package tells of the adapter that the environment configures, also when nothing is set', () => {
  expect(read(metrics()).get('sim_adapter_requests_total').type).toBe('COUNTER');
});

it('a closed adapter still tells what it counted', async () => {
  const adapter = startAdapter(await startSim());
  await adapter.health();
  await adapter.close();
  expect(
    value(read(adapter.metrics()), 'sim_adapter_requests_total', { operation: 'health', status: '2xx', code: 'none' }),
  ).toBe(1);
});
