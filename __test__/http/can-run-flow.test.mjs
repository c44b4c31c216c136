// The host's `canRunFlow` narrows what a user sees and runs, and a hook that fails keeps everything shut.

import { describe, expect, it } from 'vitest';
import { documents, refusal, startAll } from './support.mjs';

const NAMES = ['echo', 'fail', 'wait'];

const started = (canRunFlow, more) => startAll(NAMES, { adapter: { canRunFlow, ...more } });

describe('canRunFlow', () => {
  it('is asked about each flow, with the host’s own user', async () => {
    const seen = [];
    const { call } = await started((user, flow) => {
      seen.push([user, flow]);
      return true;
    });
    expect((await call('GET', '/flows')).json.flows).toHaveLength(3);
    expect(seen.map(([, { id }]) => id).sort()).toEqual([...NAMES].sort());
    for (const [user, flow] of seen) {
      expect(user).toEqual({ id: 'ann', role: 'USER' });
      expect(Object.keys(flow).sort()).toEqual(['deployed', 'description', 'id', 'name']);
    }
  });

  it('narrows the list, and what it hides is neither read nor run', async () => {
    const { sim, call } = await started((user, { id }) => user.id === 'root' || id === 'echo');
    expect((await call('GET', '/flows')).json.flows.map(({ id }) => id)).toEqual(['echo']);
    expect((await call('GET', '/flows', { user: 'root' })).json.flows).toHaveLength(3);
    expect((await call('GET', '/flows/echo')).status).toBe(200);
    expect((await call('POST', '/flows/echo/run')).status).toBe(202);
    expect(refusal(await call('GET', '/flows/fail'))).toEqual([404, 'not_found']);
    expect(refusal(await call('POST', '/flows/fail/run'))).toEqual([404, 'not_found']);
    expect(sim.runs.map(({ flowId }) => flowId)).toEqual(['echo']);
  });

  it('what is hidden looks like what is not there', async () => {
    const { call } = await started(() => false);
    const body = ({ json }) => ({ ...json.error, requestId: '' });
    const hidden = await call('POST', '/flows/echo/run');
    const absent = await call('POST', '/flows/nowhere/run');
    expect([hidden.status, body(hidden).code]).toEqual([absent.status, body(absent).code]);
  });

  it('fills pages over what it hides', async () => {
    const { call } = await started((_user, { id }) => id !== 'fail');
    const seen = [];
    let query = '?limit=1';
    for (let pages = 0; query !== null; pages += 1) {
      expect(pages).toBeLessThan(5);
      const { json } = await call('GET', `/flows${query}`);
      seen.push(...json.flows.map(({ id }) => id));
      query = json.nextCursor === null ? null : `?limit=1&cursor=${json.nextCursor}`;
    }
    expect(seen.sort()).toEqual(['echo', 'wait']);
  });

  it('is asked about 100 flows at once at the most, and about no more of them than a page needs', async () => {
    const flows = Array.from({ length: 250 }, (_, at) => ({ id: `flow-${at}`, name: 'n', document: documents.echo }));
    const seen = { now: 0, most: 0, all: 0 };
    const canRunFlow = async ({ id }) => {
      seen.now += 1;
      seen.all += 1;
      seen.most = Math.max(seen.most, seen.now);
      await new Promise(setImmediate);
      seen.now -= 1;
      return id === 'root';
    };
    const { call } = await startAll([], { adapter: { canRunFlow }, sim: { flows } });
    expect((await call('GET', '/flows')).json).toEqual({ flows: [], nextCursor: null });
    expect(seen).toEqual({ now: 0, most: 100, all: 250 });
    expect((await call('GET', '/flows?limit=1', { user: 'root' })).json.flows).toHaveLength(1);
    expect(seen).toEqual({ now: 0, most: 100, all: 350 });
  });

  it('may take its time', async () => {
    const { call } = await started(async (_user, { id }) => {
      await new Promise(setImmediate);
      return id === 'echo';
    });
    expect((await call('GET', '/flows')).json.flows.map(({ id }) => id)).toEqual(['echo']);
  });

  it.each([
    ['throws', () => JSON.parse('{')],
    ['rejects', () => Promise.reject(new Error('database is down'))],
    ['throws nothing at all', () => Promise.reject(null)],
  ])('that %s forbids, is logged, and starts nothing', async (_how, canRunFlow) => {
    const lines = [];
    const { sim, call } = await started(canRunFlow, { logger: { warn: (...line) => lines.push(line) } });
    for (const [method, path] of [
      ['GET', '/flows'],
      ['GET', '/flows/echo'],
      ['POST', '/flows/echo/run'],
    ]) {
      const answer = await call(method, path);
      expect(refusal(answer)).toEqual([403, 'forbidden']);
      expect(answer.text).not.toContain('database');
    }
    expect(lines.map(([, meta]) => meta)).toEqual([1, 2, 3].map(() => ({ event: 'hook_failed' })));
    expect(sim.runs).toEqual([]);
  });

  it.each([['yes'], [1], [{}], [[]], [null], [undefined], ['true']])(
    'that says %j, which is not true, forbids',
    async (answer) => {
      const { sim, call } = await started(() => answer);
      expect((await call('GET', '/flows')).json.flows).toEqual([]);
      expect(refusal(await call('POST', '/flows/echo/run'))).toEqual([404, 'not_found']);
      expect(sim.runs).toEqual([]);
    },
  );

  it('that never answers is a refusal when the time is up', async () => {
    const { call } = await started(() => new Promise(() => {}), { timeoutMs: 500 });
    expect(refusal(await call('GET', '/flows/echo'))).toEqual([403, 'forbidden']);
  });

  it('is not asked about the host’s own calls', async () => {
    const { adapter } = await started(() => false);
    expect((await adapter.listFlows()).flows).toHaveLength(3);
    expect((await adapter.runFlow('echo')).run.status).toBe('queued');
    await expect(adapter.runFlow('echo', { user: { id: 'ann' } })).rejects.toMatchObject({ code: 'not_found' });
  });

  it('with a logger that throws hurts nobody', async () => {
    const logger = {
      warn() {
        throw new Error('disk full');
      },
    };
    const { call } = await started(() => JSON.parse('{'), { logger });
    const answers = await Promise.all([1, 2, 3].map(() => call('GET', '/flows/echo')));
    expect(answers.map(refusal)).toEqual([1, 2, 3].map(() => [403, 'forbidden']));
  });
});
