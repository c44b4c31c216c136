// `sim-adapter doctor` finds each fault of an installation, says how to mend it, and keeps secrets and hosts to itself.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

import { emptyFolder } from '../deploy/support.mjs';
import { selfSigned } from '../emulator/certificate.mjs';
import { atEnd, SECRET, startSim } from '../http/support.mjs';
import { startRedis } from '../security/redis.mjs';
import { SECRET as SIGNING_SECRET, startGuard } from '../signing/support.mjs';

const COMMAND = fileURLToPath(new URL('../../bin/sim-adapter.js', import.meta.url));

/** A good environment for `sim`. */
const environment = (sim, more = {}) => ({
  SIM_BASE_URL: sim.url,
  SIM_API_KEY: sim.apiKey,
  SIM_WORKSPACE_ID: sim.workspaceId,
  SIM_HANDLE_SECRET: SECRET,
  ...more,
});

/** Runs the command as a process of its own: `{code, output, errors}`. */
async function command(args, env) {
  const child = spawn(process.execPath, [COMMAND, ...args], { env: { PATH: process.env.PATH, ...env } });
  let output = '';
  let errors = '';
  child.stdout.on('data', (text) => {
    output += text;
  });
  child.stderr.on('data', (text) => {
    errors += text;
  });
  const [code] = await once(child, 'close');
  return { code, output, errors };
}

/** The findings by name: `[status, message + fix]`. */
async function examine(env, ...args) {
  const { code, output, errors } = await command(['doctor', '--json', ...args], env);
  expect(errors).toBe('');
  const { ok, checks } = JSON.parse(output);
  expect(code).toBe(ok ? 0 : 1);
  for (const { status, fix } of checks) expect(fix === undefined).toBe(status === 'ok' || status === 'skip');
  for (const hidden of [env.SIM_API_KEY, SECRET, SIGNING_SECRET, '127.0.0.1']) {
    if (hidden) expect(output).not.toContain(hidden);
  }
  const found = Object.fromEntries(
    checks.map(({ name, status, message, fix = '' }) => [name, [status, `${message} ${fix}`]]),
  );
  return { ok, found, status: Object.fromEntries(checks.map(({ name, status }) => [name, status])) };
}

it('a good installation passes every check, and Sim is as it was', async () => {
  const sim = await startSim(['echo']);
  const { ok, status } = await examine(environment(sim));
  expect(ok).toBe(true);
  expect(status).toEqual({
    settings: 'ok',
    secrets: 'ok',
    name: 'ok',
    port: 'ok',
    tls: 'skip',
    answer: 'ok',
    guard: 'skip',
    clock: 'ok',
    key: 'ok',
    generation: 'ok',
    workspace: 'ok',
    deploy: 'ok',
    redis: 'skip',
    adapter: 'ok',
  });
  expect(sim.flows).toHaveLength(1);
  expect(sim.runs).toHaveLength(0);
});

it('prints a line for each check, and below it what to do', async () => {
  const sim = await startSim();
  const { code, output } = await command(['doctor'], environment(sim, { SIM_WORKSPACE_ID: '' }));
  expect(code).toBe(1);
  expect(output).toMatch(/^ok {4}settings {4}every variable can be read$/m);
  expect(output).toMatch(/^FAIL {2}workspace {3}SIM_WORKSPACE_ID is not set\n {18}Set it: /m);
});

it('settings that are wrong are all named, and nothing else is tried', async () => {
  const { found } = await examine({ SIM_BASE_URL: 'ftp://x', SIM_API_VERSION: 'v9', SIM_TIMEOUT_MS: 'soon' });
  expect(Object.keys(found)).toEqual(['settings']);
  for (const name of ['SIM_BASE_URL', 'SIM_API_KEY', 'SIM_API_VERSION', 'SIM_TIMEOUT_MS']) {
    expect(found.settings[1]).toContain(name);
  }
  expect((await examine({})).found.settings[1]).toContain('SIM_BASE_URL is not set');
});

it('settings come from --env too, and the environment wins', async () => {
  const sim = await startSim();
  const file = path.join(emptyFolder(), 'env');
  const lines = Object.entries(environment(sim, { SIM_API_KEY: 'another' })).map(([name, value]) => `${name}=${value}`);
  writeFileSync(file, lines.join('\n'));
  const { ok } = await examine({ SIM_API_KEY: sim.apiKey }, '--env', file);
  expect(ok).toBe(true);
  const { code, errors } = await command(['doctor', '--env', `${file}-gone`], {});
  expect(code).toBe(2);
  expect(errors).toContain('--env cannot be read: ENOENT');
});

