// An empty project that installs this package from tarballs, as a user would from the registry. Nothing of this repository
// is visible to it.

import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import { npmProgram } from '../npm.mjs';
import { readJson } from './platforms.mjs';

const QUIET = ['--no-audit', '--no-fund', '--no-update-notifier', '--no-package-lock', '--loglevel=error'];

export function npm(args, cwd, env = process.env) {
  const { status, stdout, stderr, error } = spawnSync(process.execPath, [npmProgram(env), ...args], {
    cwd,
    env,
    encoding: 'utf8',
    timeout: 300_000,
  });
  if (status !== 0) throw new Error(`npm ${args[0]} failed:\n${error?.message ?? ''}${stderr}`);
  return stdout;
}

/** `npm install` of what the project's package.json asks for, without any script; from npm's cache where it can. */
export function npmInstall(folder, options = [], env = process.env) {
  return npm(['install', '--ignore-scripts', '--prefer-offline', ...QUIET, ...options], folder, env);
}

/**
 * Writes the project's package.json. The platform packages, which no registry has yet, come from their tarballs; npm still
 * chooses among them.
 *
 * @param {string} folder
 * @param {Record<string, string>} tarballs files by package name
 * @param {Record<string, string>} dependencies further ones
 */
export function writeConsumer(folder, tarballs, dependencies) {
  const { name } = readJson(new URL('../../package.json', import.meta.url));
  const { [name]: main, ...platforms } = tarballs;
  const manifest = {
    name: 'consumer',
    private: true,
    dependencies: { [name]: `file:${main}`, ...dependencies },
    overrides: Object.fromEntries(Object.entries(platforms).map(([each, file]) => [each, `file:${file}`])),
  };
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, 'package.json'), JSON.stringify(manifest));
}
