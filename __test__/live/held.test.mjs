// What the process holds of a streamed run whose client has stopped reading: exactly, as what it took from its connection
// to Sim less what it gave to the client's. What the kernel keeps of either connection is in /proc/net/tcp.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { describe, expect, it } from 'vitest';
import { atEnd, startAdapter, startHost } from '../http/support.mjs';
import { begin, frame, playSim } from './support.mjs';

const KIB = 1024;
const MIB = 1024 * KIB;

/** What is counted, on either side: nothing else on the wire has this character. */
const MARK = '~';
const MARKS = 5000;

/** Bytes that left the port `from` and that its peer, the port `to`, has not read. */
function inKernel(from, to) {
  const port = (address) => Number.parseInt(address.split(':')[1], 16);
  let bytes = 0;
  for (const line of readFileSync('/proc/net/tcp', 'utf8').split('\n').slice(1, -1)) {
    const [, local, peer, , queues] = line.trim().split(/\s+/);
    const [sending, receiving] = queues.split(':').map((hex) => Number.parseInt(hex, 16));
    if (port(local) === from && port(peer) === to) bytes += sending;
    if (port(local) === to && port(peer) === from) bytes += receiving;
  }
  return bytes;
}

/** A Sim that sends one event after another for ever, each when `next` says so; `taken()` is how many marks were read. */
async function startTalk(next) {
  const talk = {};
  const sim = await playSim({
    async execute(_req, res) {
      const { socket } = res;
      begin(res).flushHeaders();
      const before = socket.bytesWritten;
      let size;
      const left = () => inKernel(socket.localPort, socket.remotePort);
      talk.taken = () => {
        const wire = socket.bytesWritten - socket.writableLength - before - left();
        return Math.floor(wire / size) * MARKS;
      };
      while (!res.destroyed) {
        await new Promise((resolve) => res.write(frame({ blockId: 'b', chunk: MARK.repeat(MARKS) }), resolve));
        size ??= socket.bytesWritten - before;
        await next(left, () => res.destroyed);
      }
    },
  });
  return Object.assign(talk, { sim });
}

/** A client that starts a streamed run and reads only what it is told to. */
async function connect(host) {
  const socket = net.connect(host.port, '127.0.0.1');
  atEnd(() => socket.destroy());
  await once(socket, 'connect');
  const body = '{"mode":"stream"}';
  const head = ['Host: sim', 'X-Test-User: ann', 'Content-Type: application/json', `Content-Length: ${body.length}`];
  socket.write([`POST ${host.mount}/flows/f/run HTTP/1.1`, ...head, '', body].join('\r\n'));
  let [bytes, marks] = [0, 0];
  /** Reads until so many bytes have come in all, and no more; gives the marks among them. */
  async function read(total) {
    while (bytes < total) {
      const piece = socket.read();
      if (piece === null) {
        await once(socket, 'readable');
        continue;
      }
      const mine = piece.subarray(0, total - bytes);
      if (mine.length < piece.length) socket.unshift(piece.subarray(mine.length));
      bytes += mine.length;
      marks += mine.toString('latin1').split(MARK).length - 1;
    }
    return marks;
  }
  /** All bytes that the host has given away for this client, read or not. */
  const given = () => socket.bytesRead + inKernel(host.port, socket.localPort);
  return { read, given, readMore: (more) => read(bytes + more) };
}

/** Resolves when nothing has moved for a while. */
async function standstill(...counts) {
  let before = '';
  const same = () => {
    const now = counts.map((count) => count()).join();
    const still = now === before;
    before = now;
    return still;
  };
  await expect.poll(same, { interval: 300, timeout: 90_000 }).toBe(true);
}

/** What is held when the client stops at once, and when it stops again after so much more was read. */
async function held(talk, more) {
  const client = await connect(await startHost(startAdapter(talk.sim)));
  const figures = [];
  for (const length of [1, more]) {
    await client.readMore(length);
    await standstill(talk.taken, client.given);
    const taken = talk.taken();
    figures.push((taken - (await client.read(client.given()))) / KIB);
  }
  console.log(`held: ${figures.map((kib) => `${kib.toFixed(0)} KiB`).join(', ')}`);
  return Math.max(...figures);
}

// Other systems do not tell what a connection's buffers hold.
describe.runIf(process.platform === 'linux')('of a streamed run that is not read the process holds', () => {
  it('at most 256 KiB when events come one by one, as tokens do', async () => {
    /** The next one is sent when this one was taken. */
    const oneByOne = async (left, over) => {
      while (left() > 0 && !over()) await new Promise((resolve) => setTimeout(resolve, 1));
    };
    expect(await held(await startTalk(oneByOne), MIB)).toBeLessThanOrEqual(256);
  }, 180_000);

  it('at most 256 KiB when Sim is faster than the client', async () => {
    expect(await held(await startTalk(async () => {}), 16 * MIB)).toBeLessThanOrEqual(256);
  }, 60_000);
});
