// Counts of instructions, held against earlier ones.

import { expect, it } from 'vitest';

import { collected, compare } from '../scripts/counts.mjs';
import { StepError } from '../scripts/steps.mjs';

const counted = (counts, rustc = '1.95.0') => ({ rustc, target: 'x86_64-unknown-linux-gnu', counts });

it('a work that takes more than a twentieth more is found', () => {
  expect(compare(counted({ sign: 1000, mint: 500 }), counted({ sign: 1060, mint: 520 })).faults).toEqual([
    'sign takes 1060 instructions, was 1000',
  ]);
});

it('a work that takes less passes, with a hint to write that down', () => {
  const { faults, hints } = compare(counted({ sign: 1000 }), counted({ sign: 800 }));
  expect(faults).toEqual([]);
  expect(hints).toEqual([expect.stringContaining('write the counts anew')]);
});

it('a work that is new, or gone, is none that passes', () => {
  const { faults } = compare(counted({ sign: 1, mint: 1 }), counted({ sign: 1, open: 1 }));
  expect(faults).toEqual([expect.stringContaining('mint is gone'), expect.stringContaining('open is new')]);
});

it('with another compiler the double is found still, and it says what to do', () => {
  const { faults, hints } = compare(counted({ sign: 1000, mint: 500 }), counted({ sign: 2000, mint: 700 }, '1.96.0'));
  expect(faults).toEqual(['sign takes 2000 instructions, was 1000']);
  expect(hints).toEqual([expect.stringContaining('rustc 1.95.0')]);
});

it('what valgrind counted is read, and another form of it is named as such', () => {
  expect(collected('==12== Events    : Ir\n==12== Collected : 41256\n')).toBe(41256);
  expect(() => collected('==12== I refs: 41,256\n')).toThrow(StepError);
  expect(() => collected('==12== I refs: 41,256\n')).toThrow('I refs: 41,256');
});
