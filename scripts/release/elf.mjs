// What a Linux library says of itself (ELF). Needs readelf (binutils).

import { execFileSync } from 'node:child_process';

const MACHINES = { 'Advanced Micro Devices X86-64': 'x64', AArch64: 'arm64' };

const readelf = (option, file) =>
  execFileSync('readelf', ['--wide', option, file], {
    encoding: 'utf8',
    maxBuffer: 64 * 2 ** 20,
    env: { ...process.env, LC_ALL: 'C' },
  });

export const byVersion = (a, b) => a.localeCompare(b, 'en', { numeric: true });

/**
 * @param {string} file
 * @returns {{os: 'linux', cpu: string, needed: string[], oldest: string | null}} `oldest` is the oldest glibc that has every
 *   symbol which the library asks for, null when it asks for none of glibc's.
 */
export function elfFacts(file) {
  const [, machine] = /^\s*Machine:\s+(.*)$/m.exec(readelf('--file-header', file));
  const needed = [...readelf('--dynamic', file).matchAll(/\(NEEDED\).*\[(.*)\]/g)].map(([, name]) => name);
  const versions = [...readelf('--version-info', file).matchAll(/\bGLIBC_(\d[\d.]*)/g)].map(([, version]) => version);
  return { os: 'linux', cpu: MACHINES[machine] ?? machine, needed, oldest: versions.sort(byVersion).at(-1) ?? null };
}
