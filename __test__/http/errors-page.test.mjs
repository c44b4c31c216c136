// docs/errors.md has one section for each code that the sources know, with its status; so do the types and the list below
// of causes that provoke each.

import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const read = (name) => readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8');

/** `{code: status}` as the sources have it. */
const codes = Object.fromEntries(
  [...read('src/error.rs').matchAll(/^ {4}\w+ = "([a-z_]+)", (\d+);$/gm)].map(([, code, status]) => [code, status]),
);

it('the sources’ list was found', () => {
  expect(Object.keys(codes).length).toBeGreaterThan(15);
});

it('docs/errors.md has a section for each code, in the same order, with its status', () => {
  const sections = [...read('docs/errors.md').matchAll(/^## `(\w+)`\n\n(\d+)\. /gm)];
  expect(sections.map(([, code]) => code)).toEqual(Object.keys(codes));
  for (const [, code, status] of sections) expect(status, code).toBe(codes[code]);
});

it('index.d.ts names each code', () => {
  const [, union] = read('index.d.ts').match(/type SimErrorCode =([^;]+);/);
  expect([...union.matchAll(/'(\w+)'/g)].map(([, code]) => code)).toEqual(Object.keys(codes));
});

it('each code is provoked by a test', () => {
  const tests = read('__test__/http/codes.test.mjs');
  const provoked = [...tests.matchAll(/^ {2}(\w+): \{$/gm)].map(([, code]) => code);
  expect(provoked.sort()).toEqual(Object.keys(codes).sort());
});

it('each reason of a conflict that the sources give is explained', () => {
  const files = readdirSync(new URL('../../src', import.meta.url), { recursive: true }).filter((name) =>
    name.endsWith('.rs'),
  );
  // A test may give any reason.
  const sources = files.map((name) => read(`src/${name}`).split('#[cfg(test)]')[0]);
  const given = sources.flatMap((text) => [...text.matchAll(/\bconflict\(\s*"(\w+)"/g)].map(([, word]) => word));
  // The one place that chooses among several.
  const [chooser] = sources.map((text) => /fn conflict_reason[\s\S]+?\n}/.exec(text)?.[0]).filter(Boolean);
  const chosen = [...chooser.matchAll(/(?:=>|\{\n) *"(\w+)"/g)].map(([, word]) => word);
  const reasons = new Set([...given, ...chosen]);
  expect(reasons.size).toBeGreaterThan(5);
  const [, table] = read('docs/errors.md').match(/\| reason \|([\s\S]+?)\n\n/);
  for (const reason of reasons) expect(table).toContain(`\`${reason}\``);
});
