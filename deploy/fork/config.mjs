// Reads brand.json and says everything that is wrong with it at once. Knows its form, and nothing of Sim's files.

import { readFileSync } from 'node:fs';

const COLOUR = /^#[0-9a-f]{6}$/i;
// A quote, a backslash or a line's end would change the files that these texts are written into.
const TEXT = /^[^\p{Cc}\\"'`$]+$/u;
const ADDRESS = /^https?:\/\/[^\s\\"'`$<>]+$/;
const IMAGE = /^(\/[\w./-]+|https?:\/\/[^\s\\"'`$<>]+)$/;
const EMAIL = /^[\w.+-]+@[\w-]+(\.[\w-]+)+$/;
const HANDLE = /^@\w+$/;

/** Path in brand.json → what it must look like, and whether it must be there. */
const FIELDS = {
  name: { pattern: TEXT, most: 60, required: true },
  tagline: { pattern: TEXT, most: 300, required: true },
  'colors.primary': { pattern: COLOUR },
  'colors.primaryHover': { pattern: COLOUR },
  'colors.accent': { pattern: COLOUR },
  'colors.accentHover': { pattern: COLOUR },
  'colors.background': { pattern: COLOUR },
  'images.logo': { pattern: IMAGE },
  'images.wordmark': { pattern: IMAGE },
  'images.favicon': { pattern: IMAGE },
  'links.css': { pattern: IMAGE },
  'links.documentation': { pattern: ADDRESS },
  'links.terms': { pattern: ADDRESS },
  'links.privacy': { pattern: ADDRESS },
  supportEmail: { pattern: EMAIL },
  twitter: { pattern: HANDLE },
  enterpriseFiles: { boolean: true },
};

/** The values of a nested object by dotted path. */
function flatten(value, prefix = '') {
  return Object.entries(value).flatMap(([key, each]) =>
    typeof each === 'object' && each !== null && !Array.isArray(each)
      ? flatten(each, `${prefix}${key}.`)
      : [[`${prefix}${key}`, each]],
  );
}

function complaint(path, value) {
  const field = FIELDS[path];
  if (field === undefined) return `${path}: there is no such setting`;
  if (field.boolean) return typeof value === 'boolean' ? null : `${path}: must be true or false`;
  if (typeof value !== 'string' || !field.pattern.test(value))
    return `${path}: ${JSON.stringify(value)} does not fit ${field.pattern}`;
  return value.length > (field.most ?? 500) ? `${path}: is longer than ${field.most ?? 500} characters` : null;
}

/** @returns {Record<string, string | boolean>} the settings of brand.json by dotted path */
export function readConfig(file) {
  const parsed = JSON.parse(readFileSync(file, 'utf8'));
  const settings = Object.fromEntries(flatten(parsed));
  const missing = Object.keys(FIELDS).filter((path) => FIELDS[path].required && settings[path] === undefined);
  const wrong = Object.entries(settings).flatMap(([path, value]) => complaint(path, value) ?? []);
  const all = [...missing.map((path) => `${path}: is missing`), ...wrong];
  if (all.length > 0) throw new Error(`${file}:\n  ${all.join('\n  ')}`);
  return settings;
}
