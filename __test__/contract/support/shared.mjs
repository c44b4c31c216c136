// What lies beside a checkout of this project and is not part of it: Sim's OpenAPI documents, and exchanges recorded from
// a running Sim. It must not know what they are compared with.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { it } from 'vitest';
import { haveOpenApi, haveRecordings, recordings } from '../../emulator/support.mjs';
import { openApi } from './api.mjs';

export { haveOpenApi, haveRecordings };

const documents = new URL('../sim-openapi/', recordings);
const read = (url) => JSON.parse(readFileSync(url, 'utf8'));

/** Sim's own descriptions, by generation. */
export const simApis =
  haveOpenApi && existsSync(documents)
    ? {
        v2: openApi('v2', read(new URL('openapi-v2-workflows.json', documents))),
        v1: openApi('v1', read(new URL('openapi-core.json', documents))),
      }
    : {};

/** The recorded exchanges, by name. */
export const exchanges = new Map(
  haveRecordings
    ? readdirSync(recordings)
        .filter((file) => file.endsWith('.json'))
        .sort()
        .map((file) => [file.replace(/\.json$/, ''), read(new URL(file, recordings))])
    : [],
);

/** In place of tests that need what is missing: says so, and passes. */
export function sayMissing(what, consequence) {
  it(`has no ${what} beside it`, () => {
    console.log(`no ${what} beside this project: ${consequence}`);
  });
}
