// The lines for nginx in docs/mount.md, as they stand but for the ports, before a fast lane: nginx's connections for Sim are
// served past Node, each request on them is its own user's, and its client's address is the one that nginx says.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { attachFastLane } from '@sigmacode/sim-adapter';
import { expect, it } from 'vitest';
import { TOKENS, tokenOf } from '../contract/support/doors.mjs';
import { watchRequests } from '../http/lane.mjs';
import { atEnd, optionsFor, startSim } from '../http/support.mjs';

const page = readFileSync(path.join(import.meta.dirname, '../../docs/mount.md'), 'utf8');
const [, LINES] = /```nginx\n([\s\S]*?)```/.exec(page);

/** Resolves when somebody listens at the port. */
async function listening(port) {
  for (;;) {
    const socket = net.connect(port, '127.0.0.1').on('error', () => {});
    const heard = await new Promise((resolve) =>
      socket.on('connect', () => resolve(true)).on('close', () => resolve(false)),
    );
    socket.destroy();
    if (heard) return;
  }
}

async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** nginx with the page's lines, before the server at `port`. */
async function startNginx(port) {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'nginx-'));
  const own = await freePort();
  const lines = LINES.replace('127.0.0.1:3080', `127.0.0.1:${port}`).replace('listen 80;', `listen 127.0.0.1:${own};`);
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${folder}/${name};`,
  );
  const config = path.join(folder, 'nginx.conf');
  const common = `daemon off; master_process off; pid ${folder}/pid; error_log stderr; events {}`;
  writeFileSync(config, `${common}\nhttp {\naccess_log off;\n${paths.join('\n')}\n${lines}}\n`);
  const nginx = spawn('nginx', ['-p', folder, '-e', 'stderr', '-c', config], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  atEnd(async () => {
    const ended = once(nginx, 'exit');
    nginx.kill();
    await ended;
    rmSync(folder, { recursive: true });
  });
  await listening(own);
  return `http://127.0.0.1:${own}/api/sim`;
}

it('serves nginx’s connections past Node, and knows each request’s user and client', async () => {
  const sim = await startSim(['echo', 'wait']);
  const server = http.createServer((_req, res) => res.writeHead(418).end()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEnd(() => new Promise((resolve) => server.close(resolve).closeAllConnections()));
  const seen = watchRequests(server);
  const lane = attachFastLane(server, '/api/sim', { ...optionsFor(sim), ...TOKENS, ipMax: 40, clientIp: 'x-real-ip' });
  atEnd(() => lane.adapter.close({ drainMs: 0 }));
  const url = await startNginx(server.address().port);
  const as = (id) => ({ authorization: `Bearer ${tokenOf({ id })}` });
  /** nginx adds a header of its own: the contract's tests are not for these answers. */
  async function call(method, to, headers) {
    const response = await fetch(url + to, { method, headers });
    return { status: response.status, json: await response.json() };
  }

  const users = ['ann', 'bob', 'cid'];
  const rounds = users.flatMap((user) => Array(4).fill(user));
  const runs = await Promise.all(rounds.map((user) => call('POST', '/flows/echo/run', as(user))));
  for (const [at, { status, json }] of runs.entries()) {
    expect(status).toBe(202);
    const read = (user) => call('GET', `/runs/${json.run.id}/status`, as(user));
    const [own, other] = await Promise.all([read(rounds[at]), read(`not ${rounds[at]}`)]);
    expect([own.status, other.status]).toEqual([200, 404]);
  }

  const stream = await fetch(`${url}/flows/wait/run`, {
    method: 'POST',
    headers: { ...as('ann'), 'content-type': 'application/json' },
    body: '{"mode":"stream"}',
  });
  const { value } = await stream.body.pipeThrough(new TextDecoderStream()).getReader().read();
  expect(value).toMatch(/event: run\n/);

  // What the client says itself of its address counts for nothing.
  const pretends = (n) => call('GET', '/flows', { ...as('dan'), 'x-real-ip': `192.0.2.${n}` });
  const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => pretends(n)));
  // Any of them: which comes first out of nginx is not said.
  expect(answers.map(({ json }) => json.error?.code)).toContain('rate_limited');
  expect(seen).toEqual([]);
});
