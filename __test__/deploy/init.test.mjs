// init.sh: fresh secrets, never an overwritten file, on Debian's sh and on busybox alike.

import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';

import { emptyFolder, init, kit, run } from './support.mjs';

const SECRETS = [
  'BETTER_AUTH_SECRET',
  'ENCRYPTION_KEY',
  'API_ENCRYPTION_KEY',
  'INTERNAL_API_SECRET',
  'CRON_SECRET',
  'POSTGRES_PASSWORD',
  'REDIS_PASSWORD',
  'SIM_SIGNING_SECRET',
];

function settings(folder, file) {
  const lines = readFileSync(path.join(folder, file), 'utf8').split('\n');
  return Object.fromEntries(lines.filter((line) => /^[A-Z]/.test(line)).map((line) => line.split(/=(.*)/s, 2)));
}

const written = (folder) => readdirSync(folder).filter((name) => /^\.(env|init)|^librechat\.env$/.test(name));

test('every secret is 32 random bytes of its own, and both files agree on what is shared', () => {
  const folder = kit();
  const { status, stdout, stderr } = init(folder, 'https://sim.example.com/');
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });

  const sim = settings(folder, '.env');
  const librechat = settings(folder, 'librechat.env');
  const secrets = [...SECRETS.map((name) => sim[name]), librechat.SIM_HANDLE_SECRET];
  for (const secret of secrets) expect(secret).toMatch(/^[0-9a-f]{64}$/);
  expect(new Set(secrets).size).toBe(secrets.length);
  for (const secret of secrets) expect(stdout).not.toContain(secret);

  expect(sim.SIM_PUBLIC_URL).toBe('https://sim.example.com');
  for (const name of ['SIM_PUBLIC_URL', 'SIM_SIGNING_SECRET']) expect(librechat[name]).toBe(sim[name]);
});

test('only the owner can read what it writes', () => {
  const folder = kit();
  init(folder, 'https://sim.example.com');
  for (const file of written(folder)) expect(statSync(path.join(folder, file)).mode & 0o777).toBe(0o600);
});

// npm ships no .gitignore: a kit out of an installed package has none.
test("git is kept from the secrets, also in a kit that came without the repository's .gitignore", () => {
  const folder = kit();
  const ignore = path.join(folder, '.gitignore');
  const ours = readFileSync(ignore, 'utf8');
  rmSync(ignore);
  expect(init(folder, 'https://sim.example.com').status).toBe(0);
  expect(readFileSync(ignore, 'utf8')).toBe(ours);
  writeFileSync(path.join(folder, 'guard/sim-adapter-0.0.0.tgz'), '');
  expect(run('git', ['init', '--quiet'], { cwd: folder }).status).toBe(0);
  const { stdout } = run('git', ['status', '--porcelain', '--untracked-files=all'], { cwd: folder });
  expect(stdout.split('\n')).toContain('?? init.sh');
  expect(stdout).not.toMatch(/ (?:\.env|librechat\.env|guard\/.*\.tgz)$/m);
});

test('a .gitignore that is there already stays as it is', () => {
  const folder = kit();
  const ignore = path.join(folder, '.gitignore');
  writeFileSync(ignore, 'mine\n');
  expect(init(folder, 'https://sim.example.com').status).toBe(0);
  expect(readFileSync(ignore, 'utf8')).toBe('mine\n');
});

test('a second run changes nothing and says so', () => {
  const folder = kit();
  init(folder, 'https://sim.example.com');
  const before = ['.env', 'librechat.env'].map((file) => readFileSync(path.join(folder, file), 'utf8'));

  const { status, stderr } = init(folder, 'https://other.example.com');
  expect(status).toBe(1);
  expect(stderr).toContain('.env exists already');
  expect(['.env', 'librechat.env'].map((file) => readFileSync(path.join(folder, file), 'utf8'))).toEqual(before);
});

test.each(['.env', 'librechat.env'])('neither file is written when %s is there, be it a dangling link', (name) => {
  const folder = kit();
  symlinkSync('/nowhere/at/all', path.join(folder, name));
  expect(init(folder, 'https://sim.example.com').status).toBe(1);
  expect(written(folder)).toEqual([name]);
});

test.each([
  [[], 'none'],
  [['sim.example.com'], 'no scheme'],
  [['https://'], 'no host'],
  [['https://sim.example.com"; rm -rf /'], 'a quote'],
  [['https://sim.example.com\nSIM_BIND=0.0.0.0'], 'a second line'],
  [['ftp://sim.example.com'], 'another scheme'],
  [['https://a', 'wss://b'], 'a second'],
])('addresses that are none are refused: %j (%s)', (urls) => {
  const folder = kit();
  const { status, stderr } = init(folder, ...urls);
  expect(status).toBe(2);
  expect(stderr).toContain('usage:');
  expect(written(folder)).toEqual([]);
});

test("nothing but busybox's programs is needed", () => {
  const folder = kit();
  const programs = emptyFolder();
  const busybox = run('sh', ['-c', 'command -v busybox'], { cwd: folder }).stdout.trim();
  expect(run(busybox, ['--install', '-s', programs], { cwd: folder }).status).toBe(0);
  const { status, stderr } = run(path.join(programs, 'sh'), ['init.sh', 'https://sim.example.com'], {
    cwd: folder,
    env: { PATH: programs },
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(settings(folder, '.env').ENCRYPTION_KEY).toMatch(/^[0-9a-f]{64}$/);
});

test('without a source of randomness nothing is written', () => {
  const folder = kit();
  const programs = path.join(folder, 'programs');
  mkdirSync(programs);
  writeFileSync(path.join(programs, 'od'), '#!/bin/sh\ncat > /dev/null\n', { mode: 0o755 });
  const { status } = run('sh', ['init.sh', 'https://sim.example.com'], {
    cwd: folder,
    env: { PATH: `${programs}:${process.env.PATH}` },
  });
  expect(status).not.toBe(0);
  rmSync(programs, { recursive: true });
  expect(written(folder)).toEqual([]);
});