it('without a handle secret it fails, with the signing secret in its place it warns', async () => {
  const sim = await startSim();
  expect((await examine(environment(sim, { SIM_HANDLE_SECRET: '' }))).found.secrets[0]).toBe('fail');
  const { found } = await examine(environment(sim, { SIM_HANDLE_SECRET: '', SIM_SIGNING_SECRET: SIGNING_SECRET }));
  expect(found.secrets[0]).toBe('warn');
});

it('a name without an address, a port without a server, and what is not Sim', async () => {
  const sim = await startSim();
  const lost = await examine(environment(sim, { SIM_BASE_URL: 'http://sim.invalid' }));
  expect(lost.found.name).toEqual(['fail', expect.stringContaining('has no address')]);
  expect(lost.found.key).toEqual(['skip', expect.stringContaining('not before')]);
  expect(lost.found.adapter[0]).toBe('fail');

  await sim.close();
  const down = await examine(environment(sim));
  expect(down.found.port).toEqual(['fail', expect.stringContaining('ECONNREFUSED')]);

  const other = http.createServer((_req, res) => res.end('<html>welcome')).listen(0, '127.0.0.1');
  await once(other, 'listening');
  atEnd(() => new Promise((resolve) => other.close(resolve).closeAllConnections()));
  const wrong = await examine(environment(sim, { SIM_BASE_URL: `http://127.0.0.1:${other.address().port}` }));
  expect(wrong.found.answer).toEqual(['fail', expect.stringContaining('200 and no JSON')]);

  const mute = net.createServer((socket) => socket.on('error', () => {})).listen(0, '127.0.0.1');
  await once(mute, 'listening');
  atEnd(() => mute.close());
  const timeout = { SIM_BASE_URL: `http://127.0.0.1:${mute.address().port}`, SIM_CONNECT_TIMEOUT_MS: '200' };
  expect((await examine(environment(sim, { ...timeout, SIM_TIMEOUT_MS: '300' }))).found.answer[1]).toContain(
    'ETIMEDOUT',
  );
});

it('a certificate that nobody vouches for, and the same with its authority', async () => {
  const { key, cert } = selfSigned();
  const sim = await startSim(['echo'], { tls: { key, cert } });
  const { port } = sim;
  const base = environment(sim, { SIM_BASE_URL: `https://localhost:${port}` });
  const { found } = await examine(base);
  expect(found.tls).toEqual(['fail', expect.stringContaining('SIM_CA_FILE')]);
  const file = path.join(emptyFolder(), 'ca.pem');
  writeFileSync(file, cert);
  const trusted = await examine({ ...base, SIM_CA_FILE: file });
  expect(trusted.found.tls[0]).toBe('ok');
  expect(trusted.ok).toBe(true);
  const plain = await startSim();
  const wrong = await examine(environment(plain, { SIM_BASE_URL: `https://localhost:${plain.port}` }));
  expect(wrong.found.tls[1]).toContain('write http://');
});

it('a key that Sim does not know', async () => {
  const sim = await startSim();
  const { found } = await examine(environment(sim, { SIM_API_KEY: 'not-the-one' }));
  expect(found.key).toEqual(['fail', expect.stringContaining('401')]);
  expect(found.workspace[0]).toBe('skip');
});

it('a generation that is not there, and the one that is', async () => {
  const sim = await startSim(['echo'], { apiVersions: ['v1'] });
  expect((await examine(environment(sim))).found.generation).toEqual(['ok', expect.stringContaining('V2_API=true')]);
  const wrong = await examine(environment(sim, { SIM_API_VERSION: 'v2' }));
  expect(wrong.found.generation).toEqual(['fail', expect.stringContaining('SIM_API_VERSION=auto')]);
  const flows = await startSim(['echo'], { apiVersions: ['flows'] });
  const older = await examine(environment(flows));
  expect(older.found.generation).toEqual(['ok', expect.stringContaining('flows')]);
  expect(older.ok).toBe(true);
});

it('a workspace that the key does not reach', async () => {
  const sim = await startSim();
  const refused = { error: { code: 'FORBIDDEN', message: 'x', details: { code: 'PERSONAL_API_KEYS_DISABLED' } } };
  sim.addFault({ kind: 'status', path: /\/workflows$/, status: 403, body: refused });
  const { found } = await examine(environment(sim));
  expect(found.key[0]).toBe('ok');
  expect(found.workspace).toEqual(['fail', expect.stringContaining('a key of the workspace')]);
});

it('a key that may not deploy is a warning: not everybody wants to', async () => {
  const sim = await startSim();
  sim.addFault({
    kind: 'status',
    path: /\/deploy$/,
    status: 403,
    body: { error: { code: 'FORBIDDEN', message: 'x' } },
  });
  const { ok, found } = await examine(environment(sim));
  expect(found.deploy).toEqual(['warn', expect.stringContaining('personal key')]);
  expect(ok).toBe(true);
});

