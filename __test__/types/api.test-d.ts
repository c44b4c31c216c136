// What the package's types allow and refuse, as a CommonJS consumer sees them; compiled, never run.

import {
  type AdapterOptions,
  attachRealtime,
  createFlow,
  type Flow,
  health,
  listenToSim,
  METRICS_CONTENT_TYPE,
  metrics,
  proxy,
  type Run,
  type RunReceipt,
  type RunStatus,
  runFlow,
  runStatus,
  SimAdapter,
  SimError,
  type SimErrorCode,
  simHooks,
  simProbes,
  simRouter,
} from '@sigmacode/sim-adapter';
import express from 'express';
import pino from 'pino';
import { Server } from 'socket.io';
import { io } from 'socket.io-client';
import winston from 'winston';

interface HostUser {
  id: string;
  role: string;
}

export async function uses() {
  const options: AdapterOptions = {
    baseUrl: 'http://localhost:3000',
    apiVersion: 'v1',
    handleSecret: ['newest', 'older'],
    canRunFlow: (user: HostUser, flow: Flow) => user.role === 'ADMIN' || flow.deployed,
    gate: (user: HostUser, operation) => operation !== 'flows.deploy' || user.role === 'ADMIN',
    planOf: 'subscription.plan',
    resolveUser: async ({ id }) => (id === 'ada' ? { id } : null),
    logger: console,
  };
  const adapter = new SimAdapter(options);

  express().use('/api/sim-hooks', simHooks(), simHooks({ adapter }));
  attachRealtime(new Server().of('/sim'), {
    adapter,
    userOf: async (socket) => socket.data.user,
    clientIp: (socket) => socket.handshake.headers['x-real-ip'],
  }).close();
  // @ts-expect-error: an address is a text
  attachRealtime(new Server(), { clientIp: () => 7 });
  listenToSim(io(), { adapter, events: { 'run-updated': { run: 'executionId' } } })();
  listenToSim()();
  listenToSim({ adapter })();
  // @ts-expect-error: without a socket the events are those of SIM_REALTIME_EVENTS
  listenToSim({ adapter, events: {} });
  express().use('/api/sim', simRouter(), simRouter({ adapter }), simRouter(options));
  express().use('/probes', simProbes(), simProbes({ adapter }));
  // @ts-expect-error: probes are those of an adapter that is there
  simProbes({ baseUrl: 'http://localhost:3000' });
  express().get('/metrics', (_req, res) => void res.type(METRICS_CONTENT_TYPE).send(metrics() + adapter.metrics()));
  new SimAdapter({ logger: pino() });
  new SimAdapter({ logger: winston.createLogger() });
  new SimAdapter({ logger: { error: (message, { event, code }) => void `${message} ${event} ${code}` } });

  const { ok, breaker } = await health({ timeoutMs: 500 });
  const state: 'closed' | 'open' | 'half_open' = breaker;
  const { flow } = await createFlow({ name: 'a', document: { state: {} }, deploy: ok });
  const url: string | null = flow.url;

  const receipt: { run: RunReceipt } = await runFlow(flow.id, { input: { a: 1 }, idempotencyKey: 'k' });
  const waited: { run: Run | RunReceipt } = await adapter.runFlow(flow.id, { mode: 'sync', user: { id: 'ada' } });
  if ('output' in waited.run) waited.run.output satisfies unknown;
  const { run } = await runStatus(receipt.run.id, { signal: new AbortController().signal });
  const status: RunStatus = run.status;
  const { flows, nextCursor } = await adapter.listFlows({ limit: 10, cursor: null });
  const inputs: { name: string }[] = (await adapter.getFlow(flows[0]?.id ?? '')).flow.inputs;
  await adapter.cancelRun(run.id);
  for await (const { event, data } of adapter.streamRun('f', { selectedOutputs: ['agent.content'] })) {
    if (event === 'chunk') data.chunk satisfies string;
    else if (event === 'final') data.run.output satisfies unknown;
    // @ts-expect-error: a tool call has no chunk
    else if (event === 'tool') data.chunk;
  }
  await adapter.resumeRun(run.id, { input: { approved: true }, contextId: 'c' });
  const answer: unknown = await proxy({ method: 'GET', path: '/api/v2/workflows', query: { limit: '1' } });
  const closed: Promise<void> = adapter.close({ drainMs: 10 });

  try {
    await runStatus('x');
  } catch (error) {
    if (!(error instanceof SimError)) throw error;
    const code: SimErrorCode = error.code;
    const wait: number | undefined = error.retryAfterMs;
    const paths: string[] = error.details?.fields?.map(({ path }) => path) ?? [];
    return { code, wait, paths, status: error.status, id: error.requestId };
  }

  // @ts-expect-error: a generation that there is not
  new SimAdapter({ apiVersion: 'v3' });
  // @ts-expect-error: an option that there is not
  new SimAdapter({ baseURL: 'http://localhost' });
  // @ts-expect-error: an adapter that is there has its options already
  simRouter({ adapter, baseUrl: 'http://localhost' });
  // @ts-expect-error: the router has the options
  simHooks({ webhookSecret: 'x' });
  // @ts-expect-error: an input is an object
  await runFlow('f', { input: 'text' });
  // @ts-expect-error: a mode that there is not
  await runFlow('f', { mode: 'later' });
  // @ts-expect-error: only runs take a key
  await createFlow({ name: 'a' }, { idempotencyKey: 'k' });
  // @ts-expect-error: a promise is no answer
  const wrong: { run: Run } = runStatus('r');
  // @ts-expect-error: what an asynchronous start answers has no output
  receipt.run.output;
  return { state, url, status, nextCursor, inputs, answer, closed, wrong };
}
