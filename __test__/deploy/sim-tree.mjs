// A small tree that is laid out like Sim's, with the texts and images that the branding changes, and a fork of it.

import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import { IMAGES } from '../../deploy/fork/places.mjs';
import { emptyFolder, root } from './support.mjs';

/** The first 24 bytes of a PNG, which hold its size. */
export function png(width, height) {
  const bytes = Buffer.alloc(24);
  bytes.write('\x89PNG\r\n\x1a\n\0\0\0\rIHDR', 'latin1');
  bytes.writeUInt32BE(width, 16);
  bytes.writeUInt32BE(height, 20);
  return bytes;
}

/** An image of Sim's, of a size in pixels or, without one, as SVG. */
const image = (size) => (size ? png(...size) : '<svg xmlns="http://www.w3.org/2000/svg"/>\n');

export const METADATA = 'apps/sim/ee/whitelabeling/metadata.ts';
export const MANIFEST = 'apps/sim/app/manifest.ts';

export const FILES = {
  'apps/sim/package.json': '{"name":"sim"}\n',
  ...Object.fromEntries(Object.entries(IMAGES).map(([name, size]) => [`apps/sim/public/${name}`, image(size)])),
  'docker/app.Dockerfile': 'FROM scratch\n',
  'packages/db/package.json': '{}\n',
  [METADATA]: [
    'export function metadata() {',
    '  const summaryFull = `Long words about Sim.`',
    '  const summaryShort = `Short words.`',
    "  return { type: 'website', twitter: { creator: '@theirs', site: '@theirs' }, creator: brand.name,",
    "    other: { 'msapplication-TileColor': '#33C482' } }",
    '}',
    'export function structured() {',
    '  return {',
    "    '@type': 'SoftwareApplication',",
    "    name: 'Sim',",
    '    description:',
    "      'What Sim is.',",
    "    creator: { '@type': 'Organization', name: 'Sim', url: SITE_URL },",
    '  }',
    '}',
    '',
  ].join('\n'),
  [MANIFEST]: [
    'export default function manifest() {',
    '  return {',
    "    name: brand.name === 'Sim' ? 'Sim and more' : brand.name,",
    '    short_name: brand.name,',
    '    description:',
    "      'What Sim is.',",
    "    shortcuts: [{ short_name: 'New', description: 'Create a flow' }],",
    '  }',
    '}',
    '',
  ].join('\n'),
};

export const BRAND = JSON.parse(readFileSync(path.join(root, 'deploy/fork/brand.example.json'), 'utf8'));

/** Writes files into a tree. */
export function write(tree, files) {
  for (const [file, content] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(tree, file)), { recursive: true });
    writeFileSync(path.join(tree, file), content);
  }
}

/** What a fork adds to Sim's files: the kit as `branding/`, with brand.json and images of its own. */
export function addKit(tree, { brand = {}, images = {} } = {}) {
  cpSync(path.join(root, 'deploy/fork'), path.join(tree, 'branding'), { recursive: true });
  write(tree, { 'branding/brand.json': JSON.stringify({ ...BRAND, enterpriseFiles: true, ...brand }) });
  for (const [name, content] of Object.entries(images)) write(tree, { [`branding/public/${name}`]: content });
}

/** A fork: Sim's files without some, and what it adds. */
export function fork({ without = [], ...kit } = {}) {
  const tree = emptyFolder();
  write(tree, Object.fromEntries(Object.entries(FILES).filter(([file]) => !without.includes(file))));
  addKit(tree, kit);
  return tree;
}
