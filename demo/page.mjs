// Builds the page with Vite, as a front-end developer's own build would take the kit in. Knows no server.

import path from 'node:path';

import { build } from 'vite';

/** Where the page's sources are. */
const SOURCES = path.join(import.meta.dirname, 'page');

/** @param {string} outDir a folder of its own: it is emptied first */
export async function buildPage(outDir) {
  await build({ root: SOURCES, configFile: false, logLevel: 'warn', build: { outDir, emptyOutDir: true } });
  return outDir;
}
