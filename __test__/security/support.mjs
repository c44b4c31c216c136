// What the security tests share beside the router's: tenants, a look at what reached Sim, a Sim behind the guard, and
// adapters in processes of their own. It must not know what any single test is about.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer, request as httpRequest } from 'node:http';
import { pipeline } from 'node:stream';
import express from 'express';
import { expect } from 'vitest';

import { signatureGuard } from '../../express/guard.js';
import { atEnd, startAdapter, startHost, startSim, call as to } from '../http/support.mjs';

export * from '../http/support.mjs';

/** Puts the user whom `x-test-user` named into the tenant of `x-test-tenant`, as LibreChat's `req.user` has it. */
function tenants(req, _res, next) {
  if (req.user && req.headers['x-test-tenant']) req.user.tenantId = req.headers['x-test-tenant'];
  next();
}

/** Sim, adapter and a host that knows tenants. */
export async function startAll(names, { sim: simOptions, adapter: adapterOptions } = {}) {
  const sim = await startSim(names, simOptions);
  return { sim, ...(await startInstance(sim, adapterOptions)) };
}

/** One more instance of the adapter, with its own host, for a Sim that is there. */
export async function startInstance(sim, options) {
  const adapter = startAdapter(sim, options);
  const host = await startHost(adapter, { before: [tenants, express.json({ limit: '4mb' })] });
  return { adapter, host, call: (...args) => to(host, ...args) };
}

/** Does `work`, and fails when a request reached Sim meanwhile. */
export async function withoutSim(sim, work) {
  const before = sim.requests.length;
  const result = await work();
  expect(sim.requests.slice(before).map(({ method, path }) => `${method} ${path}`)).toEqual([]);
  return result;
}

/** The user that a request to Sim was made for: `[tenant, user]`, or `-` for the adapter's own calls. */
export function simUser({ headers }) {
  const text = headers['x-sim-user'];
  return text === '-' ? text : Buffer.from(text, 'base64url').toString().split('\0');
}

/** An unlikely number each time, the same sequence for the same seed (an LCG, Numerical Recipes). */
export function randomFrom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/**
 * The package's own guard in front of `sim`: only signed requests get through. `seen` has who signed each of them and
 * its nonce, `refused` the reason for each that was not let in.
 */
export async function startGuard(sim, secrets) {
  const [seen, refused] = [[], []];
  const guard = signatureGuard({ secrets });
  const forward = (req, res) => {
    const { method, url: path, rawHeaders: headers, rawBody, signedBy } = req;
    seen.push({ method, path, signedBy, nonce: /nonce="([^"]+)"/.exec(req.headers['signature-input'])[1] });
    const upstream = httpRequest({ host: '127.0.0.1', port: sim.port, method, path, headers });
    upstream.on('response', (answer) => {
      res.writeHead(answer.statusCode, answer.rawHeaders);
      pipeline(answer, res, () => {});
    });
    upstream.on('error', () => res.socket?.resetAndDestroy());
    upstream.end(rawBody);
  };
  const app = express().use((req, res, next) => {
    res.on('finish', () => {
      if (req.signedBy === undefined) refused.push(`${req.method} ${req.url}`);
    });
    guard(req, res, next);
  }, forward);
  const server = createServer(app).listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEnd(() => new Promise((resolve) => server.close(resolve).closeAllConnections()));
  return { url: `http://127.0.0.1:${server.address().port}`, seen, refused };
}

/**
 * An adapter with its router in a process of its own; it has no other settings than `env`.
 * @returns its `port` and `url`, what it wrote so far (`output()`), its log lines (`logs`), and `exit()`
 */
export async function startProcess(env, options = {}) {
  const child = fork(new URL('instance.mjs', import.meta.url), {
    env: { PATH: process.env.PATH, ...env, TEST_OPTIONS: JSON.stringify(options) },
    silent: true,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text));
  const logs = [];
  const exited = once(child, 'exit');
  child.on('message', ({ log }) => log && logs.push(log));
  atEnd(async () => {
    if (child.exitCode === null) child.kill();
    await exited;
  });
  const [{ port }] = await Promise.race([once(child, 'message'), exited.then(() => [{ port: null }])]);
  const host = { port, mount: '/api/sim', url: `http://127.0.0.1:${port}/api/sim` };
  return {
    port,
    url: host.url,
    logs,
    output: () => output,
    exited,
    call: (...args) => to(host, ...args),
    /** SIGKILL: no farewell. */
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
    /** Lets it end by itself, once nothing keeps it. */
    end: () => child.send('end'),
    /** Resolves when all that it has logged so far has come. */
    async settled() {
      child.send('ping');
      for (;;) {
        const [{ pong }] = await once(child, 'message');
        if (pong) return;
      }
    },
    logged: (event) =>
      new Promise((resolve) => {
        const check = () => logs.some((line) => line.event === event) && resolve();
        child.on('message', check);
        check();
      }),
  };
}
