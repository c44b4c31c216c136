// Brings a checkout to the state in which tests, demo and checks run: npm packages as locked, and the addon built from
// the present sources. Does nothing when nothing changed. Knows nothing of what is run afterwards.
//
// `node scripts/prepare.mjs [release|ci]` (default: release). Both profiles write the same file,
// `sim-adapter.<platform>.node`, so the stamp in .build/ says which of them is in place.

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { npmProgram, packageProgram } from './npm.mjs';
import { main, must, root, run, StepError, step } from './steps.mjs';

const STAMP = path.join(root, '.build/addon.json');
const SOURCES = ['Cargo.toml', 'Cargo.lock', 'build.rs', 'rust-toolchain.toml', '.cargo/config.toml', 'src'];

/** Installs what package-lock.json says, unless node_modules already is exactly that. */
export async function installPackages() {
  if (installedAsLocked()) return;
  await step('npm ci', () => must(process.execPath, [npmProgram(), 'ci', '--no-audit', '--no-fund']));
}

/** npm keeps a record of what it installed: the lock file's entries less the optional ones of other platforms. */
function installedAsLocked() {
  const record = path.join(root, 'node_modules/.package-lock.json');
  if (!existsSync(record)) return false;
  const installed = JSON.parse(readFileSync(record, 'utf8')).packages;
  const { '': _project, ...locked } = JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8')).packages;
  const same = (a, b) => a?.version === b?.version && a?.integrity === b?.integrity;
  return (
    Object.keys(installed).every((name) => same(installed[name], locked[name])) &&
    Object.keys(locked).every((name) => locked[name].optional || same(installed[name], locked[name]))
  );
}

/** The target triple that cargo builds for. The addon, the tests and clippy name it alike, so that they share builds. */
export async function hostTriple() {
  return /^host: (.+)$/m.exec(await rustVersion())[1];
}

/** What rustc says of itself; cargo is there too. */
export async function rustVersion() {
  const { code, output } = await run('rustc', ['-vV'], { quiet: true });
  if (code === 0 && (await run('cargo', ['--version'], { quiet: true })).code === 0) return output;
  throw new StepError(
    'Rust is missing: install it with rustup (see rustup.rs); Cargo.toml names the lowest version as rust-version.',
  );
}

async function needCompiler() {
  if (process.platform === 'win32') return;
  if ((await run('cc', ['--version'], { quiet: true })).code === 0) return;
  throw new StepError(
    'A C compiler is missing (Rust links with it): on Debian run `apt-get install build-essential`, on macOS `xcode-select --install`.',
  );
}

/**
 * Builds the addon unless the one in place was built from these sources with this profile.
 *
 * @param {'release' | 'ci'} profile of Cargo.toml
 */
export async function buildAddon(profile) {
  const compiler = await rustVersion();
  const sources = hash(
    [...files(SOURCES), ...files(['package.json', 'node_modules/@napi-rs/cli/package.json'])],
    compiler,
  );
  const stamp = existsSync(STAMP) ? JSON.parse(readFileSync(STAMP, 'utf8')) : {};
  if (stamp.profile === profile && stamp.sources === sources && stamp.outputs === hash(outputs())) return;

  await needCompiler();
  await step(`build the addon (profile ${profile})`, async () => {
    const options = [
      '--platform',
      '--profile',
      profile,
      '--js',
      'native.js',
      '--dts',
      'native.d.ts',
      '--no-const-enum',
    ];
    await must(process.execPath, [packageProgram('@napi-rs/cli', 'napi'), 'build', ...options]);
    mkdirSync(path.dirname(STAMP), { recursive: true });
    writeFileSync(STAMP, JSON.stringify({ profile, sources, outputs: hash(outputs()) }));
  });
}

/** What the build writes. */
function outputs() {
  return readdirSync(root).filter((name) => name.endsWith('.node') || name === 'native.js' || name === 'native.d.ts');
}

/** The files among `names` and below the folders among them, as paths relative to the top folder. */
function files(names) {
  return names.flatMap((name) => {
    const full = path.join(root, name);
    if (!existsSync(full)) return [];
    if (path.extname(name)) return [name];
    const below = readdirSync(full, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    return below.map((entry) => path.relative(root, path.join(entry.parentPath ?? entry.path, entry.name)));
  });
}

function hash(names, ...more) {
  const sum = createHash('sha256');
  for (const name of names.sort()) sum.update(`\0${name}\0`).update(readFileSync(path.join(root, name)));
  for (const text of more) sum.update(`\0${text}`);
  return sum.digest('hex');
}

/** Packages and addon, in this order: the addon's build tool is one of the packages. */
export async function prepare(profile) {
  await installPackages();
  await buildAddon(profile);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main(() => prepare(process.argv[2] ?? 'release'));
