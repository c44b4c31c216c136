// Looks into a Linux addon before it is published: for which machine it is, which libraries it needs, how old a glibc may
// be, and how large it is. `node scripts/release/check-elf.mjs sim-adapter.<platform>.node...`; the platform is taken from
// the name. Needs readelf (binutils).

import { execFileSync } from 'node:child_process';
import { statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { main, StepError } from '../steps.mjs';
import { PLATFORMS } from './platforms.mjs';

/** The oldest glibc that must do: Debian 10, RHEL 8. */
export const GLIBC_FLOOR = '2.28';

/** Bytes. A release build has about a quarter of it; something is wrong with one that has more. */
const LARGEST = 24 * 2 ** 20;

const MACHINES = { x64: 'Advanced Micro Devices X86-64', arm64: 'AArch64' };

/** Libraries that every system of that kind has. libgcc_s comes with Node's own images, on Alpine too. */
const LIBRARIES = {
  glibc: /^(lib(c|m|dl|rt|pthread)\.so\.\d|libgcc_s\.so\.1|ld-linux-(x86-64|aarch64)\.so\.\d)$/,
  musl: /^(libc\.so|libc\.musl-(x86_64|aarch64)\.so\.1|libgcc_s\.so\.1)$/,
};

const readelf = (option, file) =>
  execFileSync('readelf', ['--wide', option, file], {
    encoding: 'utf8',
    maxBuffer: 64 * 2 ** 20,
    env: { ...process.env, LC_ALL: 'C' },
  });

const byVersion = (a, b) => a.localeCompare(b, 'en', { numeric: true });

/**
 * @param {string} file
 * @returns {{machine: string, needed: string[], glibc: string | null, bytes: number}} `glibc` is the newest version of it
 *   that a symbol asks for, null when none does.
 */
export function elfFacts(file) {
  const [, machine] = /^\s*Machine:\s+(.*)$/m.exec(readelf('--file-header', file));
  const needed = [...readelf('--dynamic', file).matchAll(/\(NEEDED\).*\[(.*)\]/g)].map(([, name]) => name);
  const versions = [...readelf('--version-info', file).matchAll(/\bGLIBC_(\d[\d.]*)/g)].map(([, version]) => version);
  return { machine, needed, glibc: versions.sort(byVersion).at(-1) ?? null, bytes: statSync(file).size };
}

/** What forbids publishing an addon with these facts for `platform`, as sentences; empty when nothing does. */
export function elfProblems(
  { machine, needed, glibc, bytes },
  platform,
  { floor = GLIBC_FLOOR, largest = LARGEST } = {},
) {
  const { cpu, libc } = Object.values(PLATFORMS).find(({ name, os }) => name === platform && os === 'linux') ?? {};
  if (libc === undefined) return [`${platform} is no Linux platform`];
  const problems = [];
  if (machine !== MACHINES[cpu]) problems.push(`it is for ${machine}, not ${MACHINES[cpu]}`);
  const strange = needed.filter((name) => !LIBRARIES[libc].test(name));
  if (strange.length > 0) problems.push(`it needs ${strange.join(', ')}`);
  if (libc === 'musl' && glibc !== null) problems.push(`it needs glibc ${glibc}, in a package for musl`);
  if (libc === 'glibc' && glibc !== null && byVersion(glibc, floor) > 0) {
    problems.push(`it needs glibc ${glibc}, newer than ${floor}`);
  }
  if (bytes > largest) problems.push(`it has ${bytes} bytes, more than ${largest}`);
  return problems;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  main(() => {
    const files = process.argv.slice(2);
    if (files.length === 0)
      throw new StepError('usage: node scripts/release/check-elf.mjs sim-adapter.<platform>.node...');
    const problems = files.flatMap((file) => {
      const name = path.basename(file);
      const facts = elfFacts(file);
      console.log(
        `${name}: ${facts.machine}, glibc ${facts.glibc ?? '-'}, ${facts.bytes} bytes, needs ${facts.needed.join(' ')}`,
      );
      return elfProblems(facts, name.split('.')[1]).map((problem) => `${name}: ${problem}`);
    });
    if (problems.length > 0) throw new StepError(problems.join('\n'));
  });
}
