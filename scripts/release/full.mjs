// `npm run test:full`: what takes too long for `npm test` and still can be seen on one Linux machine of x64. Addons for musl and
// for arm64 are built with zig and looked into; one of each kind runs a flow. About half an hour on two cores.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { main, step } from '../steps.mjs';
import { FULL, installPrograms } from '../system.mjs';
import { crossBuild } from './cross.mjs';
import { armFlow, muslFlow, muslProblem } from './elsewhere.mjs';

async function muslFlowIfPossible(addon) {
  const problem = await muslProblem();
  if (problem) console.log(`NOT RUN: ${problem}`);
  else await muslFlow(addon);
}

/** Target → what is done with its addon beside looking into it. */
const TARGETS = {
  'x86_64-unknown-linux-musl': { 'a flow under musl': muslFlowIfPossible },
  'aarch64-unknown-linux-gnu': { 'a flow on arm64, under qemu': armFlow },
  'aarch64-unknown-linux-musl': {},
};

main(async () => {
  await installPrograms(FULL);
  const out = mkdtempSync(path.join(tmpdir(), 'sim-cross-'));
  try {
    for (const [target, tries] of Object.entries(TARGETS)) {
      const addon = await step(target, () => crossBuild(target, out));
      for (const [what, work] of Object.entries(tries)) await step(what, () => work(addon));
    }
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
});
