// What takes too long for `npm test` and still can be seen on one Linux machine of x64: addons for musl and for arm64, built
// with zig and looked into, the arm64 one running a flow under qemu, and the consumers on other versions of Node.
// `node scripts/release/full.mjs`, about half an hour on two cores. Needs apt-get's musl, qemu-user-static and, for arm64,
// libc6, libgcc-s1, libstdc++6 and libatomic1 in their -arm64-cross packages.

import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { main, must, root, run, StepError, step } from '../steps.mjs';
import { npm } from './consumer.mjs';
import { crossBuild, zig } from './cross.mjs';
import { addonName } from './platforms.mjs';
import { stage } from './stage.mjs';

const TOOLS = path.join(root, '.build/tools');
const NODES = ['22', '24'];
const ARM = ['qemu-aarch64-static', '-L', '/usr/aarch64-linux-gnu'];

/** A Node of that version and processor, from npm's package of it. */
function nodeProgram(version, cpu) {
  const name = `node-linux-${cpu}`;
  const folder = path.join(TOOLS, `${name}-${version}`);
  const program = path.join(folder, 'node_modules', name, 'bin/node');
  if (!existsSync(program)) {
    mkdirSync(folder, { recursive: true });
    npm(
      ['install', '--prefix', folder, '--force', '--ignore-scripts', '--no-audit', '--no-fund', `${name}@${version}`],
      root,
    );
  }
  return program;
}

const LOADER = `
#include <dlfcn.h>
#include <stdio.h>
int main(int count, char **arguments) {
  void *addon = count == 2 ? dlopen(arguments[1], RTLD_NOW) : 0;
  if (addon && dlsym(addon, "napi_register_module_v1")) return 0;
  puts(dlerror());
  return 1;
}
`;

/** Every symbol that the addon asks of musl is there: Debian's musl loads it, into a program that zig built. */
async function muslLoads(addon, folder) {
  const program = path.join(folder, 'loader');
  writeFileSync(`${program}.c`, LOADER);
  await must(zig(), ['cc', '-target', 'x86_64-linux-musl', '-dynamic', '-o', program, `${program}.c`]);
  await must(program, [addon]);
}

/** One flow under qemu, with the package laid out as npm would. */
async function armFlow(addon) {
  const work = mkdtempSync(path.join(tmpdir(), 'sim-arm64-'));
  try {
    const binaries = path.join(work, 'binaries');
    mkdirSync(binaries);
    cpSync(addon, path.join(binaries, addonName('linux-arm64-gnu')));
    const { main: project, platforms } = stage(path.join(work, 'staged'), { binaries, only: ['linux-arm64-gnu'] });
    const modules = path.join(work, 'node_modules');
    cpSync(project, path.join(modules, '@sigmacode/sim-adapter'), { recursive: true });
    cpSync(platforms['linux-arm64-gnu'], path.join(modules, '@sigmacode/sim-adapter-linux-arm64-gnu'), {
      recursive: true,
    });
    npm(
      ['install', '--prefix', path.join(work, 'express'), '--ignore-scripts', '--no-audit', '--no-fund', 'express@5'],
      work,
    );
    cpSync(path.join(work, 'express/node_modules'), modules, { recursive: true });
    cpSync(path.join(root, '__test__/package/fixtures/consumer'), work, { recursive: true });
    const [qemu, ...options] = ARM;
    const program = nodeProgram('24', 'arm64');
    const output = await must(qemu, [...options, program, path.join(work, 'require.cjs')], { timeoutMs: 300_000 });
    if (!output.includes('"status":"completed"')) throw new StepError(`the run ended as ${output}`);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

main(async () => {
  const out = mkdtempSync(path.join(tmpdir(), 'sim-cross-'));
  try {
    for (const target of ['x86_64-unknown-linux-musl', 'aarch64-unknown-linux-gnu']) {
      const { addon, name, needed, glibc, bytes } = await step(target, () => crossBuild(target, out));
      console.log(`${name}: glibc ${glibc ?? '-'}, ${bytes} bytes, needs ${needed.join(' ')}`);
      if (name === 'linux-x64-musl') await step("loaded by Debian's musl", () => muslLoads(addon, out));
      if (name === 'linux-arm64-gnu') await step('a flow on arm64, under qemu', () => armFlow(addon));
    }
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
  for (const version of NODES) {
    await step(`consumers on Node ${version}`, async () => {
      const env = { SIM_TEST_NODE: nodeProgram(version, 'x64') };
      const { code } = await run('node_modules/.bin/vitest', ['run', '__test__/package/consumers.test.mjs'], { env });
      if (code !== 0) throw new StepError(`the consumers failed on Node ${version}`);
    });
  }
});
