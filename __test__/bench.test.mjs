// The benchmark compares like with like: every peer answers as the package does and signs what it sends to Sim.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { checkAnswers } from '../bench/harness/answers.mjs';
import { measure } from '../bench/harness/measure.mjs';
import { startUpstream } from '../bench/harness/processes.mjs';
import { isClear, judge, median } from '../bench/harness/report.mjs';
import { SCENARIOS } from '../bench/harness/scenarios.mjs';
import { measureStreams } from '../bench/harness/streams.mjs';

describe('the benchmark', () => {
  let upstream;
  beforeAll(async () => {
    upstream = await startUpstream();
  });
  afterAll(() => upstream?.end());

  it('measures peers that all do the same work', async () => {
    expect(await checkAnswers(SCENARIOS, upstream.url)).toEqual([]);
  }, 60_000);
});

describe('the times of streamed runs', () => {
  it.each(['sim-adapter', 'best-js'])('are measured for %s', async (name) => {
    const bars = await measureStreams({ warmMs: 0, sliceMs: 60, rounds: 2, instances: 1 }, name);
    expect(bars).toHaveLength(6);
    for (const { text, value } of bars) expect([text, Number.isFinite(value)]).toEqual([text, true]);
  });
});

describe('a row', () => {
  const pace = { rounds: 1, instances: 1, passes: 3 };
  /** How often it is asked whether the figures are clear, where that is always the answer. */
  async function asked(clear) {
    let times = 0;
    await measure({ ...SCENARIOS[0], peers: [] }, '', pace, () => {
      times += 1;
      return clear;
    });
    return times;
  }

  it('is measured until its bars are clear, and three times at the most', async () => {
    expect(await asked(true)).toBe(1);
    expect(await asked(false)).toBe(2);
  });
});

describe('a bar', () => {
  const figures = {
    'sim-adapter': [{ rate: 30 }, { rate: 28 }],
    slow: [{ rate: 10 }, { rate: 10 }],
    fast: [{ rate: 20 }, { rate: 20 }],
  };
  const scenario = (bar) => ({ name: 'some', bars: [{ metric: 'rate', ...bar }] });

  it('compares with the best of its peers', () => {
    const [bar] = judge(scenario({ against: ['slow', 'fast'], least: 1.4, stretch: 1.5 }), figures);
    expect(bar).toMatchObject({ value: median([1.5, 1.4]), met: true, stretched: false });
  });

  it('is missed by what is above the most that it allows', () => {
    expect(judge(scenario({ most: 28.9 }), figures)).toMatchObject([{ value: 29, met: false }]);
  });

  const own = (...rates) => ({ 'sim-adapter': rates.map((rate) => ({ rate })) });
  const eight = Array(8).fill(2);

  it('is clearly met or missed where hardly a round says otherwise', () => {
    expect(isClear(scenario({ least: 1 }), own(...eight, 0.5))).toBe(true);
    expect(isClear(scenario({ most: 1 }), own(...eight, 0.5))).toBe(true);
    expect(isClear(scenario({ least: 1 }), own(...eight, 0.5, 0.5))).toBe(false);
    expect(isClear(scenario({ least: 1 }), own(2, 2, 2))).toBe(false);
  });

  it('leaves a row open until all of them are clear; without any it is', () => {
    const bars = [1, 1.5].map((least) => ({ metric: 'rate', least }));
    const figures = own(1, 1, 1, 1, 2, 2, 2, 2);
    expect(isClear({ bars }, figures)).toBe(false);
    expect(isClear({ bars: bars.slice(0, 1) }, figures)).toBe(true);
    expect(isClear({ bars: [] }, figures)).toBe(true);
  });

  it('is clearly met beside all of its peers, or clearly missed beside one', () => {
    const beside = (faster) => ({
      ...own(...eight),
      slow: own(...eight)['sim-adapter'],
      fast: own(...faster)['sim-adapter'],
    });
    const both = scenario({ against: ['slow', 'fast'], least: 1 });
    expect(isClear(both, beside(eight))).toBe(true);
    expect(isClear(both, beside(Array(8).fill(3)))).toBe(true);
    expect(isClear(both, beside([3, 3, 3, 3, 2, 2, 2, 2]))).toBe(false);
  });
});
