// Lays out what is published: `node scripts/release/stage.mjs OUT [BINARIES] [--only PLATFORM]...`. The project's own
// package.json must not name the platform packages (before they are published, `npm ci` would refuse every clone), so
// they are written into the copy: OUT/main is the package itself, OUT/npm/<platform> each platform's.
//
// BINARIES (default: the top folder) is searched, with its folders, for sim-adapter.<platform>.node. Every platform's must
// be there, or with --only those of the named platforms.

import { cpSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { main, root, StepError } from '../steps.mjs';
import { addonName, manifests, readJson } from './platforms.mjs';

/** npm adds these to every package, whatever `files` says. */
const ALWAYS = ['README.md', 'LICENSE'];

/** Where this is published from, as GitHub's runners say it; npm compares it with the provenance. */
function repository() {
  const { GITHUB_SERVER_URL: server, GITHUB_REPOSITORY: name } = process.env;
  return name ? { repository: { type: 'git', url: `git+${server}/${name}.git` } } : {};
}

function writeJson(file, value) {
  writeFileSync(file, `${JSON.stringify(value, null, 2)}\n`);
}

function copy(names, from, to) {
  mkdirSync(to, { recursive: true });
  for (const name of names) {
    if (existsSync(path.join(from, name))) cpSync(path.join(from, name), path.join(to, name), { recursive: true });
  }
}

/** The addons below `folder`, by file name. Found twice, none of them is to be trusted. */
function addons(folder) {
  const found = new Map();
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.name.endsWith('.node') || entry.parentPath.includes('node_modules')) continue;
    if (found.has(entry.name)) throw new StepError(`${entry.name} is there more than once in ${folder}`);
    found.set(entry.name, path.join(entry.parentPath, entry.name));
  }
  return found;
}

/**
 * Writes the packages into `out`, which must not be there yet.
 *
 * @param {string} out
 * @param {{binaries?: string, only?: string[]}} [options]
 * @returns {{main: string, platforms: Record<string, string>}} the folders that `npm publish` and `npm pack` take
 */
export function stage(out, { binaries = root, only } = {}) {
  if (existsSync(out)) throw new StepError(`${out} is there already`);
  const project = readJson(path.join(root, 'package.json'));
  const all = manifests();
  const unknown = (only ?? []).filter((platform) => !(platform in all));
  if (unknown.length > 0) throw new StepError(`no such platform: ${unknown.join(', ')}`);

  const wanted = only ?? Object.keys(all);
  const built = binaries === root ? topAddons() : addons(binaries);
  const missing = wanted.filter((platform) => !built.has(addonName(platform)));
  if (missing.length > 0) throw new StepError(`no addon for ${missing.join(', ')} in ${binaries}`);

  // Overrides are for the tools: npm asks only a project's own manifest for them.
  const { scripts: _scripts, devDependencies: _tools, overrides: _forTools, ...published } = project;
  const optionalDependencies = Object.fromEntries(Object.values(all).map(({ name, version }) => [name, version]));
  copy([...project.files, ...ALWAYS], root, path.join(out, 'main'));
  writeJson(path.join(out, 'main/package.json'), { ...published, ...repository(), optionalDependencies });

  const platforms = {};
  for (const platform of wanted) {
    const folder = path.join(out, 'npm', platform);
    copy(['README.md'], path.join(root, 'npm', platform), folder);
    copy(['LICENSE'], root, folder);
    cpSync(built.get(addonName(platform)), path.join(folder, addonName(platform)));
    writeJson(path.join(folder, 'package.json'), { ...all[platform], ...repository() });
    platforms[platform] = folder;
  }
  return { main: path.join(out, 'main'), platforms };
}

/** The addons that a build here left in the top folder; below it are other projects' addons. */
function topAddons() {
  const names = readdirSync(root).filter((name) => name.endsWith('.node'));
  return new Map(names.map((name) => [name, path.join(root, name)]));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  main(() => {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { only: { type: 'string', multiple: true } },
    });
    const [out, binaries] = positionals;
    if (out === undefined)
      throw new StepError('usage: node scripts/release/stage.mjs OUT [BINARIES] [--only PLATFORM]...');
    const staged = stage(path.resolve(out), { binaries: binaries && path.resolve(binaries), ...values });
    console.log([staged.main, ...Object.values(staged.platforms)].join('\n'));
  });
}
