// The workflows for GitHub: valid by GitHub's schema, nothing found by zizmor, every action pinned, no right too many. That
// they run is for GitHub's runners to show.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Ajv } from 'ajv';
import addFormats from 'ajv-formats';
import { beforeAll, describe, expect, test } from 'vitest';

import { parseYaml, schema, yamllint, zizmor } from '../../scripts/release/lint-tools.mjs';
import { PLATFORMS } from '../../scripts/release/platforms.mjs';
import { emptyFolder, root, run } from './support.mjs';

const WORKFLOWS = [
  '.github/workflows/ci.yml',
  '.github/workflows/full.yml',
  '.github/workflows/release.yml',
  'deploy/fork/images.yml',
  'deploy/fork/upstream.yml',
];
const KIT = ['docker-compose.sim.yml', 'docker-compose.librechat.yml', 'helm-values.yaml', 'guard-kubernetes.yaml'];
const RULES = `
extends: default
rules:
  document-start: disable
  braces: {min-spaces-inside: 0, max-spaces-inside: 1}
  comments: {min-spaces-from-content: 1}
  line-length: {max: 140}
  truthy: {allowed-values: ['true', 'false'], check-keys: false}
`;

const read = (file) => readFileSync(path.join(root, file), 'utf8');

test('yamllint finds nothing in any YAML file', () => {
  expect(yamllint(RULES, [...WORKFLOWS, ...KIT.map((file) => `deploy/${file}`)])).toBe('');
});

test('zizmor finds nothing, as strict as it can be', () => {
  const { status, output } = zizmor(WORKFLOWS);
  expect({ status, output }).toEqual({ status: 0, output: expect.stringContaining('No findings to report') });
});

describe.each(WORKFLOWS)('%s', (file) => {
  let workflow;
  beforeAll(() => {
    [workflow] = parseYaml(read(file));
  });

  const steps = () => Object.values(workflow.jobs).flatMap((job) => job.steps);

  test("is what GitHub's schema says", () => {
    const ajv = new Ajv({ strict: false, allErrors: true });
    addFormats.default(ajv);
    const valid = ajv.validate(schema('github-workflows'), workflow);
    expect({ valid, errors: ajv.errors }).toEqual({ valid: true, errors: null });
  });

  test('pins every action by its commit, with the version beside it', () => {
    const uses = [...read(file).matchAll(/uses:(.*)$/gm)].map(([, rest]) => rest.trim());
    for (const rest of uses) expect(rest).toMatch(/^[\w-]+\/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
  });

  test('gives no job a right that it does not name, and every job an end', () => {
    expect(workflow.permissions).toEqual({});
    for (const job of Object.values(workflow.jobs)) {
      expect(job.permissions).toBeDefined();
      expect(job['timeout-minutes']).toBeGreaterThan(0);
    }
  });

  test('runs only scripts that are there', () => {
    const commands = steps().flatMap(({ run = '' }) => [...run.matchAll(/node (scripts\/[\w./-]+)/g)]);
    for (const [, script] of commands) expect([script, existsSync(path.join(root, script))]).toEqual([script, true]);
  });

  test('puts no expression into a shell: values come by the environment', () => {
    for (const { run = '' } of steps()) expect(run).not.toContain('${{');
  });
});

test('every platform is built once, and the packages wait for all of them', () => {
  const [{ jobs }] = parseYaml(read('.github/workflows/release.yml'));
  const { include } = jobs.build.strategy.matrix;
  expect(Object.fromEntries(include.map(({ target, platform }) => [target, platform]))).toEqual(
    Object.fromEntries(Object.entries(PLATFORMS).map(([target, { name }]) => [target, name])),
  );
  for (const { platform, zig } of include) expect([platform, zig]).toEqual([platform, platform.startsWith('linux')]);
  expect(jobs.pack.needs).toBe('build');
});

test('nothing is published from a pull request, nor before it ran everywhere', () => {
  const [{ jobs }] = parseYaml(read('.github/workflows/release.yml'));
  expect(jobs.publish.if).toBe("github.event_name == 'push'");
  expect(jobs.publish.needs.sort()).toEqual(['smoke', 'smoke-container']);
  expect(jobs['dry-run'].if).toBe("github.event_name != 'push'");
  for (const [name, job] of Object.entries(jobs)) {
    expect([name, job.permissions['id-token'] === 'write']).toEqual([name, name === 'publish']);
  }
  const images = jobs['smoke-container'].strategy.matrix.image;
  expect(images).toContain('node:24-alpine');
  expect(images.some((image) => image.endsWith('-slim'))).toBe(true);
});

/** A script and what it imports, and what that imports. */
function withImports(script, seen = new Set()) {
  if (seen.has(script)) return seen;
  seen.add(script);
  for (const [, name] of read(script).matchAll(/from '(\.[^']+)'/g)) {
    withImports(path.join(path.dirname(script), name), seen);
  }
  return seen;
}

