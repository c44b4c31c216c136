// What stands between a wrong package and the registry: manifests, the staging copy, and the look into an addon.

import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { checkTag, sectionOf } from '../../scripts/release/changelog.mjs';
import { addonFacts, addonProblems } from '../../scripts/release/check-addon.mjs';
import { addonName, manifests, readJson } from '../../scripts/release/platforms.mjs';
import { order } from '../../scripts/release/publish.mjs';
import { stage } from '../../scripts/release/stage.mjs';
import { emptyFolder, platform, project, remove, root } from './support.mjs';

let work;
beforeAll(() => {
  work = emptyFolder();
});
afterAll(() => remove(work));

test('every build target has a manifest that npm will match', () => {
  expect(Object.keys(manifests())).toHaveLength(project.napi.targets.length);
});

test.each([
  ['version', '0.0.9'],
  ['os', ['linux', 'darwin']],
  ['cpu', ['x64']],
  ['libc', ['glibc']],
  ['name', '@sigmacode/sim-adapter-linux-x64-gnu'],
  ['main', 'other.node'],
  ['scripts', { install: 'node-gyp rebuild' }],
])('a manifest with another %s stops the release, and the message names it', (key, value) => {
  const folder = path.join(work, `manifests-${key}`);
  cpSync(path.join(root, 'npm'), folder, { recursive: true });
  const file = path.join(folder, 'linux-arm64-musl/package.json');
  writeFileSync(file, JSON.stringify({ ...readJson(file), [key]: value }));
  expect(() => manifests(folder)).toThrow(`npm/linux-arm64-musl/package.json: ${key} is ${JSON.stringify(value)}`);
});

test('a folder too many in npm/ stops the release', () => {
  const folder = path.join(work, 'manifests');
  cpSync(path.join(root, 'npm'), folder, { recursive: true });
  mkdirSync(path.join(folder, 'wasm32-wasi'));
  expect(() => manifests(folder)).toThrow('wasm32-wasi');
});

test('a clean clone installs: package.json names no platform package', () => {
  expect(project.optionalDependencies).toBeUndefined();
  expect(Object.keys(project.scripts).filter((name) => /install|^prepare$|^prepublish/.test(name))).toEqual([]);
});

test('the staging copy names every platform package in its own version, and no script', () => {
  const { main, platforms } = stage(path.join(work, 'staged'), { only: [platform] });
  const staged = readJson(path.join(main, 'package.json'));
  const expected = Object.values(manifests()).map(({ name, version }) => [name, version]);
  expect(Object.entries(staged.optionalDependencies)).toEqual(expected);
  expect(staged.scripts).toBeUndefined();
  expect(staged.devDependencies).toBeUndefined();
  expect(staged.overrides).toBeUndefined();
  expect(existsSync(path.join(main, addonName(platform)))).toBe(false);
  expect(Object.keys(platforms)).toEqual([platform]);
  const copied = readFileSync(path.join(platforms[platform], addonName(platform)));
  expect(copied.equals(readFileSync(path.join(root, addonName(platform))))).toBe(true);
});

test('a missing addon stops the release, and the message names its platform', () => {
  const binaries = path.join(work, 'some');
  mkdirSync(binaries);
  for (const name of Object.keys(manifests()).slice(1)) writeFileSync(path.join(binaries, addonName(name)), '');
  const out = path.join(work, 'unfinished');
  expect(() => stage(out, { binaries })).toThrow(`no addon for ${Object.keys(manifests())[0]} in`);
  expect(existsSync(out)).toBe(false);
});

test('an addon that was built twice stops the release', () => {
  const binaries = path.join(work, 'twice');
  for (const name of ['a', 'b']) {
    mkdirSync(path.join(binaries, name), { recursive: true });
    writeFileSync(path.join(binaries, name, addonName(platform)), '');
  }
  expect(() => stage(path.join(work, 'never'), { binaries })).toThrow('more than once');
});

test('nothing is staged over something else', () => {
  expect(() => stage(work, { only: [platform] })).toThrow('is there already');
});

test('platforms are published before the package that asks for them', () => {
  const files = Object.values(manifests()).map(
    ({ name }) => `${name.slice(1).replace('/', '-')}-${project.version}.tgz`,
  );
  const main = `sigmacode-sim-adapter-${project.version}.tgz`;
  expect(order([main, ...files]).map(({ file }) => file)).toEqual([...files, main]);
  expect(() => order(files)).toThrow(`missing: ${main}`);
  expect(() => order([main, ...files, 'other-1.0.0.tgz'])).toThrow('not ours: other-1.0.0.tgz');
});

test('a tag that is not the version stops the release', () => {
  expect(checkTag('v1.2.3', { version: '1.2.3' })).toBe('1.2.3');
  expect(() => checkTag('v1.2.4', { version: '1.2.3' })).toThrow('the tag is v1.2.4, package.json says 1.2.3');
});

test('a release is told of by its own section of the changelog', () => {
  const changelog =
    '# Changelog\n\n## [Unreleased]\n\n- later\n\n## [1.2.0] - 2026-01-02\n\n### Added\n\n- one\n\n## [1.1.0]\n\n';
  expect(sectionOf(changelog, '1.2.0')).toBe('### Added\n\n- one');
  expect(sectionOf(changelog, '1.1.0')).toBeNull();
  expect(sectionOf(changelog, '1.2')).toBeNull();
});

