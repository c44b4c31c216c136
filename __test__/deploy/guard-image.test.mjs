// The steps of the guard's Dockerfile, run by a shell with the real npm in an empty folder. No image is built.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';

import { emptyFolder, root, run } from './support.mjs';

const dockerfile = readFileSync(path.join(root, 'deploy/guard/Dockerfile'), 'utf8').replaceAll('\\\n', '');
const [, install] = dockerfile.match(/^RUN (.*)$/m);
const entrypoint = JSON.parse(dockerfile.match(/^ENTRYPOINT (.*)$/m)[1]);

/** The RUN line in a folder that looks as the image does then; npm may ask nobody. */
const build = (folder, env) => run('sh', ['-c', install], { cwd: folder, env: { npm_config_offline: 'true', ...env } });

test('a tarball beside the Dockerfile is installed, and the image starts the guard', () => {
  const folder = emptyFolder();
  expect(run('npm', ['pack', '--ignore-scripts', root], { cwd: folder }).status).toBe(0);
  expect(dockerfile).toMatch(/^COPY Dockerfile \*\.tgz \.\/$/m);

  expect(build(folder, {}).status).toBe(0);
  const [command, ...args] = entrypoint;
  const { status, stdout } = run(command, [...args, '--help'], { cwd: folder });
  expect([status, stdout]).toEqual([0, expect.stringContaining('Usage: sim-adapter guard')]);
});

test('without a tarball the version is asked for, and has to be given', () => {
  const { status, stderr } = build(emptyFolder(), {});
  expect([status === 0, stderr]).toEqual([false, expect.stringMatching(/SIM_ADAPTER_VERSION.*is missing/)]);

  const named = build(emptyFolder(), { SIM_ADAPTER_VERSION: '9.9.9' });
  expect([named.status === 0, named.stderr]).toEqual([false, expect.stringMatching(/@sigmacode.{1,3}sim-adapter/)]);
});
