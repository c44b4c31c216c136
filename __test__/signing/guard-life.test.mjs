// `sim-adapter guard` as a process: how it starts, stops, and behaves while Sim is away.

import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import { fileURLToPath } from 'node:url';

import { afterEach, expect, test } from 'vitest';

import { reasonOf, SECRET, send, sendSigned, serve, startGuard } from './support.mjs';

const COMMAND = fileURLToPath(new URL('../../bin/sim-adapter.js', import.meta.url));
const UPSTREAM = ['--upstream', 'http://127.0.0.1:1'];

const running = [];
afterEach(async () => {
  for (const each of running.splice(0)) await each.stop();
});
const keep = (each) => {
  running.push(each);
  return each;
};

function run(args, secret = SECRET) {
  const env = { PATH: process.env.PATH, ...(secret === null ? {} : { SIM_SIGNING_SECRET: secret }) };
  return spawnSync(process.execPath, [COMMAND, ...args], { env, encoding: 'utf8', timeout: 10_000 });
}

test('while Sim is away both listeners answer 502, and pass again when it is back', async () => {
  const first = await serve((_request, response) => response.end('sim'));
  const { port } = first;
  const guard = keep(await startGuard(port));
  await first.stop();
  for (const answer of [
    await sendSigned({ port: guard.api, target: '/x', body: 'abc' }),
    await send({ port: guard.editor, target: '/x', body: 'abc' }),
  ]) {
    expect([answer.status, reasonOf(answer)]).toEqual([502, 'upstream_unreachable']);
    expect(answer.text).not.toContain(String(port));
  }
  const upgrade = http.get({
    host: '127.0.0.1',
    port: guard.editor,
    agent: false,
    headers: { connection: 'Upgrade', upgrade: 'websocket' },
  });
  const [declined] = await once(upgrade, 'response');
  declined.resume();
  expect(declined.statusCode).toBe(502);

  const back = http.createServer((_request, response) => response.end('back')).listen(port, '127.0.0.1');
  keep({
    stop: () =>
      new Promise((resolve) => {
        back.close(resolve);
        back.closeAllConnections();
      }),
  });
  await once(back, 'listening');
  expect((await send({ port: guard.editor, target: '/x' })).text).toBe('back');
});

test('a Sim that stays silent is a 504', async () => {
  const sim = keep(await serve(() => {}));
  const guard = keep(await startGuard(sim.port, '--upstream-timeout-seconds', '1'));
  const answer = await sendSigned({ port: guard.api, target: '/x' });
  expect([answer.status, reasonOf(answer)]).toEqual([504, 'upstream_timeout']);
});

test('a signature older than the command allows is refused', async () => {
  const sim = keep(await serve((_request, response) => response.end('sim')));
  const guard = keep(await startGuard(sim.port, '--max-age-seconds', '1', '--max-body-bytes', '3'));
  expect((await sendSigned({ port: guard.api, target: '/x', body: 'abc' })).status).toBe(200);
  expect((await sendSigned({ port: guard.api, target: '/x', body: 'abcd' })).status).toBe(413);
});

test.each(['SIGTERM', 'SIGINT'])('%s lets a request end, takes no other, and exits with 0', async (signal) => {
  const held = [];
  let arrived;
  const sim = keep(
    await serve((_request, response) => {
      held.push(response);
      arrived();
    }),
  );
  const guard = keep(await startGuard(sim.port));
  const there = new Promise((resolve) => {
    arrived = resolve;
  });
  const answer = sendSigned({ port: guard.api, target: '/x' });
  await there;
  guard.child.kill(signal);
  // Listeners close at once; a refused connection is how it shows.
  const refused = async () => {
    for (;;) {
      const error = await send({ port: guard.editor, method: 'GET', target: '/api/v1' }).then(
        () => null,
        (failure) => failure,
      );
      if (error) return error.code;
    }
  };
  expect(await refused()).toMatch(/ECONNREFUSED|ECONNRESET/);
  held[0].end('done');
  expect((await answer).text).toBe('done');
  expect(guard.child.exitCode ?? (await once(guard.child, 'exit'))[0]).toBe(0);
});

test('an open WebSocket does not keep it from ending', async () => {
  const sim = keep(await serve(() => {}));
  sim.server.on('upgrade', (_request, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    socket.pipe(socket);
  });
  const guard = keep(await startGuard(sim.port));
  const headers = { connection: 'Upgrade', upgrade: 'websocket' };
  const request = http.get({ host: '127.0.0.1', port: guard.editor, agent: false, headers });
  const [, socket] = await once(request, 'upgrade');
  const ended = once(socket.resume(), 'close');
  expect(await guard.stop()).toBe(0);
  await ended;
});

test.each([
  ['no upstream', ['guard']],
  ['an upstream with a path', ['guard', '--upstream', 'http://sim/base']],
  ['an upstream with credentials', ['guard', '--upstream', 'http://a:upstream-secret@sim']],
  ['a realtime server with credentials', ['guard', ...UPSTREAM, '--realtime', 'http://a:upstream-secret@rt']],
  ['another protocol', ['guard', '--upstream', 'ftp://sim']],
  ['a port that is none', ['guard', ...UPSTREAM, '--api-port', '65536']],
  ['a number that is none', ['guard', ...UPSTREAM, '--max-age-seconds', '1e3']],
  ['an option that is none', ['guard', ...UPSTREAM, '--secret', 'x']],
  ['a command that is none', ['serve']],
])('%s: usage, and exit code 2', (_, args) => {
  const { status, stderr } = run(args);
  expect(status).toBe(2);
  expect(stderr).toContain('Usage: sim-adapter guard');
  expect(stderr).not.toContain('upstream-secret');
});

test.each([
  ['missing', null],
  ['short', 'short-secret'],
  ['short in second place', `${SECRET},short-secret`],
])('a secret that is %s: exit code 2, and it is not shown', (_, secret) => {
  const { status, stderr } = run(['guard', ...UPSTREAM], secret);
  expect(status).toBe(2);
  expect(stderr).toContain('SIM_SIGNING_SECRET');
  expect(stderr).not.toContain('short-secret');
});

test('a port that is taken: exit code 1', async () => {
  const taken = keep(await serve(() => {}));
  const { status, stderr } = run([
    'guard',
    ...UPSTREAM,
    '--host',
    '127.0.0.1',
    '--api-port',
    '0',
    '--editor-port',
    String(taken.port),
  ]);
  expect(status).toBe(1);
  expect(stderr).toContain('EADDRINUSE');
});

test('--help tells the options', () => {
  const { status, stdout } = run(['--help']);
  expect([status, stdout.includes('--upstream URL')]).toEqual([0, true]);
});