/** What real linkers wrote, and what is in it; `made` in the file says how. */
const OBJECTS = readJson(path.join(root, '__test__/package/fixtures/objects.json'));
const object = (name, as = name) => {
  const file = path.join(work, as);
  writeFileSync(file, gunzipSync(Buffer.from(OBJECTS[name], 'base64')));
  return file;
};
const ANY = { glibc: '99', darwin: '99' };

describe('an addon for macOS', () => {
  test('tells its processor, its libraries and the oldest macOS', () => {
    const system = { os: 'darwin', needed: ['/usr/lib/libSystem.B.dylib'] };
    const arm = addonFacts(object('darwin-arm64.dylib'));
    expect(arm).toEqual({ ...system, cpu: 'arm64', oldest: '11.0', bytes: 49792 });
    expect(addonProblems(arm, 'darwin-arm64')).toEqual([]);
    const intel = addonFacts(object('darwin-x64.dylib'));
    expect(intel).toEqual({ ...system, cpu: 'x64', oldest: '13.0', bytes: 16728 });
    expect(addonProblems(intel, 'darwin-x64')).toEqual(['it needs macOS 13.0, newer than 11.0']);
    expect(addonProblems(intel, 'darwin-arm64', ANY)).toEqual(['it is for x64, not arm64']);
  });

  test('that needs a library of the machine that built it is refused', () => {
    const facts = addonFacts(object('darwin-arm64.dylib'));
    const needed = [...facts.needed, '/opt/homebrew/lib/libssl.3.dylib'];
    expect(addonProblems({ ...facts, needed }, 'darwin-arm64')).toEqual(['it needs /opt/homebrew/lib/libssl.3.dylib']);
  });
});

describe('an addon for Windows', () => {
  test('tells its processor and its libraries', () => {
    const facts = addonFacts(object('win32-x64.dll'));
    expect(facts).toEqual({ os: 'win32', cpu: 'x64', needed: ['kernel32.dll'], oldest: null, bytes: 2560 });
    expect(addonProblems(facts, 'win32-x64-msvc')).toEqual([]);
    expect(addonProblems(facts, 'linux-x64-musl')).toEqual(['it is for win32, not linux']);
  });

  test("that needs Visual C++'s runtime is refused: nobody has to have installed that", () => {
    const facts = addonFacts(object('win32-x64.dll'));
    const needed = [...facts.needed, 'api-ms-win-core-synch-l1-2-0.dll', 'vcruntime140.dll'];
    expect(addonProblems({ ...facts, needed }, 'win32-x64-msvc')).toEqual(['it needs vcruntime140.dll']);
  });
});

test('a file that is no library is refused', () => {
  const file = path.join(work, addonName('win32-x64-msvc'));
  writeFileSync(file, 'not an addon\n');
  expect(() => addonFacts(file)).toThrow(`${addonName('win32-x64-msvc')} is no library of Linux, macOS or Windows`);
});

test('an addon that is far too large is refused on every platform', () => {
  for (const [name, { os, cpu }] of Object.entries(manifests())) {
    const facts = { os: os[0], cpu: cpu[0], needed: [], oldest: null, bytes: 2 ** 30 };
    expect(addonProblems(facts, name)).toEqual([expect.stringMatching(/^it has 1073741824 bytes/)]);
  }
});

test('an addon under a name of another platform ends the command with exit code 1', () => {
  const wrong = object('win32-x64.dll', addonName('darwin-x64'));
  const program = path.join(root, 'scripts/release/check-addon.mjs');
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, wrong], { encoding: 'utf8' });
  expect(status).toBe(1);
  expect(stdout).toContain(`${addonName('darwin-x64')}: win32 x64, 2560 bytes`);
  expect(stderr).toContain(`${addonName('darwin-x64')}: it is for win32, not darwin`);
});

describe.runIf(platform.startsWith('linux-'))('a Linux addon', () => {
  const facts = addonFacts(path.join(root, addonName(platform)));
  const other = platform.replace(/x64|arm64/, (cpu) => (cpu === 'x64' ? 'arm64' : 'x64'));

  test('needs only the C library and what comes with it', () => {
    expect(addonProblems(facts, platform, ANY)).toEqual([]);
  });

  test('that needs a newer glibc than the floor is refused', () => {
    expect(addonProblems({ ...facts, oldest: '2.29' }, 'linux-x64-gnu')).toContain(
      'it needs glibc 2.29, newer than 2.28',
    );
    expect(addonProblems({ ...facts, oldest: '2.4' }, platform)).toEqual([]);
  });

  test('built for glibc is refused in the package for musl', () => {
    const problems = addonProblems(
      { ...facts, needed: ['libc.so.6'], oldest: '2.17' },
      platform.replace('gnu', 'musl'),
    );
    expect(problems).toEqual(['it needs libc.so.6', 'it needs glibc 2.17, in a package for musl']);
  });

  test('for another processor is refused', () => {
    expect(addonProblems(facts, other, ANY)).toEqual([expect.stringMatching(/^it is for /)]);
  });

  test('that links OpenSSL is refused', () => {
    expect(addonProblems({ ...facts, needed: ['libssl.so.3'] }, platform, ANY)).toEqual(['it needs libssl.so.3']);
  });
});
