// The package as its users get it: packed, installed into empty projects without running a script and without Rust, loaded
// in every way they may load it.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { NODES, nodeProgram } from '../../scripts/release/nodes.mjs';
import { manifests } from '../../scripts/release/platforms.mjs';
import { emptyFolder, install, node, pack, platform, project, reinstall, remove, root, run } from './support.mjs';

/** The Node of this test run, and those that are always tried. */
const VERSIONS = [...new Set([process.versions.node, ...NODES])];
const programOf = (version) => (version === process.versions.node ? process.execPath : nodeProgram(version));

const scope = (folder) => path.join(folder, 'node_modules/@sigmacode');

let work;
let tarballs;
beforeAll(() => {
  work = emptyFolder();
  tarballs = pack(work);
}, 180_000);
afterAll(() => remove(work));

test('the tarballs hold what users need and nothing else', () => {
  const { [project.name]: main, ...platforms } = tarballs;
  const names = main.files.map(({ path: name }) => name);
  for (const name of [
    'index.js',
    'index.d.ts',
    'native.js',
    'native.d.ts',
    'bin/sim-adapter.js',
    'README.md',
    'LICENSE',
  ]) {
    expect(names).toContain(name);
  }
  expect(names.filter((name) => /\.(node|rs|toml|tgz|test\.\w+)$|__test__|^scripts|\.env$/.test(name))).toEqual([]);
  expect(Object.keys(platforms).sort()).toEqual(
    Object.values(manifests())
      .map(({ name }) => name)
      .sort(),
  );
  for (const { files } of Object.values(platforms)) {
    expect(files.map(({ path: name }) => name.replace(/\..*\.node$/, '.node')).sort()).toEqual([
      'LICENSE',
      'README.md',
      'package.json',
      'sim-adapter.node',
    ]);
  }
});

test('every link of a page leads to something that is in the package', () => {
  const { files } = tarballs[project.name];
  const names = files.map(({ path: name }) => name);
  const pages = names.filter((name) => name.endsWith('.md'));
  expect(pages).toContain('README.md');
  const dead = pages.flatMap((page) => {
    const links = [...readFileSync(path.join(work, 'staged/main', page), 'utf8').matchAll(/\]\((?!\w+:|#)([^)#\s]+)/g)];
    return links
      .map(([, to]) => path.join(path.dirname(page), to))
      .filter((to) => !names.some((name) => name === to || name.startsWith(`${to.replace(/\/$/, '')}/`)))
      .map((to) => `${page}: ${to}`);
  });
  expect(dead).toEqual([]);
});

describe.each([
  ['Express 5', { express: '^5.3.0', '@types/express': '^5.0.6' }],
  ['Express 4', { express: '^4.22.3', '@types/express': '^4.17.25' }],
])('with %s', (name, dependencies) => {
  let folder;
  beforeAll(() => {
    folder = path.join(work, name);
    install(folder, tarballs, { ...dependencies, '@types/node': '^20.19.43' });
  }, 180_000);

  test("npm takes this platform's package and no other", () => {
    expect(readdirSync(scope(folder)).sort()).toEqual(['sim-adapter', `sim-adapter-${platform}`]);
  });

  test('TypeScript compiles in both module systems, and looks into every declaration', () => {
    const tsc = path.join(root, 'node_modules/typescript/bin/tsc');
    expect(node([tsc, '--project', 'tsconfig.json'], folder)).toMatchObject({ status: 0, stdout: '' });
  }, 180_000);

  describe.each(VERSIONS)('on Node %s', { timeout: 60_000 }, (version) => {
    let program;
    beforeAll(() => {
      program = programOf(version);
    }, 180_000);

    const runs = (...args) => {
      const { status, stdout, stderr } = run(program, args, folder);
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      return JSON.parse(stdout);
    };

    test.each([
      ['require', 'require.cjs'],
      ['import', 'import.mjs'],
      ['what TypeScript made for require', 'typed-require.cjs'],
      ['what TypeScript made for import', 'typed-import.mjs'],
    ])('%s runs a flow, and the process ends by itself', (_how, file) => {
      expect(runs(file)).toEqual({ node: version, status: 'completed', refused: 'not_found' });
    });

    const workers = { onePort: true, started: 'completed', same: 'completed', exits: [0, 0] };

    test('cluster workers with one secret read the runs of each other, and all processes end by themselves', () => {
      const secret = 'not-a-secret-but-long-enough-for-one';
      expect(runs('cluster.cjs', secret)).toEqual({ ...workers, other: 'completed' });
    });

    test('worker threads each run a flow of their own, and all of them end by themselves', () => {
      const ends = [
        ['completed', 0],
        ['completed', 0],
      ];
      expect(runs('worker.cjs')).toEqual({ node: version, workers: ends, main: 'completed' });
    });

    test('cluster workers without a secret know only runs of their own', () => {
      expect(runs('cluster.cjs')).toEqual({ ...workers, other: 'not_found' });
    });
  });

  test('the command is there', () => {
    const command = path.join(folder, 'node_modules/.bin/sim-adapter');
    const { status, stdout } = node([command, '--help'], folder);
    expect(status).toBe(0);
    expect(stdout).toContain('Usage: sim-adapter guard');
  });
});

test('the last look before publishing runs flows under both', { timeout: 180_000 }, () => {
  const { status, stdout } = node([path.join(root, 'scripts/release/smoke.mjs'), work], root);
  expect(status).toBe(0);
  const ran = [...stdout.matchAll(/Express (\d+)\.\S+: (\S+) ran a flow to its end$/gm)].map(([, ...what]) => what);
  expect(ran).toEqual(['4', '5'].flatMap((express) => ['require.cjs', 'import.mjs'].map((file) => [express, file])));
});

describe('without the platform package', () => {
  let folder;
  beforeAll(() => {
    folder = path.join(work, 'omitted');
    install(folder, tarballs, {}, ['--omit=optional']);
  }, 180_000);

  test('the error names the package, the platform and the fix, and prints what was tried', () => {
    expect(existsSync(path.join(scope(folder), `sim-adapter-${platform}`))).toBe(false);
    const { status, stderr } = node(['-e', `require('${project.name}')`], folder);
    expect(status).toBe(1);
    const [message] = stderr.split('\n    at ');
    expect(message).toContain(`${project.name} has no native addon for ${platform} (Node v`);
    expect(message).toContain(`${project.name}-${platform} is not installed, or does not load`);
    expect(message).toContain(`npm install ${project.name}-${platform}@${project.version}`);
    expect(message).toContain('--omit=optional');
    expect(message).toContain(`  - Cannot find module '${project.name}-${platform}'`);
    expect(message).not.toContain('wasi');
  });

  test('a platform that nothing is built for is told how to build', () => {
    const pretend = "Object.defineProperty(process, 'arch', { value: 'riscv64' });";
    const { stderr } = node(['-e', `${pretend} require('${project.name}')`], folder);
    expect(stderr).toMatch(/no native addon for \w+-riscv64[\w-]*/);
    expect(stderr).toContain('there is no package for it');
    expect(stderr).toContain('npm run build');
  });

  test('installing with optional dependencies mends it', () => {
    reinstall(folder);
    expect(node(['-e', `require('${project.name}')`], folder)).toEqual({ status: 0, stdout: '', stderr: '' });
  });
});
