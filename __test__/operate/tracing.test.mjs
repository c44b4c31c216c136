// Spans through the real OpenTelemetry SDK of a host; nothing where the host has none.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { context, propagation, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { afterEach, beforeEach, expect, it } from 'vitest';

import { routeOf } from '../../express/tracing.js';
import { documents, express5, startAdapter, startAll, startSim } from '../http/support.mjs';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const PARENT = `00-${TRACE}-b7ad6b7169203331-01`;

let exporter;

beforeEach(() => {
  exporter = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  trace.setGlobalTracerProvider(provider);
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
});

afterEach(() => {
  trace.disable();
  propagation.disable();
  context.disable();
});

const spans = () => exporter.getFinishedSpans();

it('one span for each request: route without ids, method, status, request id', async () => {
  const { call } = await startAll(['echo']);
  await call('GET', '/flows/echo?x=1', { headers: { 'x-request-id': 'req-9' } });
  expect(spans()).toHaveLength(1);
  const [span] = spans();
  expect(span.name).toBe('GET /flows/:flowId');
  expect(span.kind).toBe(SpanKind.INTERNAL);
  expect(span.attributes).toEqual({
    'http.request.method': 'GET',
    'http.route': '/flows/:flowId',
    'http.response.status_code': 200,
    'sim_adapter.request_id': 'req-9',
  });
  expect(span.status.code).toBe(SpanStatusCode.UNSET);
  expect(span.instrumentationScope.name).toBe('@sigmacode/sim-adapter');
});

it('the caller’s span is the parent, and ours is the one that Sim is told, with the caller’s state', async () => {
  const { call, sim } = await startAll(['echo']);
  await call('GET', '/flows/echo', { headers: { traceparent: PARENT, tracestate: 'vendor=one,other=2' } });
  const [span] = spans();
  expect(span.spanContext().traceId).toBe(TRACE);
  expect(span.parentSpanContext.spanId).toBe(PARENT.split('-')[2]);
  const { headers } = sim.requests.at(-1);
  expect(headers.traceparent).toBe(`00-${TRACE}-${span.spanContext().spanId}-01`);
  expect(headers.tracestate).toBe('vendor=one,other=2');
});

it('the host’s active span wins over the header', async () => {
  const hosts = trace.getTracer('host').startSpan('request');
  const instrumentation = (_req, _res, next) => context.with(trace.setSpan(context.active(), hosts), next);
  const { call, sim } = await startAll(['echo'], { host: { before: [express5.json(), instrumentation] } });
  await call('GET', '/flows/echo', { headers: { traceparent: PARENT } });
  const [span] = spans();
  expect(span.parentSpanContext.spanId).toBe(hosts.spanContext().spanId);
  expect(sim.requests.at(-1).headers.traceparent).toContain(span.spanContext().spanId);
});

it('an error is its code, and only what is not the client’s fault is an error of the span', async () => {
  const { call, sim } = await startAll(['echo']);
  await call('GET', '/flows', { user: null });
  await call('GET', '/nowhere/at/all');
  sim.addFault({ kind: 'status', status: 402 });
  await call('GET', '/flows/echo');
  const seen = spans().map(({ name, attributes, status }) => [
    name,
    attributes['http.response.status_code'],
    attributes['error.type'],
    status.code,
  ]);
  expect(seen).toEqual([
    ['GET /flows', 401, 'unauthenticated', SpanStatusCode.UNSET],
    ['GET', 404, 'not_found', SpanStatusCode.UNSET],
    ['GET /flows/:flowId', 503, 'upstream_quota', SpanStatusCode.ERROR],
  ]);
});

it('a stream is one span until its end, also when its reader leaves', async () => {
  const sim = await startSim([]);
  sim.addFlow({ id: 'agent', document: documents.agent });
  const adapter = startAdapter(sim);
  for await (const { event } of adapter.streamRun('agent', { input: { message: 'a b c' } })) {
    if (event !== 'final') expect(spans()).toHaveLength(0);
  }
  expect(spans().map(({ name }) => name)).toEqual(['POST /flows/:flowId/run']);

  const events = adapter.streamRun('agent', { input: { message: 'a b c' } });
  await events.next();
  await events.return();
  expect(spans()).toHaveLength(2);
  expect(spans()[1].attributes['error.type']).toBeUndefined();
});

it('a client that goes away before the answer ends its span as abandoned', async () => {
  const sim = await startSim(['echo']);
  const adapter = startAdapter(sim);
  sim.addFault({ kind: 'hang' });
  const leaves = new AbortController();
  const call = adapter.getFlow('echo', { signal: leaves.signal }).catch((error) => error.name);
  await sim.waitFor('request');
  leaves.abort();
  expect(await call).toBe('AbortError');
  expect(spans()[0].attributes['error.type']).toBe('abandoned');
});

it('without a provider the caller’s trace goes on as it came', async () => {
  trace.disable();
  const { call, sim } = await startAll(['echo']);
  await call('GET', '/flows/echo', { headers: { traceparent: PARENT, tracestate: 'vendor=one' } });
  expect(sim.requests.at(-1).headers).toMatchObject({ traceparent: PARENT, tracestate: 'vendor=one' });
  await call('GET', '/flows/echo', { headers: { tracestate: 'vendor=one' } });
  expect(sim.requests.at(-1).headers).not.toHaveProperty('tracestate');
  await call('GET', '/flows/echo', { headers: { traceparent: PARENT, tracestate: `a=${'x'.repeat(600)}` } });
  expect(sim.requests.at(-1).headers).not.toHaveProperty('tracestate');
  expect(spans()).toHaveLength(0);
});

it('without a provider the API is not even loaded', () => {
  const program = `
    const { SimAdapter } = require('@sigmacode/sim-adapter');
    const adapter = new SimAdapter({ baseUrl: 'http://127.0.0.1:1', apiKey: 'k', handleSecret: 'x'.repeat(32) });
    adapter.health().then(() => {
      console.log(Object.keys(require.cache).filter((name) => name.includes('@opentelemetry')).length);
    });`;
  const root = new URL('../../', import.meta.url);
  expect(execFileSync(process.execPath, ['-e', program], { cwd: root, encoding: 'utf8' }).trim()).toBe('0');
});

it('every route of docs/openapi.json has its template, and nothing else has one', () => {
  const { paths } = JSON.parse(readFileSync(new URL('../../docs/openapi.json', import.meta.url), 'utf8'));
  for (const path of Object.keys(paths)) {
    expect(routeOf(path.replace(/\{\w+\}/g, 'some-id')), path).toBe(path.replace(/\{(\w+)\}/g, ':$1'));
  }
  for (const path of ['/', '/flows/a/b', '/runs', '/secret/path', '/flows/a/run/more'])
    expect(routeOf(path)).toBeUndefined();
  expect(routeOf('/flows/?limit=1')).toBe('/flows');
});
