// Looks into an addon before it is published: for which system and processor it is, which libraries it needs, how old the
// system may be, and how large it is. `node scripts/release/check-addon.mjs sim-adapter.<platform>.node...`; the platform is
// taken from the name. Runs anywhere, but for Linux addons where there is no readelf.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { main, StepError } from '../steps.mjs';
import { byVersion, elfFacts } from './elf.mjs';
import { machoFacts } from './macho.mjs';
import { peFacts } from './pe.mjs';
import { PLATFORMS } from './platforms.mjs';

/** The oldest systems that must do: Debian 10 and RHEL 8, and the first macOS for arm64. */
export const FLOORS = { glibc: '2.28', darwin: '11.0' };

/** Bytes. A release build has about a quarter of it; something is wrong with one that has more. */
const LARGEST = 24 * 2 ** 20;

/** Libraries that every system of that kind has. libgcc_s comes with Node's own images, on Alpine too. */
const LIBRARIES = {
  glibc: /^(lib(c|m|dl|rt|pthread)\.so\.\d|libgcc_s\.so\.1|ld-linux-(x86-64|aarch64)\.so\.\d)$/,
  musl: /^(libc\.so|libc\.musl-(x86_64|aarch64)\.so\.1|libgcc_s\.so\.1)$/,
  darwin: /^(\/usr\/lib\/|\/System\/Library\/Frameworks\/)/,
  // Not vcruntime140.dll: who has it has installed Visual C++'s runtime. Node does not need it.
  win32:
    /^(api-ms-win-[\w-]+|advapi32|bcrypt|bcryptprimitives|crypt32|iphlpapi|kernel32|ntdll|ole32|psapi|secur32|shell32|ucrtbase|user32|userenv|ws2_32)\.dll$/,
};

const MAGIC = { '7f454c46': elfFacts, cffaedfe: (_file, bytes) => machoFacts(bytes) };

/**
 * @param {string} file
 * @returns {{os: string, cpu: string, needed: string[], oldest: string | null, bytes: number}} `oldest` is the oldest glibc
 *   or macOS that does.
 */
export function addonFacts(file) {
  const bytes = readFileSync(file);
  const read = bytes.toString('latin1', 0, 2) === 'MZ' ? () => peFacts(bytes) : MAGIC[bytes.toString('hex', 0, 4)];
  if (read === undefined) throw new StepError(`${path.basename(file)} is no library of Linux, macOS or Windows`);
  return { ...read(file, bytes), bytes: bytes.length };
}

/** What forbids publishing an addon with these facts for `platform`, as sentences; empty when nothing does. */
export function addonProblems({ os, cpu, needed, oldest, bytes }, platform, floors = FLOORS) {
  const wanted = Object.values(PLATFORMS).find(({ name }) => name === platform);
  if (wanted === undefined) return [`there is no platform ${platform}`];
  if (os !== wanted.os) return [`it is for ${os}, not ${wanted.os}`];
  const kind = wanted.libc ?? os;
  const problems = [];
  if (cpu !== wanted.cpu) problems.push(`it is for ${cpu}, not ${wanted.cpu}`);
  const strange = needed.filter((name) => !LIBRARIES[kind].test(name));
  if (strange.length > 0) problems.push(`it needs ${strange.join(', ')}`);
  if (kind === 'musl' && oldest !== null) problems.push(`it needs glibc ${oldest}, in a package for musl`);
  if (kind in floors && oldest !== null && byVersion(oldest, floors[kind]) > 0) {
    problems.push(`it needs ${kind === 'darwin' ? 'macOS' : kind} ${oldest}, newer than ${floors[kind]}`);
  }
  if (bytes > LARGEST) problems.push(`it has ${bytes} bytes, more than ${LARGEST}`);
  return problems;
}

/** The facts in a line. */
export const told = ({ os, cpu, needed, oldest, bytes }) =>
  `${os} ${cpu}, ${bytes} bytes, for ${os === 'linux' ? 'glibc' : os} ${oldest ?? '-'} or newer, needs ${needed.join(' ')}`;

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  main(() => {
    const files = process.argv.slice(2);
    if (files.length === 0)
      throw new StepError('usage: node scripts/release/check-addon.mjs sim-adapter.<platform>.node...');
    const problems = files.flatMap((file) => {
      const name = path.basename(file);
      const facts = addonFacts(file);
      console.log(`${name}: ${told(facts)}`);
      return addonProblems(facts, name.split('.')[1]).map((problem) => `${name}: ${problem}`);
    });
    if (problems.length > 0) throw new StepError(problems.join('\n'));
  });
}
