// What the README says is so: its settings are those of .env.example and of the sources, and its mount example runs.
// Knows the README's form (tables, fenced code), not its prose.

import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

import { documents, startEmulator } from '@sigmacode/sim-adapter/emulator';
import express from 'express';
import { afterEach, expect, test, vi } from 'vitest';

import { requireJwtAuth, signIn } from '../demo/sign-in.mjs';

const root = path.join(import.meta.dirname, '..');
const read = (name) => readFileSync(path.join(root, name), 'utf8');
const matches = (text, pattern) => [...text.matchAll(pattern)].map((match) => match[1]);

const readme = read('README.md');
const settings = matches(readme, /^\| `([A-Z_]+)` \|/gm);

/** Every page that people read, by name. */
const pages = () => {
  const folders = ['', 'docs', 'deploy/fork', 'examples/librechat'];
  const names = folders.flatMap((folder) =>
    readdirSync(path.join(root, folder)).map((name) => path.join(folder, name)),
  );
  return Object.fromEntries(names.filter((name) => name.endsWith('.md')).map((name) => [name, read(name)]));
};

const closers = [];
afterEach(async () => {
  vi.unstubAllEnvs();
  for (const close of closers.splice(0).reverse()) await close();
});

test('README and .env.example list the same settings in the same order', () => {
  expect(settings.length).toBeGreaterThan(0);
  expect(matches(read('.env.example'), /^([A-Z_]+)=/gm)).toEqual(settings);
});

test('every setting in .env.example has one comment line above it', () => {
  const lines = read('.env.example').split('\n');
  const bare = lines.filter((line, index) => /^[A-Z_]+=/.test(line) && !lines[index - 1].startsWith('# '));
  expect(bare).toEqual([]);
});

test('README lists exactly the SIM_ settings that the sources read', () => {
  const named = (folder, ending, pattern) =>
    readdirSync(path.join(root, folder), { recursive: true })
      .filter((name) => name.endsWith(ending))
      .flatMap((name) => matches(read(path.join(folder, name)), pattern));
  const sources = [...named('src', '.rs', /"(SIM_[A-Z_]+)"/g), ...named('express', '.js', /\b(SIM_[A-Z_]+)\b/g)];
  expect(settings.filter((name) => name.startsWith('SIM_')).sort()).toEqual([...new Set(sources)].sort());
});

test('README names each variable of other software that the adapter reads', () => {
  const [list] = matches(read('express/bridge.js'), /SHARED_VARIABLES = \[(.*?)\]/gs);
  const shared = matches(list, /'([A-Z_]+)'/g);
  expect(shared.length).toBeGreaterThan(0);
  expect(shared.filter((name) => !readme.includes(`\`${name}\``))).toEqual([]);
});

test('every page that README or another page points to is there', () => {
  const targets = Object.entries(pages()).flatMap(([name, text]) =>
    matches(text, /\]\((?!https?:|#)([^)#\s]+)/g).map((to) => path.join(path.dirname(name), to)),
  );
  expect(targets.length).toBeGreaterThan(50);
  expect(targets.filter((file) => !existsSync(path.join(root, file)))).toEqual([]);
});

test('each row of each table has as many cells as its head', () => {
  const cells = (row) => row.replaceAll('\\|', '').split('|').length;
  const odd = Object.entries(pages()).flatMap(([name, text]) => {
    const tables = text.replace(/```[\s\S]*?```/g, '').match(/^(?:\|.*\n)+/gm) ?? [];
    return tables.flatMap((table) => {
      const [head, ...rows] = table.trimEnd().split('\n');
      return rows.filter((row) => cells(row) !== cells(head)).map((row) => `${name}: ${row}`);
    });
  });
  expect(odd).toEqual([]);
});

test('npx never fetches a package by the bare name of the command', () => {
  const named = /npx (?!--no-install sim-adapter|--yes --package @sigmacode\/sim-adapter@)[^`\n]*sim-adapter/;
  const bare = Object.entries(pages()).filter(([, text]) => named.test(text));
  expect(bare.map(([name]) => name)).toEqual([]);
  const fetched = [...read('docs/guard.md').matchAll(/@sigmacode\/sim-adapter@(\S+)/g)].map(([, version]) => version);
  expect(fetched).toEqual([JSON.parse(read('package.json')).version]);
});

test("README's shortest path answers a signed-in user and refuses everybody else", async () => {
  const emulator = await startEmulator({ flows: [{ id: 'echo', name: 'echo', document: documents.echo }] });
  closers.push(() => emulator.close());
  // The four lines for .env, and no other.
  const own = { SIM_BASE_URL: emulator.url, SIM_API_KEY: emulator.apiKey, SIM_WORKSPACE_ID: emulator.workspaceId };
  const lines = matches(readme, /```sh\n(SIM_.*?)```/gs)[0]
    .trim()
    .split('\n');
  for (const name of lines.map((line) => line.split('=', 1)[0])) vi.stubEnv(name, own[name] ?? 'x'.repeat(64));

  // The example's two code blocks, with LibreChat's `~` and `routes` put in their place.
  const [routeFile, mountLine] = matches(readme, /```js\n(.*?)```/gs);
  const nodeRequire = createRequire(import.meta.url);
  const routeModule = { exports: {} };
  new Function('require', 'module', routeFile)(
    (name) => (name === '~/server/middleware' ? { requireJwtAuth } : nodeRequire(name)),
    routeModule,
  );
  const app = express();
  app.use(express.json({ limit: '3mb' }));
  app.post('/api/auth/login', signIn);
  new Function('app', 'routes', mountLine)(app, { sim: routeModule.exports });

  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(() => new Promise((resolve) => server.close(resolve).closeAllConnections()));
  const url = `http://127.0.0.1:${server.address().port}`;

  expect((await fetch(`${url}/api/sim/health`)).status).toBe(401);

  const headers = { 'content-type': 'application/json' };
  const login = await fetch(`${url}/api/auth/login`, { method: 'POST', headers, body: '{"username":"ada"}' });
  const { token } = await login.json();
  const health = await fetch(`${url}/api/sim/health`, { headers: { authorization: `Bearer ${token}` } });
  expect(health.status).toBe(200);
  expect(await health.json()).toMatchObject({ ok: true, sim: { reachable: true, apiVersion: 'v2' } });

  // As the browser kit starts runs: with a key for each gesture, which a handle secret is needed for.
  const start = await fetch(`${url}/api/sim/flows/echo/run`, {
    method: 'POST',
    headers: { ...headers, authorization: `Bearer ${token}`, 'idempotency-key': 'gesture-1' },
    body: '{"input":{}}',
  });
  expect([start.status, await start.json()]).toEqual([202, { run: expect.objectContaining({ status: 'queued' }) }]);
});
