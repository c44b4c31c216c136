// The host's last word: `gate` before anything reaches Sim. A gate that fails is a closed one.

import { describe, expect, it } from 'vitest';

import { refusal, startAll, withoutSim } from './support.mjs';

const started = (gate, adapter) => startAll(['echo'], { adapter: { gate, ...adapter } });

describe('gate', () => {
  it('is asked with the host’s user, the operation and the flow', async () => {
    const asked = [];
    const { call } = await started((...question) => {
      asked.push(question);
      return true;
    });
    const { json } = await call('POST', '/flows/echo/run');
    await call('GET', `/runs/${json.run.id}/status`);
    await call('GET', '/flows');
    await call('POST', '/flows/create', { body: { name: 'draft', deploy: true }, role: 'ADMIN' });
    const user = { id: 'ann', role: 'USER' };
    expect(asked).toEqual([
      [user, 'flows.run', 'echo'],
      [user, 'runs.read', 'echo'],
      [user, 'flows.list', undefined],
      [{ id: 'ann', role: 'ADMIN' }, 'flows.deploy', undefined],
    ]);
  });

  it('may take its time', async () => {
    const { call } = await started(async () => {
      await new Promise(setImmediate);
      return true;
    });
    expect((await call('GET', '/flows/echo')).status).toBe(200);
  });

  it('that gives a reason refuses with it', async () => {
    const { sim, call } = await started(() => 'no credit is left');
    await withoutSim(sim, async () => {
      const answer = await call('POST', '/flows/echo/run');
      expect(refusal(answer)).toEqual([403, 'forbidden']);
      expect(answer.json.error.details).toEqual({ reason: 'no credit is left' });
    });
  });

  it.each([[false], [null], [undefined], [0], [1], [{}], [[]], [new Date()]])('that says %j refuses', async (word) => {
    const { sim, call } = await started(() => word);
    await withoutSim(sim, async () => expect(refusal(await call('GET', '/flows/echo'))).toEqual([403, 'forbidden']));
  });

  it.each([
    ['throws', () => JSON.parse('{')],
    ['rejects', () => Promise.reject(new Error('balance service at 10.0.0.9 is down'))],
  ])('that %s refuses, is logged, and tells the client nothing', async (_how, gate) => {
    const lines = [];
    const { sim, call } = await started(gate, { logger: { warn: (_message, { event }) => lines.push(event) } });
    await withoutSim(sim, async () => {
      const answer = await call('GET', '/flows/echo');
      expect(refusal(answer)).toEqual([403, 'forbidden']);
      expect(answer.text).not.toMatch(/JSON|10\.0\.0\.9/);
    });
    expect(lines).toEqual(['hook_failed']);
  });

  it('that never answers refuses when the time is up', async () => {
    const { sim, call } = await started(() => new Promise(() => {}), { timeoutMs: 100 });
    await withoutSim(sim, async () => expect(refusal(await call('GET', '/flows/echo'))).toEqual([403, 'forbidden']));
  });

  it('is never asked about what was refused before: sign-in, body, handle, path, plan, rate', async () => {
    const asked = [];
    const plans = { USER: { runsPerDay: 1 }, ADMIN: { operations: ['runs.read'] } };
    const { sim, call } = await started((_user, operation) => asked.push(operation) > 0, { plans });
    const { json } = await call('POST', '/flows/echo/run');
    asked.length = 0;
    await withoutSim(sim, async () => {
      for (const [status, ...request] of [
        [401, 'GET', '/flows', { user: null }],
        [400, 'POST', '/flows/echo/run', { body: { input: 1 } }],
        [404, 'GET', `/runs/${json.run.id}/status`, { user: 'bob' }],
        [403, 'POST', '/proxy', { body: { method: 'GET', path: '/api/../users' } }],
        [403, 'GET', '/flows', { role: 'ADMIN' }],
        [429, 'POST', '/flows/echo/run'],
      ]) {
        expect((await call(...request)).status).toBe(status);
      }
    });
    expect(asked).toEqual([]);
  });

  it('is not asked about the host’s own calls, and is about those for a user', async () => {
    const asked = [];
    const { adapter } = await started((user) => {
      asked.push(user);
      return false;
    });
    expect((await adapter.runFlow('echo')).run.status).toBe('queued');
    const user = { id: 'ann', tenantId: 'acme' };
    await expect(adapter.runFlow('echo', { user })).rejects.toMatchObject({ code: 'forbidden', status: 403 });
    expect(asked).toEqual([user]);
  });
});
