// What ships to browsers: small, without Node, with types that fit, for both versions of TanStack Query.

import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';

import * as kit from '@sigmacode/sim-adapter/client';
import { QueryClient as QueryClient4 } from '@tanstack/react-query';
import { QueryClient as QueryClient5 } from 'query-core-5';
import { build } from 'vite';
import { describe, expect, test } from 'vitest';

import { json, refusal, serve } from './support.mjs';

const root = path.join(import.meta.dirname, '../..');

/** Gzipped bytes of entries as a front end would take them in: minified, with React left out. */
async function sizeOf(...entries) {
  const output = await build({
    configFile: false,
    logLevel: 'warn',
    root,
    build: {
      write: false,
      minify: true,
      lib: { entry: entries.map((entry) => path.join(root, 'client', entry)), formats: ['es'] },
      rolldownOptions: { external: ['react'] },
    },
  });
  return output[0].output.reduce((sum, { code }) => sum + gzipSync(code).length, 0);
}

const LIMIT = 15_000;

test('client, components and style sheet together are below 15 KB gzipped, without React, and as big as docs/client.md says', async () => {
  const client = await sizeOf('index.js');
  const both = await sizeOf('index.js', 'react.js');
  const style = gzipSync(readFileSync(path.join(root, 'client/style.css'))).length;
  console.log('gzipped bytes:', { client, both, style });
  expect(both).toBeGreaterThan(client);
  expect(both + style).toBeLessThan(LIMIT);
  const said = [...readFileSync(path.join(root, 'docs/client.md'), 'utf8').matchAll(/([\d.]+) KB/g)];
  const [code, all, limit] = said.map(([, size]) => Number(size) * 1000);
  // Another version of zlib or of the minifier may save a few bytes more.
  expect(Math.abs(code - both)).toBeLessThan(250);
  expect(Math.abs(all - both - style)).toBeLessThan(250);
  expect(limit).toBe(LIMIT);
});

test('nothing of Node and nothing but React is imported', () => {
  const files = readdirSync(path.join(root, 'client'), { recursive: true }).filter((name) => name.endsWith('.js'));
  const imports = files.flatMap((name) =>
    [...readFileSync(path.join(root, 'client', name), 'utf8').matchAll(/from '([^.'][^']*)'/g)].map(
      (match) => match[1],
    ),
  );
  expect(files.length).toBeGreaterThan(10);
  expect(new Set(imports)).toEqual(new Set(['react']));
  const node = /\b(?:process|Buffer|require|setImmediate|__dirname)\b/;
  const code = (name) => readFileSync(path.join(root, 'client', name), 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '');
  expect(files.filter((name) => node.test(code(name)))).toEqual([]);
});

test('the types promise exactly what there is', async () => {
  const declared = (name) =>
    [...readFileSync(path.join(root, 'client', name), 'utf8').matchAll(/^export (?:function|class) (\w+)/gm)]
      .map((match) => match[1])
      .sort();
  expect(Object.keys(kit).sort()).toEqual(declared('index.d.ts'));
  const react = await import('@sigmacode/sim-adapter/client/react');
  expect(Object.keys(react).sort()).toEqual(declared('react.d.ts'));
});

test.each(['client/tsconfig.json', '__test__/types/react-19.json', 'examples/librechat/tsconfig.json'])(
  '%s has no type errors',
  async (project) => {
    const tsc = path.join(root, 'node_modules/.bin/tsc');
    const { stdout } = await promisify(execFile)(tsc, ['--project', project], { cwd: root }).catch((error) => error);
    expect(stdout).toBe('');
  },
  90_000,
);

describe.each([
  ['4', QueryClient4],
  ['5', QueryClient5],
])('TanStack Query %s', (_version, QueryClient) => {
  test('takes the options of queries and mutations', async () => {
    const flows = { flows: [{ id: 'f', name: 'F', description: null, deployed: true }], nextCursor: null };
    const server = await serve(json(200, flows), refusal(404, 'not_found'), json(201, { flow: { id: 'g' } }));
    const client = kit.createClient({ baseUrl: server.baseUrl, getToken: () => 't', refresh: async () => 't' });
    const cache = new QueryClient({ logger: { log() {}, warn() {}, error() {} } });
    expect(await cache.fetchQuery(kit.flowsQuery(client))).toEqual(flows);
    expect(cache.getQueryData(['sim', 'flows'])).toEqual(flows);
    await expect(cache.fetchQuery(kit.flowQuery(client, 'x'))).rejects.toMatchObject({ code: 'not_found' });
    const mutation = cache
      .getMutationCache()
      .build(cache, { ...kit.createFlowMutation(client), variables: { name: 'G' } });
    expect(await mutation.execute({ name: 'G' })).toEqual({ id: 'g' });
    expect(server.requests.at(-1).body).toEqual({ name: 'G' });
  });
});
