// The versions of Node that the package is tried on beside the one at hand, from npm's packages of them. Gets each once, into
// .build/tools. Knows nothing of what is run.

import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';

import { root } from '../steps.mjs';
import { npm } from './consumer.mjs';

const TOOLS = path.join(root, '.build/tools');
const SYSTEM = process.platform === 'win32' ? 'win' : process.platform;

/** The oldest Node that is supported, and that of LibreChat's image. */
export const NODES = ['20.20.2', '24.21.0'];

/**
 * @param {string} version an exact one, so that all machines have the same
 * @param {string} [cpu] as npm calls it
 * @returns {string} the program. It appears whole or not at all, also when two processes do this at once.
 */
export function nodeProgram(version, cpu = process.arch) {
  const name = `node-${SYSTEM}-${cpu}`;
  const folder = path.join(TOOLS, `${name}-${version}`);
  const program = path.join(folder, 'node_modules', name, 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
  if (existsSync(folder)) return program;

  mkdirSync(TOOLS, { recursive: true });
  const work = mkdtempSync(path.join(TOOLS, `${name}-`));
  try {
    // --force: npm would refuse another processor's package.
    const options = ['--force', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
    npm(['install', '--prefix', work, ...options, `${name}@${version}`], root);
    renameSync(work, folder);
  } catch (cause) {
    rmSync(work, { recursive: true });
    if (!existsSync(folder)) throw cause;
  }
  return program;
}
