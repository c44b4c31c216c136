// A copy of the deployment kit in an empty folder, and the commands that a person would run there. No container is started.

import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';

export const root = fileURLToPath(new URL('../..', import.meta.url));

const folders = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});

/** An empty folder that is gone after the tests of this file. */
export function emptyFolder() {
  const folder = mkdtempSync(path.join(tmpdir(), 'sim-deploy-'));
  folders.push(folder);
  return folder;
}

/** The kit as a clean clone has it. */
export function kit() {
  const folder = emptyFolder();
  const made = ['.env', 'librechat.env'];
  cpSync(path.join(root, 'deploy'), folder, {
    recursive: true,
    filter: (from) => !made.includes(path.basename(from)),
  });
  return folder;
}

/** Runs a command with nothing of this process's environment but PATH. */
export function run(command, args, { cwd, env = {} }) {
  const options = { cwd, env: { PATH: process.env.PATH, HOME: cwd, ...env }, encoding: 'utf8' };
  const { status, stdout, stderr, error } = spawnSync(command, args, options);
  if (error) throw error;
  return { status, stdout, stderr };
}

/** `init.sh` in that folder. */
export const init = (folder, ...urls) => run('sh', ['init.sh', ...urls], { cwd: folder });

/** docker-compose's own reading of these files. */
export function config(folder, files, env) {
  return run('docker-compose', [...files.flatMap((file) => ['-f', file]), 'config'], { cwd: folder, env });
}
