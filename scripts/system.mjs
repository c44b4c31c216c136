// The programs that tests start and npm cannot install. Knows which Debian package brings each of them, and nothing of
// what they are used for.

import { accessSync, constants } from 'node:fs';
import path from 'node:path';

import { must, run, StepError, step } from './steps.mjs';

/** Program → Debian package. */
const NEEDED = {
  'redis-server': 'redis-server',
  'docker-compose': 'docker-compose',
  busybox: 'busybox',
  chromium: 'chromium',
};

function onPath(program) {
  const places = (process.env.PATH ?? '').split(path.delimiter).map((folder) => path.join(folder, program));
  return places.find((place) => {
    try {
      accessSync(place, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Where the programs are. */
export const programs = () => Object.keys(NEEDED).map(onPath).filter(Boolean);

/** Installs what is missing where that is possible without a question (root on Debian); else says what to run. */
export async function installPrograms() {
  const missing = Object.keys(NEEDED).filter((program) => !onPath(program));
  if (missing.length === 0) return;
  const packages = missing.map((program) => NEEDED[program]);
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
