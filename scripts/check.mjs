// `npm run check`: everything that can be said about the project without running it. Every check runs, also after one
// failed; the names of the failed ones come last.

import { cargoDeny } from './cargo-deny.mjs';
import { checkLock } from './lock.mjs';
import { packageProgram } from './npm.mjs';
import { hostTriple, prepare } from './prepare.mjs';
import { main, must, StepError, step } from './steps.mjs';

const GENERATED = ['native.js', 'native.d.ts'];

/** A program that an npm package brought. */
const tool = ([name, program], ...args) => must(process.execPath, [packageProgram(name, program), ...args]);

async function rustfmt() {
  const manifests = ['Cargo.toml', 'bench/ends/Cargo.toml'];
  for (const manifest of manifests) await must('cargo', ['fmt', '--check', '--manifest-path', manifest]);
}

async function clippy() {
  const target = ['--profile', 'ci', '--target', await hostTriple(), '--all-targets'];
  await must('cargo', ['clippy', '--locked', ...target, '--', '-D', 'warnings']);
}

/** The build has just written these files: they must be what the commit (or the index) holds. */
async function generatedFiles() {
  const status = await must('git', ['status', '--porcelain', '--', ...GENERATED], { quiet: true });
  const changed = status.split('\n').filter((line) => line && line[1] !== ' ');
  if (changed.length > 0)
    throw new StepError(`The build wrote other files than committed, add them:\n${changed.join('\n')}`);
}

const CHECKS = {
  rustfmt,
  clippy,
  biome: () =>
    tool(
      ['@biomejs/biome', 'biome'],
      'ci',
      '--error-on-warnings',
      `--colors=${process.stdout.isTTY ? 'force' : 'off'}`,
    ),
  types: () => tool(['typescript', 'tsc'], '--project', 'tsconfig.json'),
  publint: () => tool(['publint'], 'run', '--strict'),
  attw: () => tool(['@arethetypeswrong/cli', 'attw'], '--pack', '.'),
  knip: () => tool(['knip']),
  // The reference from the types; whatever is public and has no words, and every dead link, fails it.
  reference: () => tool(['typedoc']),
  'cargo-deny': cargoDeny,
  'generated files': generatedFiles,
  'lock file': checkLock,
};

main(async () => {
  await prepare('ci');
  const failed = [];
  for (const [name, check] of Object.entries(CHECKS)) {
    try {
      await step(name, check);
    } catch (error) {
      if (!(error instanceof StepError)) throw error;
      console.error(error.message);
      failed.push(name);
    }
  }
  if (failed.length > 0) throw new StepError(`failed checks: ${failed.join(', ')}`);
  console.log(`\nall ${Object.keys(CHECKS).length} checks passed`);
});
