// How the addon lives in a process: consumers in both module systems, an end by itself, worker threads.

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { documents, optionsFor, startAdapter, startSim } from '../http/support.mjs';

const programs = path.join(import.meta.dirname, 'programs');
const node = promisify(execFile);

/** The environment of a program that uses `sim`. */
const envFor = (sim) => ({
  PATH: process.env.PATH,
  SIM_BASE_URL: sim.url,
  SIM_API_KEY: sim.apiKey,
  SIM_WORKSPACE_ID: sim.workspaceId,
  DOCUMENT: JSON.stringify(documents.echo),
});

/** Runs a program to its own end; one that does not end is a failure. */
const run = (args, env) => node(process.execPath, args, { env, cwd: programs, timeout: 15_000 });

const script = (code) => ['-e', `const { SimAdapter } = require('@sigmacode/sim-adapter'); ${code}`];

describe('a program', () => {
  it.each(['consumer.cjs', 'consumer.mjs'])('that imports the package (%s) works and ends by itself', async (file) => {
    const sim = await startSim([]);
    const { stdout, stderr } = await run([file], envFor(sim));
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toEqual({
      ok: true,
      status: 'completed',
      listed: 1,
      refused: 'not_found',
      kinds: ['function', 'function', 3],
    });
  });

  it.each([
    ['only requires the package', ''],
    ['makes an adapter and leaves it', 'new SimAdapter()'],
    ['makes one call', "new SimAdapter().health().then(({ ok }) => console.log(ok ? '' : 'sick'))"],
    ['makes a call that fails', "new SimAdapter().runStatus('x').catch(() => {})"],
    ['closes its adapter', 'new SimAdapter().close()'],
    ['closes it twice', 'const a = new SimAdapter(); a.close(); a.close()'],
  ])('that %s ends by itself', async (_what, code) => {
    const sim = await startSim([]);
    const { stdout, stderr } = await run(script(code), envFor(sim));
    expect([stdout.trim(), stderr]).toEqual(['', '']);
  });

  it('that drops adapters without closing them gets their memory and their threads back', async () => {
    const sim = await startSim([]);
    const code = `
      const { existsSync, readdirSync } = require('node:fs');
      const { setImmediate: turn } = require('node:timers/promises');
      const TASKS = '/proc/self/task';
      const threads = () => (existsSync(TASKS) ? readdirSync(TASKS).length : 0);
      let left = 0;
      const registry = new FinalizationRegistry(() => { left -= 1; });
      async function use() {
        const adapter = new SimAdapter();
        registry.register(adapter, 'adapter');
        left += 1;
        await adapter.health();
      }
      (async () => {
        await use();
        const before = threads();
        await Promise.all(Array.from({ length: 10 }, use));
        while (left > 0 || threads() > before) {
          gc();
          await turn();
        }
        console.log('collected');
      })();`;
    const { stdout, stderr } = await run(['--expose-gc', ...script(code)], envFor(sim));
    expect([stdout, stderr]).toEqual(['collected\n', '']);
  });

  it('stays for the answer of a call that somebody awaits', async () => {
    const sim = await startSim(['echo'], { runMs: 300 });
    const code = "new SimAdapter().runFlow('echo', { mode: 'sync' }).then(({ run }) => console.log(run.status))";
    expect((await run(script(code), envFor(sim))).stdout).toBe('completed\n');
  });

  it('that ends in the middle of a call does not crash', async () => {
    const sim = await startSim(['echo']);
    sim.addFault({ kind: 'hang' });
    const code = "for (let i = 0; i < 20; i++) new SimAdapter().getFlow('echo'); setTimeout(() => process.exit(7), 50)";
    await expect(run(script(code), envFor(sim))).rejects.toMatchObject({ code: 7, stderr: '' });
  });

  it('whose canRunFlow throws away its answer late does not crash', async () => {
    const sim = await startSim(['echo']);
    const code = `
      const canRunFlow = () => new Promise((resolve) => setTimeout(resolve, 900, true));
      const adapter = new SimAdapter({ canRunFlow });
      adapter.getFlow('echo', { user: { id: 'a' }, timeoutMs: 500 }).catch(({ code }) => console.log(code));`;
    const { stdout, stderr } = await run(script(code), envFor(sim));
    expect([stdout, stderr]).toEqual(['forbidden\n', '']);
  });
});

describe('worker threads', () => {
  const worker = (sim, use, calls) =>
    new Worker(path.join(programs, 'worker.cjs'), { workerData: { options: optionsFor(sim), use, calls } });

  it('start, use and end the addon, several at once, while the main thread does not', async () => {
    const sim = await startSim(['echo'], { runMs: 1 });
    const workers = ['leave', 'close', 'leave', 'close'].map((use) => worker(sim, use, 5));
    const ends = await Promise.all(workers.map((one) => Promise.all([once(one, 'message'), once(one, 'exit')])));
    expect(ends).toEqual(workers.map(() => [['done'], [0]]));
    expect(sim.runs).toHaveLength(20);
  });

  it('come and go while the main thread uses it too', async () => {
    const sim = await startSim(['echo'], { runMs: 1 });
    const adapter = startAdapter(sim);
    for (let round = 0; round < 5; round += 1) {
      const one = worker(sim, 'leave', 2);
      const [[code], { run }] = await Promise.all([once(one, 'exit'), adapter.runFlow('echo', { mode: 'sync' })]);
      expect([code, run.status]).toEqual([0, 'completed']);
    }
  });

  it('may be terminated with calls under way', async () => {
    const sim = await startSim(['echo']);
    const adapter = startAdapter(sim);
    sim.addFault({ kind: 'hang', method: 'GET', path: /echo$/ });
    for (let round = 0; round < 10; round += 1) {
      const one = worker(sim, 'hang', 20);
      await once(one, 'message');
      if (round % 2 === 0) await sim.waitFor('request', () => sim.requests.length >= 20);
      expect(await one.terminate()).toBe(1);
      sim.reset();
      sim.addFault({ kind: 'hang', method: 'GET', path: /echo$/ });
    }
    sim.clearFaults();
    expect((await adapter.getFlow('echo')).flow.id).toBe('echo');
  });

  it('may be terminated while answers arrive', async () => {
    const sim = await startSim(['echo'], { runMs: 1 });
    for (let round = 0; round < 10; round += 1) {
      const one = worker(sim, 'leave', 1000);
      await sim.waitFor('run', () => sim.runs.length > 3);
      await one.terminate();
      sim.reset();
    }
    expect((await startAdapter(sim).getFlow('echo')).flow.id).toBe('echo');
  });
});
