// Which platform each build target makes a package for, and what that package's manifest has to say. Knows the manifests
// and package.json, and nothing of builds.

import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

import { root, StepError } from '../steps.mjs';

/** Rust target → the platform's name in packages and files, and npm's words for it. */
export const PLATFORMS = {
  'x86_64-unknown-linux-gnu': { name: 'linux-x64-gnu', os: 'linux', cpu: 'x64', libc: 'glibc' },
  'x86_64-unknown-linux-musl': { name: 'linux-x64-musl', os: 'linux', cpu: 'x64', libc: 'musl' },
  'aarch64-unknown-linux-gnu': { name: 'linux-arm64-gnu', os: 'linux', cpu: 'arm64', libc: 'glibc' },
  'aarch64-unknown-linux-musl': { name: 'linux-arm64-musl', os: 'linux', cpu: 'arm64', libc: 'musl' },
  'x86_64-apple-darwin': { name: 'darwin-x64', os: 'darwin', cpu: 'x64' },
  'aarch64-apple-darwin': { name: 'darwin-arm64', os: 'darwin', cpu: 'arm64' },
  'x86_64-pc-windows-msvc': { name: 'win32-x64-msvc', os: 'win32', cpu: 'x64' },
};

export const readJson = (file) => JSON.parse(readFileSync(file, 'utf8'));

/** The addon's file name on a platform. */
export const addonName = (platform) => `sim-adapter.${platform}.node`;

/**
 * The manifests below `folder`, by platform. Throws with everything that is wrong with them: a wrong word here would
 * make npm install another platform's addon, or none.
 */
export function manifests(folder = path.join(root, 'npm'), project = readJson(path.join(root, 'package.json'))) {
  const wrong = [];
  const expectSame = (where, found, wanted) => {
    const [is, should] = [JSON.stringify(found), JSON.stringify(wanted)];
    if (is !== should) wrong.push(`${where} is ${is}, not ${should}`);
  };

  const wanted = project.napi.targets.map((target) => PLATFORMS[target]);
  expectSame('npm/', readdirSync(folder).sort(), wanted.map(({ name }) => name).sort());
  if (wrong.length > 0) throw new StepError(wrong.join('\n'));

  const found = wanted.map(({ name, os, cpu, libc }) => {
    const manifest = readJson(path.join(folder, name, 'package.json'));
    const same = (key, value) => expectSame(`npm/${name}/package.json: ${key}`, manifest[key], value);
    same('name', `${project.name}-${name}`);
    same('version', project.version);
    same('license', project.license);
    same('engines', project.engines);
    same('os', [os]);
    same('cpu', [cpu]);
    same('libc', libc && [libc]);
    same('main', addonName(name));
    same('files', [addonName(name)]);
    same('scripts', undefined);
    return [name, manifest];
  });
  if (wrong.length > 0) throw new StepError(wrong.join('\n'));
  return Object.fromEntries(found);
}
