#!/usr/bin/env node
// Brands a checkout of Sim. In the fork it is `branding/brand.mjs`, beside brand.json, the folder public/ with your images, and
// the two workflows. Running it again changes nothing; every change is listed.
//
//   node branding/brand.mjs [--dry-run] [--strict] [--tree FOLDER] [--config FILE]
//   node branding/brand.mjs --list      the files that it may change
//
// --strict: exit code 1 when this version of Sim lacks a place that is to be branded.

import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { readConfig } from './config.mjs';
import { IMAGES, isEnterprise, LANDMARKS, TEXTS, VARIABLES } from './places.mjs';

const HERE = path.dirname(fileURLToPath(import.meta.url));
const WORKFLOWS = ['images.yml', 'upstream.yml'];
const PUBLIC = 'apps/sim/public';

/** The user's own images, as paths below public/. */
function ownImages() {
  const folder = path.join(HERE, 'public');
  if (!existsSync(folder)) return [];
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return entries
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)).split(path.sep).join('/'))
    .sort();
}

/** Width and height of a PNG, null for anything else. */
function pngSize(bytes) {
  return bytes.subarray(0, 8).toString('latin1') === '\x89PNG\r\n\x1a\n'
    ? [bytes.readUInt32BE(16), bytes.readUInt32BE(20)]
    : null;
}

/** Everything that is to be written: `{file, what, content}` for whole files, `{file, what, edit}` for places in them. */
function plan(settings) {
  const lines = Object.entries(VARIABLES).filter(([, setting]) => settings[setting] !== undefined);
  const environment = lines.map(([variable, setting]) => `${variable}="${settings[setting]}"\n`).join('');
  const wrong = [];
  const images = ownImages().map((name) => {
    const content = readFileSync(path.join(HERE, 'public', name));
    const [wanted, found] = [IMAGES[name], pngSize(content)];
    if (wanted && String(wanted) !== String(found))
      wrong.push(`public/${name} must be a PNG of ${wanted.join(' x ')} pixels`);
    return { file: `${PUBLIC}/${name}`, what: 'image', content };
  });
  if (wrong.length > 0) throw new Error(wrong.join('\n'));
  return [
    { file: 'branding/brand.env', what: 'variables', content: Buffer.from(environment) },
    ...images,
    ...TEXTS.filter(({ setting }) => settings[setting] !== undefined).map(({ setting, pattern, ...place }) => ({
      ...place,
      // A function, since `$` has a meaning in a replacement string.
      edit: (text) => text.replace(pattern, (_, before) => `${before}'${settings[setting]}'`),
      pattern,
    })),
    ...WORKFLOWS.map((name) => ({
      file: `.github/workflows/${name}`,
      what: 'workflow',
      content: readFileSync(path.join(HERE, name)),
    })),
  ];
}

/** One file of the checkout; a link in it could lead out of it. */
function inside(tree, file) {
  const parts = file.split('/');
  for (let length = 1; length <= parts.length; length += 1) {
    const each = path.join(tree, ...parts.slice(0, length));
    if (lstatSync(each, { throwIfNoEntry: false })?.isSymbolicLink())
      throw new Error(`${file} is, or is below, a symbolic link`);
  }
  return path.join(tree, file);
}

/** Carries out one step in memory; `files` holds what the files will be. Returns what is to be said of it. */
function apply({ file, content, edit, pattern }, tree, files, settings) {
  if (isEnterprise(file) && !settings.enterpriseFiles) return 'skipped';
  const full = inside(tree, file);
  const before = files.get(file) ?? (existsSync(full) ? readFileSync(full) : null);
  if (edit && (before === null || before.toString('utf8').search(pattern) === -1)) return 'missed';
  const after = edit ? Buffer.from(edit(before.toString('utf8'))) : content;
  if (before?.equals(after)) return 'same';
  files.set(file, after);
  return 'set';
}

function brand({ tree, config, dryRun }) {
  const absent = LANDMARKS.filter((name) => !existsSync(path.join(tree, name)));
  if (absent.length > 0) throw new Error(`${tree} is no checkout of Sim: it lacks ${absent.join(', ')}`);
  const settings = readConfig(config);
  const files = new Map();
  const steps = plan(settings).map((step) => [apply(step, tree, files, settings), `${step.file}: ${step.what}`]);
  const given = new Set(ownImages());
  const isTheirs = (name) => !given.has(name) && existsSync(path.join(tree, PUBLIC, name));
  const unbranded = Object.keys(IMAGES).filter(isTheirs);
  steps.push(...unbranded.map((name) => ['theirs', `${PUBLIC}/${name}: Sim's own image stays`]));

  if (!dryRun) {
    for (const [file, content] of files) {
      mkdirSync(path.dirname(path.join(tree, file)), { recursive: true });
      writeFileSync(path.join(tree, file), content);
    }
  }
  return steps;
}

function main() {
  const { values } = parseArgs({
    options: {
      tree: { type: 'string', default: path.dirname(HERE) },
      config: { type: 'string', default: path.join(HERE, 'brand.json') },
      'dry-run': { type: 'boolean', default: false },
      strict: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
    },
  });
  if (values.list) {
    const images = [...new Set([...Object.keys(IMAGES), ...ownImages()])].map((name) => `${PUBLIC}/${name}`);
    const workflows = WORKFLOWS.map((name) => `.github/workflows/${name}`);
    console.log([...new Set([...TEXTS.map(({ file }) => file), ...images, ...workflows])].join('\n'));
    return;
  }
  const steps = brand({ tree: values.tree, config: values.config, dryRun: values['dry-run'] });
  for (const [outcome, what] of steps) console.log(`${outcome.padEnd(8)}${what}`);
  const count = (wanted) => steps.filter(([outcome]) => outcome === wanted).length;
  const done = values['dry-run'] ? 'would be set' : 'set';
  console.log(
    `${count('set')} ${done}, ${count('same')} already so, ${count('missed')} missed, ${count('skipped')} skipped`,
  );
  if (values.strict && count('missed') > 0) process.exitCode = 1;
}

try {
  main();
} catch (error) {
  console.error(`brand: ${error.message}`);
  process.exitCode = 1;
}
