// From one line an operator knows what failed and why; an outage is a few lines; winston and pino take them as they are.

import { Writable } from 'node:stream';
import pino from 'pino';
import { expect, it } from 'vitest';
import winston from 'winston';

import { startAdapter, startAll, startSim } from '../http/support.mjs';

/** A logger that keeps its lines. */
function keeper() {
  const lines = [];
  const keep = (level) => (message, fields) => lines.push({ level, message, ...fields });
  return { lines, info: keep('info'), warn: keep('warn'), error: keep('error') };
}

/** Of a `request_failed`, what does not depend on the clock. */
const still = ({ message, durationMs, upstreamMs, ...line }) => {
  expect(message).toMatch(/^\[sim-adapter\] /);
  for (const ms of [durationMs, upstreamMs]) if (ms !== undefined) expect(ms).toBeGreaterThanOrEqual(0);
  return line;
};

it('a failed request is one line: code, operation, request id, tries, what Sim answered, times', async () => {
  const logger = keeper();
  const { call, sim } = await startAll(['echo'], { adapter: { logger } });
  sim.addFault({ kind: 'html', status: 502, title: 'inner-proxy-page' });
  const { json } = await call('GET', '/flows/echo', { headers: { 'x-request-id': 'req-7' } });
  expect(json.error.requestId).toBe('req-7');
  expect(logger.lines).toHaveLength(1);
  expect(still(logger.lines[0])).toEqual({
    level: 'error',
    event: 'request_failed',
    code: 'upstream_error',
    status: 502,
    operation: 'flows_get',
    requestId: 'req-7',
    tries: 4,
    upstreamStatus: 502,
  });
  expect(logger.lines[0].message).toMatch(
    /^\[sim-adapter\] flows_get failed with upstream_error in \d+ ms: .+; 4 tries, the last was answered 502 \(request req-7\)$/,
  );
});

it('a line names neither where Sim is, nor the key, nor what anybody wrote', async () => {
  const logger = keeper();
  const { call, sim } = await startAll(['echo'], { adapter: { logger } });
  for (const fault of [
    { kind: 'status', status: 500, body: 'sims-own-words' },
    { kind: 'reset' },
    { kind: 'status', status: 401 },
  ]) {
    const remove = sim.addFault(fault);
    await call('POST', '/flows/create', { body: { name: 'what-a-user-wrote' } });
    remove();
  }
  expect(logger.lines.map(({ code }) => code)).toEqual(['upstream_error', 'upstream_unreachable', 'upstream_auth']);
  const text = JSON.stringify(logger.lines);
  for (const hidden of ['127.0.0.1', String(sim.port), sim.apiKey, 'sims-own-words', 'what-a-user-wrote']) {
    expect(text).not.toContain(hidden);
  }
});

it('what is the client’s own fault is no line', async () => {
  const logger = keeper();
  const { call } = await startAll(['echo'], { adapter: { logger, userMax: 2 } });
  await call('GET', '/flows/none');
  await call('GET', '/flows', { user: null });
  await call('POST', '/flows/create', { body: { stray: 1 } });
  await call('GET', '/flows/echo');
  await call('GET', '/flows/echo');
  expect((await call('GET', '/flows/echo')).status).toBe(429);
  expect(logger.lines).toEqual([]);
});

it('an outage is a few lines: the circuit once, and five of each code in ten seconds', async () => {
  const logger = keeper();
  const sim = await startSim(['echo']);
  const adapter = startAdapter(sim, { logger, circuitOpenMs: 600_000 });
  sim.addFault({ kind: 'html', status: 502 });
  for (let round = 0; round < 40; round += 1) await adapter.getFlow('echo').catch(() => {});
  const count = {};
  for (const { event, code } of logger.lines) count[code ?? event] = (count[code ?? event] ?? 0) + 1;
  expect(count.circuit_open).toBe(1 + 5);
  expect(count.upstream_error).toBeLessThanOrEqual(5);
});

it('the end of an outage is a line too', async () => {
  const logger = keeper();
  const sim = await startSim(['echo']);
  const adapter = startAdapter(sim, { logger, circuitOpenMs: 1 });
  const mend = sim.addFault({ kind: 'html', status: 502 });
  await expect
    .poll(async () => {
      await adapter.getFlow('echo').catch(() => {});
      return logger.lines.some(({ event }) => event === 'circuit_open');
    })
    .toBe(true);
  mend();
  await expect
    .poll(async () => {
      await adapter.getFlow('echo').catch(() => {});
      return logger.lines.some(({ event, level }) => event === 'circuit_closed' && level === 'info');
    })
    .toBe(true);
});

/** Makes one request fail with `logger`; resolves when `lines` has it. */
async function failWith(logger, lines) {
  const sim = await startSim(['echo']);
  const adapter = startAdapter(sim, { logger });
  sim.addFault({ kind: 'status', status: 402 });
  await adapter.getFlow('echo', { requestId: 'req-1' }).catch(() => {});
  await expect.poll(() => lines.length).toBe(1);
  expect(lines[0]).toMatchObject({
    event: 'request_failed',
    code: 'upstream_quota',
    requestId: 'req-1',
    upstreamStatus: 402,
  });
  return lines[0];
}

it('winston gets level, message and fields', async () => {
  const lines = [];
  const transport = new winston.Transport({
    log: (info, done) => {
      lines.push(info);
      done();
    },
  });
  const logger = winston.createLogger({ format: winston.format.json(), transports: [transport] });
  const line = await failWith(logger, lines);
  expect(line.level).toBe('error');
  expect(line.message).toMatch(/^\[sim-adapter\] flows_get failed with upstream_quota/);
});

it.each([
  ['pino', (logger) => logger],
  ['a child of pino', (logger) => logger.child({ part: 'sim' })],
])('%s gets level, message and fields, though it wants the fields first', async (_name, derive) => {
  const lines = [];
  const stream = new Writable({
    write: (chunk, _encoding, done) => {
      lines.push(JSON.parse(chunk));
      done();
    },
  });
  const line = await failWith(derive(pino(stream)), lines);
  expect(line.level).toBe(50);
  expect(line.msg).toMatch(/^\[sim-adapter\] flows_get failed with upstream_quota/);
});

it('a logger without `error` hears of it as a warning; one that throws breaks nothing', async () => {
  const lines = [];
  await failWith({ warn: (message, fields) => lines.push({ message, ...fields }) }, lines);
  const sim = await startSim(['echo']);
  const broken = {
    error: () => {
      throw new Error('disk full');
    },
  };
  const adapter = startAdapter(sim, { logger: broken });
  const mend = sim.addFault({ kind: 'status', status: 402 });
  await expect(adapter.getFlow('echo')).rejects.toMatchObject({ code: 'upstream_quota' });
  mend();
  expect((await adapter.getFlow('echo')).flow.id).toBe('echo');
});
