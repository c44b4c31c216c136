// Clients that read nothing of a large answer: what they do not take stays in Sim.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { expect, it } from 'vitest';
import { atEnd, optionsFor } from './support.mjs';

const MIB = 1024 * 1024;
const PIECE = Buffer.alloc(64 * 1024, 'x');
const PIECES = 256;
const [HEAD, END] = ['{"data":{"id":"f","text":"', '"}}'];
const BODY = JSON.stringify({ method: 'GET', path: '/api/v2/workflows/f' });
const FIELDS = ['host: sim', 'content-type: application/json', `content-length: ${BODY.length}`];
const ASK = ['POST /api/sim/proxy HTTP/1.1', ...FIELDS, '', BODY].join('\r\n');

/** `sent()` is how many bytes the kernel took of its answers. */
async function startSim() {
  const sockets = [];
  const server = http.createServer(async (req, res) => {
    req.resume();
    sockets.push(req.socket);
    res.writeHead(200, { 'content-type': 'application/json' }).write(HEAD);
    for (let i = 0; i < PIECES && !res.destroyed; i += 1) {
      if (!res.write(PIECE)) await once(res, 'drain').catch(() => {});
    }
    res.end(END);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEnd(() => new Promise((resolve) => server.close(resolve).closeAllConnections()));
  const sent = () => sockets.reduce((sum, socket) => sum + socket.bytesWritten - socket.writableLength, 0);
  return { url: `http://127.0.0.1:${server.address().port}`, apiKey: 'key', asked: () => sockets.length, sent };
}

it('a large answer that nobody reads holds at most 1.5 MiB in the process', async () => {
  const { asked, sent, ...sim } = await startSim();
  const env = { PATH: process.env.PATH, TEST_OPTIONS: JSON.stringify(optionsFor(sim)) };
  const child = fork(new URL('unread.mjs', import.meta.url), { env, execArgv: ['--expose-gc'] });
  atEnd(() => child.kill());
  const [port] = await once(child, 'message');

  /** What is resident once so many more clients have asked, and nothing moves any more. */
  async function withMore(count) {
    const until = asked() + count;
    for (let i = 0; i < count; i += 1) {
      const client = net.connect(port, '127.0.0.1').on('error', () => {});
      atEnd(() => client.destroy());
      client.pause().write(ASK);
    }
    let before = 0;
    const still = () => {
      const same = asked() === until && sent() === before;
      before = sent();
      return same;
    };
    await expect.poll(still, { interval: 300, timeout: 15_000 }).toBe(true);
    child.send('resident');
    return (await once(child, 'message'))[0];
  }
  // The first ones pay for what all of them use.
  const before = await withMore(20);
  const after = await withMore(100);
  console.log(`a large answer that is not read: ${((after - before) / 100 / MIB).toFixed(2)} MiB`);
  expect((after - before) / 100).toBeLessThan(1.5 * MIB);
}, 60_000);
