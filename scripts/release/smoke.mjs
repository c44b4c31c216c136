// Runs one flow on this machine: `node scripts/release/smoke.mjs` with the addon that was built in the top folder, or
// `node scripts/release/smoke.mjs TARBALLS` with what is about to be published, installed into an empty project.

import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { main, root, StepError } from '../steps.mjs';
import { npmInstall, writeConsumer } from './consumer.mjs';
import { PLATFORMS, readJson } from './platforms.mjs';

const PROGRAMS = path.join(root, '__test__/package/fixtures/consumer');

/** `npm pack` names a file after package and version: `@a/b` in version 1.0.0 is `a-b-1.0.0.tgz`. */
function tarballsIn(folder) {
  const { name, version } = readJson(path.join(root, 'package.json'));
  const names = [name, ...Object.values(PLATFORMS).map((platform) => `${name}-${platform.name}`)];
  const present = readdirSync(folder);
  return Object.fromEntries(
    names.map((each) => {
      const file = `${each.replace('@', '').replace('/', '-')}-${version}.tgz`;
      if (!present.includes(file)) throw new StepError(`${file} is missing in ${folder}`);
      return [each, path.join(folder, file)];
    }),
  );
}

function runFlow(cwd, file) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [file], { cwd, encoding: 'utf8', timeout: 60_000 });
  if (status !== 0) throw new StepError(`${path.basename(file)} ended with ${status}:\n${stderr}`);
  const outcome = JSON.parse(stdout);
  if (outcome.status !== 'completed') throw new StepError(`the run ended as ${stdout}`);
  console.log(`${process.platform}-${process.arch}, Node ${process.version}: a flow ran to its end`);
}

main(() => {
  const [tarballs] = process.argv.slice(2);
  if (tarballs === undefined) {
    // Inside the repository the package's own name leads to it, and Express is among its tools.
    runFlow(root, path.join(PROGRAMS, 'require.cjs'));
    return;
  }
  const folder = mkdtempSync(path.join(tmpdir(), 'sim-smoke-'));
  try {
    cpSync(PROGRAMS, folder, { recursive: true });
    writeConsumer(folder, tarballsIn(path.resolve(tarballs)), { express: '^5.3.0' });
    npmInstall(folder);
    runFlow(folder, path.join(folder, 'require.cjs'));
    runFlow(folder, path.join(folder, 'import.mjs'));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
