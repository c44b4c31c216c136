// Readers that are slower than Sim: what they do not take stays in Sim, and nothing of it is lost.

import { EventEmitter, once } from 'node:events';
import http from 'node:http';
import { describe, expect, it } from 'vitest';
import { leastOf, standstill, startProcess } from '../http/resident.mjs';
import { atEnd, startAdapter, startHost } from '../http/support.mjs';
import { begin, FINAL, frame, playSim, runIs } from './support.mjs';

const MIB = 1024 * 1024;
const TOTAL = 64 * MIB;
const TEXT = 'x'.repeat(8000);
const COUNT = Math.ceil(TOTAL / TEXT.length);
/** What the kernel may keep on the two connections of a stream, to Sim and to the client, and some more. */
const BUFFERS = 32 * MIB;

/** A Sim that sends numbered chunks as fast as they are taken; `sent()` is how many bytes were, and `left` resolves when a stream ends. */
async function startFlood() {
  const sockets = new Set();
  const leaving = new EventEmitter();
  const left = once(leaving, 'left');
  const sim = await playSim({
    status: runIs('completed'),
    async execute(_req, res) {
      sockets.add(res.socket);
      res.once('close', () => leaving.emit('left'));
      begin(res);
      for (let i = 0; i < COUNT; i += 1) {
        if (res.destroyed) return;
        if (!res.write(frame({ blockId: String(i), chunk: TEXT }))) await once(res, 'drain').catch(() => {});
      }
      res.end(FINAL);
    },
  });
  const sent = (socket) => socket.bytesWritten - socket.writableLength;
  return { sim, left, sent: () => [...sockets].reduce((sum, socket) => sum + sent(socket), 0) };
}

/** Reads numbered chunks to the end, and counts what came in its place. */
async function inOrder(events) {
  let next = 0;
  for await (const { event, data } of events) {
    if (event === 'final') return [next, data.run.status];
    if (event === 'chunk' && data.blockId === String(next) && data.chunk.length === TEXT.length) next += 1;
  }
  return [next, 'no end'];
}

async function* parse(response) {
  let text = '';
  for await (const piece of response.setEncoding('utf8')) {
    text += piece;
    const blocks = text.split('\n\n');
    text = blocks.pop();
    for (const block of blocks) {
      const [, event, data] = /^event: (.*)\ndata: (.*)$/m.exec(block);
      yield { event, data: JSON.parse(data) };
    }
  }
}

/** A streamed run whose client reads nothing until it is told to. */
async function unread(host, headers = {}) {
  const options = {
    port: host.port,
    host: '127.0.0.1',
    method: 'POST',
    path: '/api/sim/flows/f/run',
    headers: { 'x-test-user': 'ann', 'content-type': 'application/json', ...headers },
  };
  const request = http.request(options).end('{"mode":"stream"}');
  atEnd(() => request.destroy());
  const [response] = await once(request, 'response');
  return response;
}

describe('a reader that stops', () => {
  it('stops Sim and nobody else, and gets all in order when it reads on', async () => {
    const { sim, sent } = await startFlood();
    const host = await startHost(startAdapter(sim));
    const response = await unread(host);
    await standstill(sent);
    expect(sent()).toBeLessThan(BUFFERS);
    expect(await inOrder(parse(await unread(host)))).toEqual([COUNT, 'completed']);
    expect(await inOrder(parse(response))).toEqual([COUNT, 'completed']);
  });

  it('and then goes away ends its run in Sim at once', async () => {
    const { sim, sent, left } = await startFlood();
    const response = await unread(await startHost(startAdapter(sim)));
    await standstill(sent);
    const began = performance.now();
    response.destroy();
    await left;
    expect(performance.now() - began).toBeLessThan(1000);
  });

  it('of the Node API does the same', async () => {
    const { sim, sent } = await startFlood();
    const events = startAdapter(sim).streamRun('f');
    const { value } = await events.next();
    expect(value.event).toBe('run');
    await standstill(sent);
    expect(sent()).toBeLessThan(BUFFERS / 2);
    expect(await inOrder(events)).toEqual([COUNT, 'completed']);
  });
});

