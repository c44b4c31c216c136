// Publishes packed packages: `node scripts/release/publish.mjs TARBALLS`. The platforms first and the package itself last, so
// that it can never be installed without them; what the registry already has in this version is left alone, so that a
// second run goes on where the first broke off. Run by the release workflow only, which npm trusts.

import { readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

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

async function isPublished({ name, version }) {
  const { code, output } = await run('npm', ['view', `${name}@${version}`, 'version'], { quiet: true });
  return code === 0 && output.includes(version);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  main(async () => {
    const folder = path.resolve(process.argv[2] ?? '');
    for (const one of order(readdirSync(folder))) {
      await step(`${one.name}@${one.version}`, async () => {
        if (await isPublished(one)) return console.log('is there already');
        await must('npm', ['publish', '--provenance', '--access', 'public', path.join(folder, one.file)]);
      });
    }
  });
}
