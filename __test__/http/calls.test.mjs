// Numbers of calls: one is of one call only, and a late word about another finds nobody.

import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';

const require = createRequire(import.meta.url);
const { Bridge } = require('../../express/bridge.js');
const { Calls } = require('../../express/calls.js');

describe('calls under way', () => {
  it('are found by their numbers until they are taken', () => {
    const calls = new Calls();
    const [first, second] = [calls.add('first'), calls.add('second')];
    expect([calls.get(first), calls.get(second), calls.size]).toEqual(['first', 'second', 2]);
    expect(calls.take(first)).toBe('first');
    expect([calls.take(first), calls.get(first), calls.get(second), calls.size]).toEqual([
      undefined,
      undefined,
      'second',
      1,
    ]);
  });

  it('never answer to the number of a call that had the same place before', () => {
    const calls = new Calls();
    const past = new Set();
    for (let round = 0; round < 1000; round++) {
      const number = calls.add(round);
      expect(past.has(number)).toBe(false);
      expect([...past].filter((earlier) => calls.get(earlier) !== undefined)).toEqual([]);
      expect(calls.take(number)).toBe(round);
      past.add(number);
    }
  });

  it('have numbers of 31 bits, however long they go on', () => {
    const calls = new Calls();
    const other = calls.add('stays');
    let highest = 0;
    for (let round = 0; round < 10_000; round++) {
      const number = calls.add(round);
      highest = Math.max(highest, number);
      expect(number).not.toBe(other);
      calls.take(number);
    }
    expect(highest).toBeGreaterThan(2 ** 30);
    expect(highest).toBeLessThan(2 ** 31);
    expect(calls.get(other)).toBe('stays');
  });
});

describe('a call that has ended', () => {
  it('is not another one, even when its number comes again', async () => {
    const bridge = new Bridge({
      baseUrl: 'http://127.0.0.1:9',
      apiKey: 'k',
      apiVersion: 'v2',
      signingSecret: 's'.repeat(32),
    });
    const call = (url) => {
      let ends;
      const end = new Promise((resolve) => {
        ends = resolve;
      });
      const sink = { answer: (status) => ends(status), abandoned: () => ends('abandoned') };
      return { call: bridge.submit({ method: 'GET', url, mount: '', host: true }, undefined, sink), end };
    };
    const first = call('/flows');
    bridge.cancel(first.call);
    expect(await first.end).toBe('abandoned');
    let second = call('/flows');
    for (let round = 0; second.call.number !== first.call.number; round++) {
      expect(round).toBeLessThan(5000);
      bridge.cancel(second.call);
      second = call('/flows');
    }
    bridge.cancel(first.call);
    expect(await second.end).toBe(503);
    await bridge.close(100);
  });
});
