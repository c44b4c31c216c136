// Clients that read nothing of a large answer: what they do not take stays in Sim.

import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { expect, it } from 'vitest';
import { leastOf, standstill, startProcess } from './resident.mjs';
import { atEnd } from './support.mjs';

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

it('a large answer that nobody reads holds at most 1 MiB in the process', async () => {
  const { asked, sent, ...sim } = await startSim();
  const resident = startProcess(new URL('unread.mjs', import.meta.url), sim);
  const port = await resident({ port: true });

  /** What is resident once so many more clients have asked, and nothing moves any more. */
  async function withMore(count) {
    const until = asked() + count;
    for (let i = 0; i < count; i += 1) {
      const client = net.connect(port, '127.0.0.1').on('error', () => {});
      atEnd(() => client.destroy());
      client.pause().write(ASK);
    }
    await expect.poll(asked, { timeout: 15_000 }).toBe(until);
    await standstill(sent);
    return leastOf(resident);
  }
  // The first ones pay for what all of them use.
  const before = await withMore(20);
  const after = await withMore(100);
  console.log(`a large answer that is not read: ${((after - before) / 100 / MIB).toFixed(2)} MiB`);
  expect((after - before) / 100).toBeLessThan(MIB);
}, 60_000);
