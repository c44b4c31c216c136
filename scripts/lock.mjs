// Completes package-lock.json after `npm install`: `node scripts/lock.mjs`. A package that comes as one binary for each
// platform lists them all as optional dependencies. A registry mirror may lack those of other platforms; npm then
// leaves them out of the lock file, and `npm ci` refuses that file everywhere. Knows the lock file's form (version 3).

import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { main, root, StepError } from './steps.mjs';

const FILE = path.join(root, 'package-lock.json');

const SYSTEMS = ['aix', 'android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'openharmony', 'sunos', 'win32'];
const PROCESSORS = ['arm', 'arm64', 'ia32', 'loong64', 'mips64el', 'ppc64', 'riscv64', 's390x', 'wasm32', 'x64'];

/** Node's own way up: the folder of the package, then each folder above it. */
function isLocked(packages, from, name) {
  for (let folder = from; ; folder = folder.slice(0, folder.lastIndexOf('node_modules/')).replace(/\/$/, '')) {
    if (`${folder && `${folder}/`}node_modules/${name}` in packages) return true;
    if (folder === '') return false;
  }
}

/** Every optional dependency that is wanted and not locked, as `[name, version]`. */
function missing({ packages }) {
  return Object.entries(packages).flatMap(([from, { optionalDependencies = {} }]) =>
    Object.entries(optionalDependencies).filter(([name]) => !isLocked(packages, from, name)),
  );
}

/** What the lock file says of such a package; its platform is in its name, as in `@scope/tool-linux-x64-musl`. */
function entry(name, version) {
  if (!/^\d+\.\d+\.\d+/.test(version))
    throw new StepError(`${name} is wanted as ${version}, which is no exact version`);
  const words = name.split(/[-/]/);
  const os = SYSTEMS.filter((system) => words.includes(system));
  const cpu = PROCESSORS.filter((processor) => words.includes(processor));
  const libc = ['gnu', 'musl'].filter((kind) => words.some((word) => word.startsWith(kind)) && words.includes('linux'));
  return {
    version,
    ...(cpu.length > 0 && { cpu }),
    dev: true,
    ...(libc.length > 0 && { libc: libc.map((kind) => (kind === 'gnu' ? 'glibc' : kind)) }),
    optional: true,
    ...(os.length > 0 && { os }),
  };
}

/** Throws unless the lock file is complete and names packages and sums only, never the registry they came from. */
export function checkLock() {
  const text = readFileSync(FILE, 'utf8');
  if (text.includes('"resolved"')) {
    throw new StepError('package-lock.json names a registry: run npm with --omit-lockfile-registry-resolved');
  }
  const names = missing(JSON.parse(text)).map(([name]) => name);
  if (names.length > 0) {
    throw new StepError(`package-lock.json lacks ${names.join(', ')}: run node scripts/lock.mjs`);
  }
}

function complete() {
  const lock = JSON.parse(readFileSync(FILE, 'utf8'));
  const added = missing(lock).map(([name, version]) => [`node_modules/${name}`, entry(name, version)]);
  const sorted = [...Object.entries(lock.packages), ...added].sort(([a], [b]) => a.localeCompare(b, 'en'));
  writeFileSync(FILE, `${JSON.stringify({ ...lock, packages: Object.fromEntries(sorted) }, null, 2)}\n`);
  console.log(`${added.length} packages of other platforms added to package-lock.json`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main(async () => complete());
