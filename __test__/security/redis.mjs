// A real redis-server of a test's own: a free port, no file kept. It must not know what is stored.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { promisify } from 'node:util';

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** How many keys Redis holds. */
async function countKeys(port, password) {
  const socket = connect(port, '127.0.0.1');
  socket.end(`${password ? `AUTH ${password}\r\n` : ''}DBSIZE\r\nQUIT\r\n`);
  let text = '';
  for await (const chunk of socket.setEncoding('utf8')) text += chunk;
  return Number(/:(\d+)/.exec(text)[1]);
}

/** One command through redis-cli, which comes with redis-server; the answer as it prints it. */
async function command(port, password, words) {
  const env = { PATH: process.env.PATH, ...(password && { REDISCLI_AUTH: password }) };
  const { stdout } = await promisify(execFile)('redis-cli', ['-p', String(port), ...words], { env });
  return stdout.trim();
}

/**
 * Starts one, and resolves when it takes connections. `stop(signal?)` resolves when it has ended; `command(...words)`
 * with the text of the answer. `more` are further arguments of redis-server.
 * @param {{ port?: number, password?: string, more?: string[] }} [options]
 */
export async function startRedis({ port: givenPort, password, more = [] } = {}) {
  const port = givenPort ?? (await freePort());
  const settings = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', ...more];
  const server = spawn('redis-server', password ? [...settings, '--requirepass', password] : settings);
  await new Promise((resolve, reject) => {
    server.once('error', (cause) =>
      reject(new Error('redis-server is not installed (Debian: redis-server)', { cause })),
    );
    server.once('exit', (code) => reject(new Error(`redis-server ended at once with ${code}`)));
    server.stdout.on('data', (text) => String(text).includes('Ready to accept connections') && resolve());
  });
  const stop = async (signal = 'SIGTERM') => {
    if (server.exitCode !== null || server.signalCode !== null) return;
    server.kill(signal);
    await once(server, 'exit');
  };
  const uri = `redis://${password ? `:${password}@` : ''}127.0.0.1:${port}`;
  const run = (...words) => command(port, password, words);
  return { port, uri, stop, command: run, countKeys: () => countKeys(port, password) };
}
