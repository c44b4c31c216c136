// Builds release addons for Linux with zig, which brings the C libraries of every target and a glibc as old as one asks for:
// `node scripts/release/cross.mjs OUT TARGET...`. Each is looked into before the next is built. Reads Cargo.toml's release
// profile; writes OUT/sim-adapter.<platform>.node.

import { chmodSync, cpSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { main, must, root, StepError, step } from '../steps.mjs';
import { addonFacts, addonProblems, FLOORS, told } from './check-addon.mjs';
import { pipInstall } from './pip.mjs';
import { addonName, PLATFORMS } from './platforms.mjs';

/** zig as a program. `cargo-zigbuild` is beside it, so that their folder serves as PATH. */
function zig() {
  const folder = pipInstall('cross-tools');
  const program = path.join(folder, 'bin/zig');
  writeFileSync(program, `#!/bin/sh\nexec env PYTHONPATH='${folder}' python3 -m ziglang "$@"\n`);
  chmodSync(program, 0o755);
  return program;
}

/** Builds one target, looks into its addon and returns the file. */
export async function crossBuild(target, out) {
  const { name, os, libc } = PLATFORMS[target] ?? {};
  if (os !== 'linux') throw new StepError(`${target} is no Linux target of this package`);
  await must('rustup', ['target', 'add', target], { quiet: true });
  const folder = process.env.CARGO_TARGET_DIR ?? path.join(root, 'target/cross');
  const wanted = libc === 'glibc' ? `${target}.${FLOORS.glibc}` : target;
  await must('cargo', ['zigbuild', '--locked', '--release', '--lib', '--target', wanted, '--target-dir', folder], {
    env: {
      PATH: `${path.dirname(zig())}${path.delimiter}${process.env.PATH}`,
      // A library that is loaded by Node shares Node's C library.
      ...(libc === 'musl' && { RUSTFLAGS: '-C target-feature=-crt-static' }),
    },
  });

  mkdirSync(out, { recursive: true });
  const addon = path.join(out, addonName(name));
  cpSync(path.join(folder, target, 'release/libsim_adapter.so'), addon);
  const facts = addonFacts(addon);
  console.log(`${addonName(name)}: ${told(facts)}`);
  const problems = addonProblems(facts, name);
  if (problems.length > 0) throw new StepError(`${addonName(name)}: ${problems.join('; ')}`);
  return addon;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  main(async () => {
    const [out, ...targets] = process.argv.slice(2);
    if (targets.length === 0) throw new StepError('usage: node scripts/release/cross.mjs OUT TARGET...');
    for (const target of targets) await step(target, () => crossBuild(target, path.resolve(out)));
  });
}