describe('a run that its plan ends', () => {
  /** A Sim that talks for as long as it is listened to; `left` resolves when it no longer is. */
  async function startEndless() {
    let status = 'running';
    let leave;
    const left = new Promise((resolve) => {
      leave = resolve;
    });
    const sim = await playSim({
      status: (req, res) => runIs(status)(req, res),
      async execute(_req, res) {
        res.once('close', () => {
          status = 'cancelled';
          leave(performance.now());
        });
        begin(res);
        // Many at a time: whoever takes one finds another there.
        const some = (from) => Array.from({ length: 1000 }, (_, i) => frame({ blockId: String(from + i), chunk: 'x' }));
        for (let i = 0; !res.destroyed; i += 1000) {
          const flowing = res.write(some(i).join(''));
          await (flowing ? new Promise(setImmediate) : Promise.race([once(res, 'drain'), left]));
        }
      },
    });
    return { sim, left };
  }

  const plans = { USER: { maxRunSeconds: 1 } };

  /** The last event; the others must be chunks without a gap. */
  async function lastOf(response) {
    const events = [];
    for await (const event of parse(response)) events.push(event);
    const chunks = events.filter(({ event }) => event === 'chunk');
    expect(chunks.map(({ data }) => Number(data.blockId))).toEqual(chunks.map((_, index) => index));
    return events.at(-1);
  }

  it.each([
    ['does not read', (response, left) => left.then(() => lastOf(response))],
    ['reads all that comes', lastOf],
  ])('holds Sim no longer than that, when its client %s', async (_what, read) => {
    const { sim, left } = await startEndless();
    const response = await unread(await startHost(startAdapter(sim, { plans })));
    const began = performance.now();
    const last = read(response, left);
    expect((await left) - began).toBeLessThan(8000);
    expect(await last).toMatchObject({ event: 'final', data: { run: { status: 'cancelled' } } });
  });
});

describe('each stream that nobody reads holds at most 256 KiB in the process', () => {
  it('of a run that says much', async () => {
    const { sim, sent } = await startFlood();
    const resident = startProcess(new URL('unread.mjs', import.meta.url), sim);
    /** What is resident once so many more are open and nothing moves any more. */
    const withMore = async (open) => {
      await resident({ open });
      await standstill(sent);
      return leastOf(resident);
    };
    // The first ones pay for what all of them use.
    const before = await withMore(100);
    const after = await withMore(400);
    console.log(`a stream that is not read: ${((after - before) / 400 / 1024).toFixed(0)} KiB`);
    expect((after - before) / 400).toBeLessThan(256 * 1024);
  }, 120_000);

  it('of a watched run whose state is large: all share it', async () => {
    let state = runIs('running');
    const sim = await playSim({
      execute: (_req, res) => res.writeHead(202, { 'content-type': 'application/json' }).end('{"data":{"runId":"r"}}'),
      status: (req, res) => state(req, res),
    });
    const resident = startProcess(new URL('unread.mjs', import.meta.url), sim);
    const become = (status, text) => {
      state = runIs(status, { output: { text } });
      return resident({ read: true });
    };
    /** What is resident once so many more, who heard that the run goes on, do not read that it pauses. */
    const withMore = async (open) => {
      await resident({ open, watching: true });
      await become('paused', 'x'.repeat(4 * MIB));
      const bytes = await leastOf(resident);
      await become('running', '');
      return bytes;
    };
    // The first ones pay for what all of them use.
    await withMore(1);
    const before = await withMore(100);
    const after = await withMore(400);
    console.log(`a watcher that does not read: ${((after - before) / 400 / 1024).toFixed(0)} KiB`);
    expect((after - before) / 400).toBeLessThan(256 * 1024);
  }, 60_000);
});

describe('a token that expires while its client reads nothing', () => {
  const token = () => {
    const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
    return `Bearer ${part({ alg: 'HS256' })}.${part({ exp: Math.floor(Date.now() / 1000) + 3 })}.signature`;
  };

  it('lets the run go on, and puts nothing in the middle of an event', async () => {
    let finished;
    const done = new Promise((resolve) => {
      finished = resolve;
    });
    const sim = await playSim({
      status: runIs('completed'),
      execute(_req, res) {
        res.on('finish', finished);
        // More than fits anywhere: it is only taken once the client is out of the way.
        begin(res).end(frame({ blockId: 'b', chunk: 'x'.repeat(15 * MIB) }).repeat(4) + FINAL);
      },
    });
    const host = await startHost(startAdapter(sim));
    const response = await unread(host, { authorization: token() });
    await done;
    let text = '';
    for await (const piece of response.setEncoding('utf8')) text += piece;
    const [run, chunk, ...more] = text.split('\n\n');
    expect(run).toContain('event: run');
    expect(chunk.startsWith('id: 2\nevent: chunk\ndata: {"blockId":"b","chunk":"xxx')).toBe(true);
    expect([/x$/.test(chunk), more]).toEqual([true, []]);
  });
});
