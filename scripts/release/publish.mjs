// Publishes packed packages: `node scripts/release/publish.mjs [--dry-run] TARBALLS`. The platforms first and the package itself
// last, so that it can never be installed without them; what the registry already has in this version is left alone, so that
// a second run goes on where the first broke off. Run by the release workflow, which npm trusts and which asks for provenance.

import { readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { npmProgram } from '../npm.mjs';
import { main, must, root, run, StepError, step } from '../steps.mjs';
import { manifests, readJson } from './platforms.mjs';

/** Every package to publish, in order: `{name, version, file}`. */
export function order(files) {
  const { name, version } = readJson(path.join(root, 'package.json'));
  const names = [...Object.values(manifests()).map((manifest) => manifest.name), name];
  const packages = names.map((each) => ({
    name: each,
    version,
    file: `${each.replace('@', '').replace('/', '-')}-${version}.tgz`,
  }));
  const missing = packages.filter(({ file }) => !files.includes(file)).map(({ file }) => file);
  const strange = files.filter((file) => !packages.some((each) => each.file === file));
  if (missing.length + strange.length > 0) {
    throw new StepError(`missing: ${missing.join(', ') || 'none'}; not ours: ${strange.join(', ') || 'none'}`);
  }
  return packages;
}

const npm = (...args) => [process.execPath, [npmProgram(), ...args]];

async function isPublished({ name, version }) {
  const { code, output } = await run(...npm('view', '--json', `${name}@${version}`, 'version'), { quiet: true });
  if (code === 0) return output.includes(JSON.stringify(version));
  if (output.includes('"code": "E404"')) return false;
  throw new StepError(`the registry does not say whether it has ${name}@${version}:\n${output}`);
}

/**
 * Publishes in the order given, and stops at the first that fails.
 *
 * @param {{name: string, version: string, file: string}[]} packages
 * @param {{folder: string, dryRun?: boolean}} options where the files are; `dryRun` does all but publishing
 * @returns {Promise<string[]>} the names of those that were not there
 */
export async function publish(packages, { folder, dryRun = false }) {
  const options = ['--access', 'public', ...(dryRun ? ['--dry-run'] : [])];
  const missing = [];
  for (const one of packages) {
    await step(`${one.name}@${one.version}`, async () => {
      if (await isPublished(one)) return console.log('is there already');
      await must(...npm('publish', ...options, path.join(folder, one.file)));
      missing.push(one.name);
    });
  }
  return missing;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  main(async () => {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { 'dry-run': { type: 'boolean' } },
    });
    if (positionals.length !== 1) throw new StepError('usage: node scripts/release/publish.mjs [--dry-run] TARBALLS');
    const folder = path.resolve(positionals[0]);
    await publish(order(readdirSync(folder)), { folder, dryRun: values['dry-run'] });
  });
}
