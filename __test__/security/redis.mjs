// A real redis-server for the tests, with a password, on a port of its own. It keeps nothing on disk.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';

import { atEnd } from '../http/support.mjs';

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** How many keys Redis holds. */
async function countKeys(port, password) {
  const socket = connect(port, '127.0.0.1');
  socket.end(`AUTH ${password}\r\nDBSIZE\r\nQUIT\r\n`);
  let text = '';
  for await (const chunk of socket.setEncoding('utf8')) text += chunk;
  return Number(/:(\d+)/.exec(text)[1]);
}

/** `{uri, start(), stop(), countKeys()}`; it is started already. `stop` ends it as a crash would. */
export async function startRedis(password) {
  const port = await freePort();
  let child;
  const start = async () => {
    const settings = [
      '--port',
      port,
      '--bind',
      '127.0.0.1',
      '--requirepass',
      password,
      '--save',
      '',
      '--appendonly',
      'no',
    ];
    child = spawn('redis-server', settings.map(String), { stdio: ['ignore', 'pipe', 'inherit'] });
    let log = '';
    for await (const text of child.stdout.setEncoding('utf8')) {
      log += text;
      if (log.includes('Ready to accept connections')) break;
    }
    if (!log.includes('Ready to accept connections')) throw new Error(`redis-server did not start:\n${log}`);
    child.stdout.resume();
  };
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  };
  await start();
  atEnd(stop);
  return { uri: `redis://:${password}@127.0.0.1:${port}`, start, stop, countKeys: () => countKeys(port, password) };
}
