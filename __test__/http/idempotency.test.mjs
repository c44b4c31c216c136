// Idempotency-Key: one key, one run, however often and however fast it comes.

import { describe, expect, it } from 'vitest';
import { fieldPaths, refusal, startAdapter, startAll, startHost, call as to } from './support.mjs';

const run = (call, key, body = { input: { a: 1 } }, more = {}) =>
  call('POST', '/flows/echo/run', { body, headers: { 'idempotency-key': key }, ...more });

const replayed = ({ headers }) => headers.get('idempotent-replayed');

const version = (apiVersion) => ({ sim: { apiVersions: [apiVersion] }, adapter: { apiVersion } });

describe.each(['v2', 'v1', 'flows'])('with Sim speaking %s', (apiVersion) => {
  it('the same key finds the same run, and the answer says so', async () => {
    const { sim, call } = await startAll(['echo'], version(apiVersion));
    const first = await run(call, 'k1');
    const second = await run(call, 'k1');
    expect([first.status, second.status]).toEqual([202, 202]);
    expect([replayed(first), replayed(second)]).toEqual([null, 'true']);
    expect(second.json.run.id).toBe(first.json.run.id);
    expect(sim.runs).toHaveLength(1);
  });

  it('another input under the same key is refused', async () => {
    const { sim, call } = await startAll(['echo'], version(apiVersion));
    await run(call, 'k1');
    expect(refusal(await run(call, 'k1', { input: { a: 2 } }))).toEqual([422, 'idempotency_mismatch']);
    expect(sim.runs).toHaveLength(1);
  });

  it('other keys, users and flows are other runs', async () => {
    const { sim, call } = await startAll(['echo', 'wait'], version(apiVersion));
    await run(call, 'k1');
    await run(call, 'k2');
    await run(call, 'k1', undefined, { user: 'bob' });
    await call('POST', '/flows/wait/run', { headers: { 'idempotency-key': 'k1' } });
    expect(sim.runs).toHaveLength(4);
  });

  it('a start that Sim refused did not use the key up', async () => {
    const { sim, call } = await startAll(['echo'], version(apiVersion));
    const remove = sim.addFault({ kind: 'status', status: 429, method: 'POST' });
    expect(refusal(await run(call, 'k1', { input: { wrong: 1 } }))).toEqual([503, 'upstream_busy']);
    remove();
    const answer = await run(call, 'k1', { input: { right: 1 } });
    expect([answer.status, replayed(answer)]).toEqual([202, null]);
    expect(sim.runs.map(({ input }) => input)).toEqual([{ right: 1 }]);
  });
});

describe('a key', () => {
  it.each(['v2', 'v1'])('that comes ten times at once starts one run (%s)', async (apiVersion) => {
    const { sim, call } = await startAll(['echo'], version(apiVersion));
    const answers = await Promise.all(Array.from({ length: 10 }, () => run(call, 'double-click')));
    expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(202));
    expect(new Set(answers.map(({ json }) => json.run.id)).size).toBe(1);
    expect(answers.filter((answer) => replayed(answer) === null)).toHaveLength(1);
    expect(sim.runs).toHaveLength(1);
  });

  it('that comes ten times at once to a Sim without claims starts one run; the others are told to wait', async () => {
    const { sim, call } = await startAll(['echo'], version('flows'));
    const answers = await Promise.all(Array.from({ length: 10 }, () => run(call, 'double-click')));
    const [started, ...others] = answers.sort((a, b) => a.status - b.status);
    expect(started.status).toBe(202);
    for (const answer of others) {
      if (answer.status === 202) expect(answer.json.run.id).toBe(started.json.run.id);
      else expect([...refusal(answer), answer.json.error.details.reason]).toEqual([409, 'conflict', 'in_progress']);
    }
    expect(sim.runs).toHaveLength(1);
  });

  it('is the same on every instance that has the secret', async () => {
    const { sim, call } = await startAll();
    const other = await startHost(startAdapter(sim));
    const first = await run(call, 'k1');
    const second = await run((...args) => to(other, ...args), 'k1');
    expect(replayed(second)).toBe('true');
    expect(second.json.run.id).toBe(first.json.run.id);
    expect((await to(other, 'GET', `/runs/${first.json.run.id}/status`)).status).toBe(200);
    expect(sim.runs).toHaveLength(1);
  });

  it('of mode sync is answered with the output of the run that it started', async () => {
    const { sim, call } = await startAll();
    const body = { input: { a: 1 }, mode: 'sync' };
    const [first, second] = [await run(call, 'k1', body), await run(call, 'k1', body)];
    expect([first.status, second.status, replayed(second)]).toEqual([200, 200, 'true']);
    expect(second.json.run).toEqual(first.json.run);
    expect(sim.runs).toHaveLength(1);
  });

  it('may be quoted, as the draft has it', async () => {
    const { sim, call } = await startAll();
    await run(call, '"k 1"');
    expect(replayed(await run(call, 'k 1'))).toBe('true');
    expect(sim.runs).toHaveLength(1);
  });

  it.each(['', '""', '"open', 'x'.repeat(256), 'ä'])('that is %j is refused', async (key) => {
    const { sim, call } = await startAll();
    const answer = await run(call, key);
    expect(refusal(answer)).toEqual([400, 'invalid_request']);
    expect(fieldPaths(answer)).toEqual(['Idempotency-Key']);
    expect(sim.requests).toEqual([]);
  });

  it('never reaches Sim itself', async () => {
    const { sim, call } = await startAll();
    await run(call, 'very-private');
    expect(JSON.stringify(sim.requests.map(({ rawHeaders }) => rawHeaders))).not.toContain('very-private');
  });
});

describe('without any secret', () => {
  const adapter = { handleSecret: undefined };

  it('a key is refused, because another process would not know it', async () => {
    const { sim, call } = await startAll(['echo'], { adapter });
    expect(refusal(await run(call, 'k1'))).toEqual([503, 'not_configured']);
    expect(sim.requests).toEqual([]);
    expect((await call('POST', '/flows/echo/run')).status).toBe(202);
  });

  it('a key is taken where there is no other process', async () => {
    const { sim, call } = await startAll(['echo'], { adapter: { ...adapter, singleProcess: true } });
    await run(call, 'k1');
    expect(replayed(await run(call, 'k1'))).toBe('true');
    expect(sim.runs).toHaveLength(1);
  });
});
