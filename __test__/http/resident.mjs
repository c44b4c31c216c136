// What processes of their own hold when nothing moves any more, for tests of clients that read nothing.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { expect } from 'vitest';
import { atEnd, optionsFor } from './support.mjs';

const MIB = 1024 * 1024;

/** A process of `module` with the options for `sim`: it answers each message with one of its own. */
export function startProcess(module, sim) {
  const env = { PATH: process.env.PATH, TEST_OPTIONS: JSON.stringify(optionsFor(sim)) };
  const child = fork(module, { env, execArgv: ['--expose-gc'] });
  atEnd(() => child.kill());
  return async (request) => {
    const answer = once(child, 'message');
    child.send(request);
    return (await answer)[0];
  };
}

/** Waits until Sim has sent something, and then nothing more for a while. */
export async function standstill(sent) {
  let before = 0;
  await expect
    .poll(
      () => {
        const still = sent() > MIB && sent() === before;
        before = sent();
        return still;
      },
      { interval: 300, timeout: 60_000 },
    )
    .toBe(true);
}

/** The least that is resident for a while: what was only passing through, the allocators give back in their own time. */
export async function leastOf(resident) {
  const seen = [];
  for (let look = 0; look < 10; look += 1) {
    await new Promise((resolve) => setTimeout(resolve, 150));
    seen.push(await resident({}));
  }
  return Math.min(...seen);
}
