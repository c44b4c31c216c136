// What the changelog says of one version: `node scripts/release/changelog.mjs v1.2.3` prints that section. Refuses a tag that
// is not the version of package.json, and a version that the changelog does not tell of.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { main, root, StepError } from '../steps.mjs';
import { readJson } from './platforms.mjs';

/** The section of `version` in a text in the form of Keep a Changelog, without its heading; null when there is none. */
export function sectionOf(changelog, version) {
  const [, section] = `\n${changelog}`.split(`\n## [${version}]`);
  if (section === undefined) return null;
  const [body] = section.slice(section.indexOf('\n')).split('\n## ');
  return body.trim() || null;
}

/** Throws when `tag` is not that of the present version. */
export function checkTag(tag, { version } = readJson(path.join(root, 'package.json'))) {
  if (tag !== `v${version}`) throw new StepError(`the tag is ${tag}, package.json says ${version}`);
  return version;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  main(() => {
    const version = checkTag(process.argv[2]);
    const section = sectionOf(readFileSync(path.join(root, 'CHANGELOG.md'), 'utf8'), version);
    if (section === null) throw new StepError(`CHANGELOG.md has no section "## [${version}]", or an empty one`);
    console.log(section);
  });
}
