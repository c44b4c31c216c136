// What stands between a wrong package and the registry: manifests, the staging copy, and the look into an addon.

import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { checkTag, sectionOf } from '../../scripts/release/changelog.mjs';
import { elfFacts, elfProblems } from '../../scripts/release/check-elf.mjs';
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

describe.runIf(platform.startsWith('linux-'))('a Linux addon', () => {
  const file = path.join(root, addonName(platform));
  const facts = elfFacts(file);
  const other = platform.replace(/x64|arm64/, (cpu) => (cpu === 'x64' ? 'arm64' : 'x64'));

  test('needs only the C library and what comes with it', () => {
    expect(elfProblems(facts, platform, { floor: '99' })).toEqual([]);
  });

  test('that needs a newer glibc than the floor is refused', () => {
    const newer = { ...facts, glibc: '2.29' };
    expect(elfProblems(newer, 'linux-x64-gnu')).toContain('it needs glibc 2.29, newer than 2.28');
    expect(elfProblems({ ...newer, glibc: '2.4' }, platform)).toEqual([]);
  });

  test('built for glibc is refused in the package for musl', () => {
    const problems = elfProblems({ ...facts, needed: ['libc.so.6'], glibc: '2.17' }, platform.replace('gnu', 'musl'));
    expect(problems).toEqual(['it needs libc.so.6', 'it needs glibc 2.17, in a package for musl']);
  });

  test('for another processor is refused', () => {
    expect(elfProblems(facts, other, { floor: '99' })).toEqual([expect.stringMatching(/^it is for /)]);
  });

  test('that links OpenSSL, or is far too large, is refused', () => {
    const problems = elfProblems({ ...facts, needed: ['libssl.so.3'], bytes: 2 ** 30 }, platform, { floor: '99' });
    expect(problems).toEqual(['it needs libssl.so.3', expect.stringMatching(/^it has 1073741824 bytes/)]);
  });

  test('under a name of another platform ends the command with exit code 1', () => {
    const wrong = path.join(work, addonName(other));
    cpSync(file, wrong);
    const program = path.join(root, 'scripts/release/check-elf.mjs');
    const { status, stdout, stderr } = spawnSync(process.execPath, [program, wrong], { encoding: 'utf8' });
    expect(status).toBe(1);
    expect(stdout).toContain(`${addonName(other)}: ${facts.machine}, glibc ${facts.glibc}`);
    expect(stderr).toContain(`${addonName(other)}: it is for `);
  });
});
