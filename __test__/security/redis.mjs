// A real redis-server of a test's own: a free port, no file kept. It must not know what is stored.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** Starts one, and resolves when it takes connections. `stop(signal?)` resolves when it has ended. */
export async function startRedis(givenPort) {
  const port = givenPort ?? (await freePort());
  const server = spawn('redis-server', ['--port', port, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no']);
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
  return { port, uri: `redis://127.0.0.1:${port}`, stop };
}
