// The circuit breaker on real sockets: it opens when Sim is gone, says so, and closes by itself when Sim is back.

import { once } from 'node:events';
import net from 'node:net';
import { expect, it } from 'vitest';
import {
  atEnd,
  optionsFor,
  refusal,
  startAdapter,
  startAll,
  startHost,
  startSim,
  call as to,
} from '../http/support.mjs';

/** How long the circuit stays open here: long enough for the calls in between, short enough to wait for. */
const OPEN_MS = 1000;

/** Asks until the circuit lets a call through again. */
async function untilItMayTry(call) {
  for (;;) {
    const answer = await call();
    if (answer.json.error?.code !== 'circuit_open') return answer;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

it('opens when nobody is there, refuses without trying, and closes when Sim is back', async () => {
  const sim = await startSim(['echo']);
  const { port, apiKey, workspaceId, url } = sim;
  await sim.close();
  const host = await startHost(
    startAdapter(null, optionsFor({ url, apiKey, workspaceId }, { circuitOpenMs: OPEN_MS })),
  );
  const call = () => to(host, 'GET', '/flows/echo');
  // Four tries of the first call, then the fifth failure in a row.
  expect(refusal(await call())).toEqual([502, 'upstream_unreachable']);
  expect(refusal(await call())).toEqual([502, 'upstream_unreachable']);
  const refused = await call();
  expect([...refusal(refused), refused.headers.get('retry-after')]).toEqual([503, 'circuit_open', '1']);
  const health = await to(host, 'GET', '/health');
  expect([health.status, health.json.ok, health.json.breaker]).toEqual([503, false, 'open']);

  const back = await startSim(['echo'], { port });
  const answer = await untilItMayTry(call);
  expect(answer.status).toBe(200);
  expect((await to(host, 'GET', '/health')).json).toMatchObject({ ok: true, breaker: 'closed' });
  expect(back.requests.length).toBeGreaterThan(0);
});

it('opens again when the one call that tried failed too', async () => {
  const adapter = startAdapter(null, {
    baseUrl: 'http://127.0.0.1:1',
    apiKey: 'k',
    apiVersion: 'v2',
    circuitOpenMs: OPEN_MS,
  });
  const host = await startHost(adapter);
  const call = () => to(host, 'GET', '/flows/echo');
  await Promise.all([call(), call()]);
  expect((await call()).json.error.code).toBe('circuit_open');
  expect((await untilItMayTry(call)).json.error.code).toBe('upstream_unreachable');
  expect((await call()).json.error.code).toBe('circuit_open');
});

it('opens when Sim takes connections and never answers, and lets one call at a time find out', async () => {
  const { sim, call } = await startAll(['echo'], { adapter: { timeoutMs: 400, circuitOpenMs: OPEN_MS } });
  const read = () => call('GET', '/flows/echo');
  sim.addFault({ kind: 'hang', times: 6 });
  const answers = await Promise.all(Array.from({ length: 5 }, read));
  expect(answers.map(refusal)).toEqual(Array(5).fill([504, 'upstream_timeout']));
  expect(refusal(await read())).toEqual([503, 'circuit_open']);
  // The one that tries again waits in vain too; meanwhile nobody else may.
  const trial = untilItMayTry(read);
  await sim.waitFor('request', () => sim.requests.length === 6);
  const meanwhile = await Promise.all([read(), read(), read()]);
  expect(meanwhile.map(refusal)).toEqual(Array(3).fill([503, 'circuit_open']));
  expect(refusal(await trial)).toEqual([504, 'upstream_timeout']);
  expect(sim.requests).toHaveLength(6);
  expect((await untilItMayTry(read)).status).toBe(200);
  expect((await read()).status).toBe(200);
});

it('stays closed for refusals, errors and broken answers: somebody is there', async () => {
  const { sim, call } = await startAll(['echo']);
  for (const fault of [
    { kind: 'status', status: 500, body: { error: 'x' } },
    { kind: 'status', status: 429 },
    { kind: 'status', status: 401, body: {} },
    { kind: 'reset' },
    { kind: 'cut-body' },
  ]) {
    const remove = sim.addFault(fault);
    for (let round = 0; round < 6; round += 1) await call('GET', '/flows/echo');
    remove();
    expect((await call('GET', '/flows/echo')).status, fault.kind).toBe(200);
  }
});

it('a failed run is no failure of Sim', async () => {
  const { call } = await startAll(['fail']);
  for (let round = 0; round < 8; round += 1) {
    expect((await call('POST', '/flows/fail/run', { body: { mode: 'sync' } })).json.run.status).toBe('failed');
  }
  expect((await call('GET', '/health')).json.breaker).toBe('closed');
});

it('a start whose answer was lost keeps its handle when the circuit opens meanwhile', async () => {
  const sim = await startSim(['echo']);
  // In front of Sim: takes one request, hands it on, and is gone before the answer.
  const server = net.createServer((socket) => {
    server.close();
    const onward = net.connect(sim.port, '127.0.0.1');
    socket.pipe(onward);
    onward.once('data', () => {
      socket.destroy();
      onward.destroy();
    });
    for (const end of [socket, onward]) end.on('error', () => {});
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEnd(() => server.close());
  const adapter = startAdapter(sim, { baseUrl: `http://127.0.0.1:${server.address().port}` });
  const error = await adapter.runFlow('echo').catch((error) => error);
  expect(error.code).toBe('upstream_unreachable');
  expect((await startAdapter(sim).runStatus(error.details.runId)).run.flowId).toBe('echo');
  expect(sim.runs).toHaveLength(1);
});
