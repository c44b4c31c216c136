// The demo keeps what it promises to somebody who has just cloned the project. It is run as a process, as they run it;
// the addon has been built before.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';

import { startEmulator } from '@sigmacode/sim-adapter/emulator';
import { afterEach, expect, test } from 'vitest';

const root = path.join(import.meta.dirname, '..');

/** No setting of the machine that runs the tests may reach the demo. */
const bare = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('SIM_')));

const closers = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** Runs the demo to its end. */
function demo(args, env = {}) {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      ['demo/main.mjs', ...args],
      { cwd: root, env: { ...bare, ...env } },
      (error, stdout, stderr) => resolve({ code: error ? error.code : 0, stdout, stderr }),
    );
  });
}

/** Starts the demo for a person. `printed(part)` answers the lines so far once one of them has `part` in it. */
function startDemo(settings) {
  const child = spawn(process.execPath, ['demo/main.mjs', '--port', '0'], {
    cwd: root,
    env: { ...bare, ...settings },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  closers.push(async () => {
    child.kill('SIGTERM');
    if (child.exitCode === null) await once(child, 'exit');
  });
  const lines = [];
  const output = createInterface({ input: child.stdout });
  output.on('line', (line) => lines.push(line));
  async function printed(part) {
    while (!lines.some((line) => line.includes(part))) await once(output, 'line');
    return lines;
  }
  return { printed };
}

test('--once completes a run with v2, v1 and flows, shows no token and exits 0', async () => {
  const { code, stdout, stderr } = await demo(['--once']);
  expect(stderr).not.toContain('failed');
  expect(code).toBe(0);
  const parts = stdout.split(/^# /m).slice(1);
  expect(parts.map((part) => part.split('\n', 1)[0])).toEqual(
    ['v2', 'v1', 'flows'].map((version) => `the emulator, API generation ${version}`),
  );
  for (const part of parts) expect(part).toContain('"status":"completed"');
  expect(stdout).toContain('POST /api/auth/login');
  expect(stdout).not.toMatch(/eyJ/);
});

test('--once uses the configured Sim and exits 1 when a step fails', async () => {
  const emulator = await startEmulator({
    faults: [{ kind: 'status', status: 500, method: 'POST', path: /\/execute$/ }],
  });
  closers.push(() => emulator.close());
  const { url: SIM_BASE_URL, apiKey: SIM_API_KEY, workspaceId: SIM_WORKSPACE_ID } = emulator;
  const { code, stderr } = await demo(['--once'], { SIM_BASE_URL, SIM_API_KEY, SIM_WORKSPACE_ID });
  expect(code).toBe(1);
  expect(stderr).toMatch(/The demo failed: POST \/api\/sim\/flows\/\S+\/run answered 5\d\d/);
  expect(emulator.flows.map(({ name, deployed }) => ({ name, deployed }))).toEqual([
    { name: 'Demo echo', deployed: true },
  ]);
});

test.each([
  ['the emulator', undefined],
  ['a Sim that has v1 only', ['v1']],
])('each printed shell line works as it is, with %s', { timeout: 60_000 }, async (_name, apiVersions) => {
  const sim = apiVersions && (await startEmulator({ apiVersions }));
  if (sim) closers.push(() => sim.close());
  const settings = sim && { SIM_BASE_URL: sim.url, SIM_API_KEY: sim.apiKey, SIM_WORKSPACE_ID: sim.workspaceId };
  const lines = await startDemo(settings).printed('/api/sim/proxy');
  const first = lines.findIndex((line) => line.startsWith('TOKEN='));
  // -f makes curl fail on every status from 400 on; -e and pipefail make the script fail with it.
  const script = lines.slice(first).join('\n').replaceAll('curl -s', 'curl -sSf');
  const { code, stdout, stderr } = await new Promise((resolve) => {
    execFile('bash', ['-euo', 'pipefail', '-c', script], (error, stdout, stderr) =>
      resolve({ code: error ? error.code : 0, stdout, stderr }),
    );
  });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toContain('"message":"hello"');
  expect(stdout).toContain('event: status');
  expect(stdout).toMatch(/event: run\n.*event: chunk\n.*event: final\n/s);
});

test('the flows of the page call back when they are done', async () => {
  const { printed } = startDemo();
  const url = /Open (\S+)/.exec((await printed('/api/sim/proxy')).join('\n'))[1];
  const call = async (path, token, body) => {
    const headers = { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) };
    const method = body ? 'POST' : 'GET';
    return (await fetch(url + path, { method, headers, body: body && JSON.stringify(body) })).json();
  };
  const { token } = await call('/api/auth/login', undefined, { username: 'ada' });
  const { flows } = await call('/api/sim/flows', token);
  expect(flows.map(({ name }) => name).sort()).toEqual(
    ['approve', 'echo', 'fail', 'review', 'talk', 'wait'].map((name) => `Demo ${name}`),
  );
  const { id } = flows.find(({ name }) => name === 'Demo echo');
  await call(`/api/sim/flows/${id}/run`, token, { input: { message: 'hello' } });
  await printed('Sim called /api/sim-hooks: a run has come to its end (answered 200)');
});