it('Redis: there, and gone', async () => {
  const redis = await startRedis({ password: 'redis-password' });
  atEnd(() => redis.stop());
  const sim = await startSim();
  expect((await examine(environment(sim, { REDIS_URI: redis.uri }))).found.redis[0]).toBe('ok');
  const wrong = redis.uri.replace('redis-password', 'another');
  expect((await examine(environment(sim, { REDIS_URI: wrong }))).found.redis[0]).toBe('fail');
  await redis.stop();
  const { found } = await examine(environment(sim, { REDIS_URI: redis.uri }));
  expect(found.redis).toEqual(['fail', expect.stringContaining('REDIS_URI')]);
});

/** What answers in Sim's place with another `Date`. */
async function withDate(sim, shiftMs) {
  const server = http.createServer((req, res) => {
    const onward = http.request({
      port: sim.port,
      host: '127.0.0.1',
      method: req.method,
      path: req.url,
      headers: req.headers,
    });
    onward.on('response', (answer) => {
      res.writeHead(answer.statusCode, { ...answer.headers, date: new Date(Date.now() + shiftMs).toUTCString() });
      answer.pipe(res);
    });
    req.pipe(onward);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEnd(() => new Promise((resolve) => server.close(resolve).closeAllConnections()));
  return `http://127.0.0.1:${server.address().port}`;
}

it('clocks that differ: a warning, and with signatures a failure', async () => {
  const sim = await startSim();
  const SIM_BASE_URL = await withDate(sim, -120_000);
  const { found } = await examine(environment(sim, { SIM_BASE_URL }));
  expect(found.clock).toEqual(['warn', expect.stringMatching(/(119|120|121) s behind/)]);
  const signed = await examine(environment(sim, { SIM_BASE_URL, SIM_SIGNING_SECRET: SIGNING_SECRET }));
  expect(signed.found.clock[0]).toBe('fail');
});

it('the guard: as it should be, with another secret, without one, and missing', async () => {
  const sim = await startSim();
  const guard = await startGuard(sim.port);
  atEnd(() => guard.stop());
  const SIM_BASE_URL = `http://127.0.0.1:${guard.api}`;
  const good = await examine(environment(sim, { SIM_BASE_URL, SIM_SIGNING_SECRET: SIGNING_SECRET }));
  expect(good.found.guard[0]).toBe('ok');
  expect(good.ok).toBe(true);
  const other = await examine(environment(sim, { SIM_BASE_URL, SIM_SIGNING_SECRET: 'x'.repeat(40) }));
  expect(other.found.guard).toEqual(['fail', expect.stringContaining('unknown_key')]);
  const none = await examine(environment(sim, { SIM_BASE_URL }));
  expect(none.found.guard).toEqual(['fail', expect.stringContaining('Set SIM_SIGNING_SECRET')]);
  const beside = await examine(environment(sim, { SIM_SIGNING_SECRET: SIGNING_SECRET }));
  expect(beside.found.guard).toEqual(['warn', expect.stringContaining('docs/guard.md')]);
});

it('through an outgoing proxy only the adapter as a whole is looked at', async () => {
  const sim = await startSim();
  const proxy = http.createServer((req, res) => {
    req.pipe(
      http.request(req.url, { method: req.method, headers: req.headers }, (answer) => {
        res.writeHead(answer.statusCode, answer.headers);
        answer.pipe(res);
      }),
    );
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  atEnd(() => new Promise((resolve) => proxy.close(resolve).closeAllConnections()));
  const PROXY = `http://127.0.0.1:${proxy.address().port}`;
  const { ok, found } = await examine(environment(sim, { PROXY }));
  expect(ok).toBe(true);
  expect(found.key).toEqual(['skip', expect.stringContaining('PROXY')]);
  expect((await examine(environment(sim, { PROXY, NO_PROXY: '127.0.0.1' }))).found.key[0]).toBe('ok');
});

it('usage: both commands are named, and a word that is none ends with 2', async () => {
  const help = await command(['--help'], {});
  expect(help.code).toBe(0);
  expect(help.output).toContain('sim-adapter guard');
  expect(help.output).toContain('sim-adapter doctor');
  expect((await command(['doctor', '--help'], {})).output).not.toContain('sim-adapter guard --');
  for (const args of [['nurse'], ['toString'], ['doctor', '--jsn']]) {
    const { code, errors } = await command(args, {});
    expect(code).toBe(2);
    expect(errors).toContain('Usage: sim-adapter');
  }
});
