// What is published, packed here, and empty projects that install it. Nothing of this repository is visible to them.

import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { npm, npmInstall, writeConsumer } from '../../scripts/release/consumer.mjs';
import { addonName, PLATFORMS, readJson } from '../../scripts/release/platforms.mjs';
import { stage } from '../../scripts/release/stage.mjs';

export const root = fileURLToPath(new URL('../..', import.meta.url));
export const project = readJson(path.join(root, 'package.json'));

/** The platform whose addon the build left in the top folder. */
export const platform = readdirSync(root)
  .find((name) => name.endsWith('.node'))
  .split('.')[1];

/** A new empty folder. */
export const emptyFolder = () => mkdtempSync(path.join(tmpdir(), 'sim-package-'));

export const remove = (folder) => rmSync(folder, { recursive: true, force: true });

/** The environment of a machine without a Rust tool chain, and without what this test run was told. */
const environment = { PATH: '/usr/bin:/bin', HOME: process.env.HOME, npm_config_cache: process.env.npm_config_cache };

const clean = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== undefined));

export function run(command, args, cwd) {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    timeout: 180_000,
    env: clean,
  });
  if (error) throw error;
  return { status, stdout, stderr };
}

export const node = (args, cwd) => run(process.execPath, args, cwd);

/**
 * Packs every package into `folder`: this platform's with the real addon, the others' with a file that would not load.
 * Returns the tarballs by package name.
 */
export function pack(folder) {
  const binaries = path.join(folder, 'binaries');
  mkdirSync(binaries);
  for (const { name } of Object.values(PLATFORMS))
    writeFileSync(path.join(binaries, addonName(name)), 'not an addon\n');
  cpSync(path.join(root, addonName(platform)), path.join(binaries, addonName(platform)));
  const staged = stage(path.join(folder, 'staged'), { binaries });
  // What `init.sh` may have left in a checkout is nothing to publish.
  for (const name of ['.env', 'librechat.env']) writeFileSync(path.join(staged.main, 'deploy', name), 'SECRET=1\n');
  // Nor are the tarballs that the guard's image is made of.
  writeFileSync(path.join(staged.main, 'deploy/guard/sim-adapter-0.0.0.tgz'), 'not a tarball\n');
  const folders = [staged.main, ...Object.values(staged.platforms)];
  const packed = JSON.parse(
    npm(['pack', '--json', '--ignore-scripts', '--pack-destination', folder, ...folders], folder, clean),
  );
  return Object.fromEntries(
    packed.map(({ name, filename, files }) => [name, { file: path.join(folder, filename), files }]),
  );
}

/** Installs the package and `dependencies` into an empty project, beside the programs that try it. */
export function install(folder, tarballs, dependencies, options = []) {
  const files = Object.fromEntries(Object.entries(tarballs).map(([name, { file }]) => [name, file]));
  writeConsumer(folder, files, dependencies);
  cpSync(path.join(root, '__test__/package/fixtures/consumer'), folder, { recursive: true });
  reinstall(folder, options);
}

export const reinstall = (folder, options) => npmInstall(folder, options, clean);
