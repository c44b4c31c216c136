// Runs flows on this machine: `node scripts/release/smoke.mjs` with the addon that was built in the top folder, or
// `node scripts/release/smoke.mjs TARBALLS` with what is about to be published, installed into empty projects beside each
// Express that is supported.

import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { main, root, StepError } from '../steps.mjs';
import { npmInstall, writeConsumer } from './consumer.mjs';
import { PLATFORMS, readJson } from './platforms.mjs';

const PROGRAMS = path.join(root, '__test__/package/fixtures/consumer');
const EXPRESSES = ['^4.22.3', '^5.3.0'];

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
  const express = createRequire(path.join(cwd, 'package.json'))('express/package.json').version;
  const where = `${process.platform}-${process.arch}, Node ${process.version}, Express ${express}`;
  console.log(`${where}: ${path.basename(file)} ran a flow to its end`);
}

main(() => {
  const [tarballs] = process.argv.slice(2);
  if (tarballs === undefined) {
    // Inside the repository the package's own name leads to it, and Express is among its tools.
    runFlow(root, path.join(PROGRAMS, 'require.cjs'));
    return;
  }
  for (const express of EXPRESSES) {
    const folder = mkdtempSync(path.join(tmpdir(), 'sim-smoke-'));
    try {
      cpSync(PROGRAMS, folder, { recursive: true });
      writeConsumer(folder, tarballsIn(path.resolve(tarballs)), { express });
      npmInstall(folder);
      for (const file of ['require.cjs', 'import.mjs']) runFlow(folder, path.join(folder, file));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
});
