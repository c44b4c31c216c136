// How a request crosses the border: whole, whatever its length, and never mixed with another.

import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';

const { Inbox } = createRequire(import.meta.url)('../../express/inbox.js');

const HEAD = { method: 'POST', url: '/flows/a/run', mount: '/api/sim' };

/** What the addon would see. */
function put(inbox, head, body, during = () => {}) {
  return inbox.put(head, body, (packed, headLength, bodyLength, apart) => {
    during();
    const text = (from, to) => packed.toString('utf8', from, to);
    return {
      head: text(0, headLength),
      body: apart === undefined ? text(headLength, headLength + bodyLength) : Buffer.from(apart).toString(),
      room: packed.length - headLength - bodyLength,
      apart: apart !== undefined,
    };
  });
}

describe('the inbox', () => {
  it('writes a line for each field that is there', () => {
    const { head, body } = put(new Inbox(), { ...HEAD, user: 'ä\nb', tenant: '', role: null }, undefined);
    expect(head).toBe('MPOST\nU/flows/a/run\nB/api/sim\nuä\0b\nt\n');
    expect(body).toBe('');
  });

  it.each([
    ['text', 'ü'.repeat(8192), false],
    ['bytes', Buffer.from('x'.repeat(8192)), false],
    ['long text', 'ü'.repeat(8193), true],
    ['many bytes', new Uint8Array(100_000).fill(65), true],
  ])('takes a body of %s whole, and leaves room for an answer', (_name, body, apart) => {
    const seen = put(new Inbox(), { ...HEAD, user: '€'.repeat(2000) }, body);
    expect(seen.body).toBe(Buffer.from(body).toString());
    expect(seen.apart).toBe(apart);
    expect(seen.room).toBeGreaterThan(8 * 1024);
  });

  it('takes a head that is longer than its room', () => {
    const seen = put(new Inbox(), { ...HEAD, url: `/${'€'.repeat(100_000)}` }, 'body');
    expect(seen.head).toBe(`MPOST\nU/${'€'.repeat(100_000)}\nB/api/sim\n`);
    expect(seen.body).toBe('body');
    expect(seen.room).toBeGreaterThan(8 * 1024);
  });

  it('keeps apart a request that comes in the middle of another, also where one of them fails', () => {
    const inbox = new Inbox();
    let inner;
    const outer = put(inbox, HEAD, 'outer', () => {
      inner = put(inbox, { ...HEAD, url: '/inner' }, 'inner');
      expect(() =>
        put(inbox, HEAD, 'x', () => {
          throw new Error('failed');
        }),
      ).toThrow('failed');
    });
    expect([outer.body, inner.body, inner.head]).toEqual(['outer', 'inner', 'MPOST\nU/inner\nB/api/sim\n']);
    expect(put(inbox, HEAD, 'next').body).toBe('next');
  });
});