test('a pull request goes the way of a release when it touches anything on that way', () => {
  const text = read('.github/workflows/release.yml');
  const [{ on }] = parseYaml(text);
  const scripts = [...text.matchAll(/node (scripts\/[\w./-]+)/g)].flatMap(([, script]) => [...withImports(script)]);
  const built = ['src/lib.rs', 'build.rs', 'Cargo.toml', 'Cargo.lock', 'native.js', 'express/native.js', 'index.js'];
  const packed = ['package.json', 'package-lock.json', 'npm/linux-x64-gnu/package.json', 'CHANGELOG.md'];
  const covers = (pattern, file) =>
    pattern.endsWith('/**') ? file.startsWith(pattern.slice(0, -2)) : file === pattern;
  const { paths } = on.pull_request;
  for (const file of [...scripts, ...built, ...packed, '__test__/package/fixtures/consumer/flow.cjs']) {
    expect([file, paths.some((pattern) => covers(pattern, file))]).toEqual([file, true]);
  }
  expect(on).toHaveProperty('workflow_dispatch');
});

test('every addon is looked into, and what is published is what the dry run tried', () => {
  const [{ jobs }] = parseYaml(read('.github/workflows/release.yml'));
  const look = jobs.build.steps.find(({ run = '' }) => run.includes('check-addon.mjs'));
  expect(look.if).toBeUndefined();
  const publishing = ({ steps }) => steps.find(({ run = '' }) => run.includes('publish.mjs'));
  expect(publishing(jobs['dry-run']).run).toBe('node scripts/release/publish.mjs --dry-run tarballs');
  expect(publishing(jobs.publish).run).toBe('node scripts/release/publish.mjs tarballs');
  expect(publishing(jobs.publish).env).toEqual({ NPM_CONFIG_PROVENANCE: 'true' });
});

test('Rust is the same in every job', () => {
  const files = WORKFLOWS.filter((file) => file.startsWith('.github/'));
  const versions = files.flatMap((file) => [...read(file).matchAll(/(?:rust:|RUSTUP_TOOLCHAIN: )([\w.]+)/g)]);
  expect(new Set(versions.map(([, version]) => version))).toEqual(new Set([expect.stringMatching(/^\d+\.\d+\.\d+$/)]));
  for (const file of files) {
    for (const job of Object.values(parseYaml(read(file))[0].jobs)) {
      const compiles = job.steps.some(({ run = '' }) => /cross\.mjs|napi build|npm (test|run)/.test(run));
      const pinned = /^rust:/.test(job.container ?? '') || job.env?.RUSTUP_TOOLCHAIN !== undefined;
      expect([job.name, pinned]).toEqual([job.name, compiles]);
    }
  }
});

test("the release's page is made, and made whole by a second run", () => {
  const [{ jobs }] = parseYaml(read('.github/workflows/release.yml'));
  const { run: script } = jobs.publish.steps.find(({ name }) => name === 'Release page');
  const folder = emptyFolder();
  // gh as far as this step knows it: a page is there or not, and what is asked for is written down.
  const gh = `#!/bin/sh\necho "$2" >> asked\ncase "$2" in view) test -e page;; create) touch page;; esac\n`;
  writeFileSync(path.join(folder, 'gh'), gh, { mode: 0o755 });
  writeFileSync(path.join(folder, 'node'), '#!/bin/sh\necho notes\n', { mode: 0o755 });
  const env = { PATH: `${folder}:${process.env.PATH}`, GITHUB_REF_NAME: 'v1.2.3' };
  const once = () => run('bash', ['-e', '-o', 'pipefail', '-c', script], { cwd: folder, env });
  expect(once()).toMatchObject({ status: 0 });
  expect(once()).toMatchObject({ status: 0 });
  expect(readFileSync(path.join(folder, 'asked'), 'utf8').split('\n')).toEqual([
    'view',
    'create',
    'view',
    'upload',
    'edit',
    '',
  ]);
});

test('the tests run on every Node that is supported', () => {
  const [{ jobs }] = parseYaml(read('.github/workflows/ci.yml'));
  expect(jobs.test.strategy.matrix.node).toEqual([20, 22, 24]);
});

test('the pictures that the browser tests take are kept, also when a test fails', () => {
  const [{ jobs }] = parseYaml(read('.github/workflows/ci.yml'));
  const kept = jobs.test.steps.findIndex(({ uses = '' }) => uses.startsWith('actions/upload-artifact@'));
  expect(jobs.test.steps.findIndex(({ run }) => run === 'npm test')).toBe(kept - 1);
  expect(jobs.test.steps[kept]).toMatchObject({
    if: 'always()',
    with: { path: '.build/screenshots/*.png', 'include-hidden-files': true },
  });
  expect(read('__test__/browser/support.mjs')).toContain("path.join(build, 'screenshots')");
});
