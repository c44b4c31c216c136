// The examples of docs/api.md, taken from the page and run one after the other against an emulated Sim.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { SimAdapter } from '@sigmacode/sim-adapter';
import { documents } from '@sigmacode/sim-adapter/emulator';
import { expect, it } from 'vitest';
import { optionsFor, startAdapter, startSim } from '../http/support.mjs';

const page = readFileSync(new URL('../../docs/api.md', import.meta.url), 'utf8');
const blocks = [...page.matchAll(/```js\n([\s\S]*?)```/g)].map(([, code]) => code);
const names = blocks.map((code) => code.match(/^async function (\w+)/m)[1]);

/** The examples' functions, by name. */
const collect = new Function('require', `${blocks.join('\n')}\nreturn { ${names.join(', ')} };`);
const examples = collect(createRequire(import.meta.url));

async function start() {
  const sim = await startSim([]);
  sim.addFlow({ id: 'greet', document: documents.echo });
  sim.addFlow({ id: 'agent', document: documents.agent });
  return { sim, adapter: startAdapter(sim) };
}

const EXPECTED = {
  async greet() {
    const { sim } = await start();
    expect(await examples.greet(optionsFor(sim))).toMatchObject({ result: { name: 'Ada' } });
  },
  async tell() {
    const { adapter } = await start();
    const { text, status } = await examples.tell(adapter, 'Will this text come back?');
    expect(text).toContain('Will this text come back?');
    expect(status).toBe('completed');
  },
  async statusFor() {
    const { sim, adapter } = await start();
    const user = { id: 'ada', tenantId: 'one' };
    const { run } = await adapter.runFlow('greet', { user });
    await sim.waitFor('status', ({ status }) => status === 'completed');
    expect(await examples.statusFor(adapter, user, run.id)).toBe('completed');
    await expect(examples.statusFor(adapter, { id: 'bob' }, run.id)).rejects.toMatchObject({ code: 'not_found' });
  },
  async startOnce() {
    const { sim, adapter } = await start();
    expect(await examples.startOnce(adapter, 7)).toBe(await examples.startOnce(adapter, 7));
    expect(sim.runs).toHaveLength(1);
  },
  async statusWithin() {
    const { sim, adapter } = await start();
    const { run } = await adapter.runFlow('greet');
    await sim.waitFor('status', ({ status }) => status === 'completed');
    expect(await examples.statusWithin(adapter, run.id)).toBe('completed');
    sim.addFault({ kind: 'hang' });
    expect(await examples.statusWithin(adapter, run.id)).toBe('unknown');
    await expect(examples.statusWithin(adapter, run.id, AbortSignal.abort())).rejects.toMatchObject({
      name: 'AbortError',
    });
  },
  async explain() {
    const { sim, adapter } = await start();
    expect(await examples.explain(adapter, { name: 'a' })).toBe('created');
    expect(await examples.explain(adapter, { name: 1, stray: 1 })).toBe('name, stray');
    sim.addFault({ kind: 'status', status: 429, retryAfter: 2, times: 1 });
    expect(await examples.explain(adapter, { name: 'a' })).toBe('try again in 2000 ms');
    sim.addFault({ kind: 'status', status: 402 });
    expect(await examples.explain(adapter, { name: 'a' })).toMatch(/^upstream_quota, request \w+$/);
  },
  async stop() {
    const { adapter } = await start();
    await examples.stop(adapter);
    await expect(adapter.health()).rejects.toMatchObject({ code: 'shutting_down' });
  },
};

it('every example of the page is run below', () => {
  expect(names).toEqual(Object.keys(EXPECTED));
});

it.each(Object.entries(EXPECTED))('%s does what the page says', (_name, run) => run());

it('the page’s table lists each method of SimAdapter', () => {
  const listed = [...page.matchAll(/^\| `(\w+)\(/gm)].map(([, name]) => name);
  const methods = Object.getOwnPropertyNames(SimAdapter.prototype).filter((name) => name !== 'constructor');
  expect([...listed, 'close'].sort()).toEqual(methods.sort());
});
