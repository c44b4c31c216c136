// The event stream reader reads what the standard allows, in whatever pieces it arrives.

import { expect, test } from 'vitest';

import { EventParser, readEvents, SilenceError } from '../../client/sse.js';
import { all } from './support.mjs';

const parse = (...pieces) => {
  const parser = new EventParser();
  return pieces.flatMap((piece) => parser.push(piece));
};

test.each([
  ['line feeds', '\n'],
  ['carriage returns', '\r'],
  ['both', '\r\n'],
])('lines end in %s, cut anywhere', (_name, end) => {
  const text = ['id: 7', 'event: chunk', 'data: {"a":', 'data: 1}', '', ': heartbeat', 'data:b', '', ''].join(end);
  const expected = [
    { event: 'chunk', data: '{"a":\n1}', id: '7' },
    { event: 'message', data: 'b', id: '7' },
  ];
  for (let at = 0; at <= text.length; at += 1) expect(parse(text.slice(0, at), text.slice(at))).toEqual(expected);
  expect(parse(...text)).toEqual(expected);
});

test('what has no data is no event, and an event that is not complete is none yet', () => {
  expect(parse('event: status\n\nid: 3\n\ndata: x\n')).toEqual([]);
});

test('an id with a NUL is ignored, a field without a colon is empty', () => {
  expect(parse('id: 1\ndata: a\n\nid: \0\ndata\n\n')).toEqual([
    { event: 'message', data: 'a', id: '1' },
    { event: 'message', data: '', id: '1' },
  ]);
});

const bytes = (...pieces) =>
  new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(Uint8Array.from(piece));
      controller.close();
    },
  });

test('a character that arrives in two pieces is one character', async () => {
  const text = [...new TextEncoder().encode('data: Grüße 🦦\n\n')];
  for (let at = 0; at <= text.length; at += 1) {
    const [event] = await all(readEvents(bytes(text.slice(0, at), text.slice(at)), 5000));
    expect(event.data).toBe('Grüße 🦦');
  }
});

test('a stream that falls silent is given up, and closed', async () => {
  let closed;
  const cancelled = new Promise((resolve) => {
    closed = resolve;
  });
  await expect(all(readEvents(new ReadableStream({ cancel: closed }), 5))).rejects.toThrow(SilenceError);
  await cancelled;
});
