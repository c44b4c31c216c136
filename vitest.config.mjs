// Where the tests are and how long one may take. Each file runs in a process of its own: the addon reads the
// environment and keeps state per process.

import os from 'node:os';

import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['__test__/**/*.test.{mjs,ts}'],
    pool: 'forks',
    // Files wait more than they work: two at a time also on two cores.
    maxWorkers: Math.max(2, os.availableParallelism() - 1),
    testTimeout: 20_000,
    hookTimeout: 30_000,
    // The default of 1 s is less than a busy machine may take. Where something has to come soon, its test says how soon.
    expect: { poll: { timeout: 5000 } },
  },
});
