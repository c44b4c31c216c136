// npm and the tools are started without a shell and without PATH: so they can be on Windows, too, where their commands are
// shell scripts.

import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';

import { npmProgram, packageProgram } from '../../scripts/npm.mjs';
import { readJson } from '../../scripts/release/platforms.mjs';
import { emptyFolder, remove, root, run } from './support.mjs';

const version = (file) => run(process.execPath, [file, '--version'], root).stdout.trim();

test('npm is found without PATH, also when another package manager runs this', () => {
  expect(version(npmProgram({}))).toMatch(/^\d+\.\d+\.\d+$/);
  expect(npmProgram({ npm_execpath: packageProgram('typescript', 'tsc') })).toBe(npmProgram({}));
});

test.each([
  ['@napi-rs/cli', 'napi'],
  ['vitest', undefined],
])('the program of %s is found', (name, program) => {
  const { version: installed } = readJson(path.join(root, 'node_modules', name, 'package.json'));
  expect(version(packageProgram(name, program))).toContain(installed);
});

test('no script starts a command that is a shell script on Windows', () => {
  const scripts = readdirSync(path.join(root, 'scripts'), { recursive: true }).filter((name) => name.endsWith('.mjs'));
  const command =
    /\b(?:must|run|spawn|spawnSync|execFile|execFileSync)\(\s*(?:'npm'|'npx'|path\.join\('node_modules\/\.bin'|'node_modules\/\.bin)/;
  expect(scripts.filter((name) => command.test(readFileSync(path.join(root, 'scripts', name), 'utf8')))).toEqual([]);
});

test.each(['installPrograms()', 'installPrograms(FULL)', 'installPrograms(PIP)'])(
  'on a bare Debian %s asks for pip, whatever else brings a Python without it',
  (call) => {
    const folder = emptyFolder();
    const asked = path.join(folder, 'asked');
    writeFileSync(path.join(folder, 'apt-get'), `#!/bin/sh\necho "$@" >> '${asked}'\n`, { mode: 0o755 });
    writeFileSync(path.join(folder, 'python3'), '#!/bin/sh\n', { mode: 0o755 });
    writeFileSync(asked, '');
    const system = JSON.stringify(path.join(root, 'scripts/system.mjs'));
    const program = `import { FULL, installPrograms, PIP } from ${system}; await ${call};`;
    const options = { env: { PATH: folder }, encoding: 'utf8' };
    const { stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], options);
    // Whoever is not root is told what to run.
    const wanted = process.getuid() === 0 ? readFileSync(asked, 'utf8') : stderr;
    expect(wanted).toMatch(/install .*\bpython3-pip\b/);
    remove(folder);
  },
);
