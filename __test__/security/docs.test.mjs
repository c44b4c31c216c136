// What the documents promise: each promise has its test, each recipe runs, each named file is there.

import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { simRouter } from '@sigmacode/sim-adapter';
import express from 'express';
import { describe, expect, it } from 'vitest';

import { atEnd, documents, optionsFor, refusal, startSim, call as to } from './support.mjs';

const root = path.join(import.meta.dirname, '../..');
const read = (name) => readFileSync(path.join(root, name), 'utf8');
const nodeRequire = createRequire(import.meta.url);

describe('docs/security.md', () => {
  const rows = [...read('docs/security.md').matchAll(/^\| ([^|]+) \| `(__test__[^`]+)` \| ([^|]+) \|$/gm)];

  it('names a test for each promise, and the test is there', () => {
    expect(rows.length).toBeGreaterThan(30);
    const missing = rows.filter(([, , file, name]) => !existsSync(path.join(root, file)) || !read(file).includes(name));
    expect(missing.map(([, promise, file, name]) => [promise, file, name])).toEqual([]);
  });

  it('and SECURITY.md point to files that are there', () => {
    for (const [name, folder] of [
      ['docs/security.md', 'docs'],
      ['docs/identity.md', 'docs'],
      ['SECURITY.md', ''],
    ]) {
      const links = [...read(name).matchAll(/\]\(([\w./-]+\.md)\)/g)].map(([, link]) => path.join(root, folder, link));
      expect(links.filter((link) => !existsSync(link))).toEqual([]);
    }
  });
});

describe('docs/recipes-librechat.md', () => {
  const recipes = new Map(
    [...read('docs/recipes-librechat.md').matchAll(/^## ([^\n]+)\n(?:(?!^## ).*\n)*?```js\n([\s\S]*?)```/gm)].map(
      ([, title, code]) => [title, code],
    ),
  );

  const { PermissionTypes, Permissions } = nodeRequire('librechat-data-provider');
  const rights = (given) => ({ permissions: { [PermissionTypes.AGENTS]: given } });
  /** LibreChat's roles, balances and groups, as its models answer. */
  const models = {
    getRoleByName: async (name) =>
      ({
        AUTHOR: rights({ [Permissions.USE]: true, [Permissions.CREATE]: true }),
        USER: rights({ [Permissions.USE]: true, [Permissions.CREATE]: false }),
        GUEST: rights({ [Permissions.USE]: false }),
        ADMIN: rights({ [Permissions.USE]: true, [Permissions.CREATE]: true }),
      })[name] ?? null,
    findBalanceByUser: async (user) => ({ rich: { tokenCredits: 1000 }, poor: { tokenCredits: 0 } })[user] ?? null,
  };
  const findSubscription = async (user) => ({ rich: { active: true }, late: { active: false } })[user] ?? null;
  const findGroupsOf = async (user) => ({ ann: ['sales', 'support'] })[user] ?? [];

  /** As in LibreChat: middleware that answers 403 `{message}` itself. */
  const generateCheckAccess =
    ({ permissionType, permissions, getRoleByName }) =>
    async (req, res, next) => {
      const role = await getRoleByName(req.user.role);
      const given = role?.permissions?.[permissionType] ?? {};
      if (permissions.every((permission) => given[permission])) return next();
      return res.status(403).json({ message: 'Forbidden: Insufficient permissions' });
    };

  function requireJwtAuth(req, res, next) {
    const { 'x-test-user': id, 'x-test-role': role } = req.headers;
    if (id === undefined) return res.status(401).json({ message: 'Unauthorized' });
    req.user = { id, role };
    next();
  }

  /** Runs a recipe as a route file of LibreChat's. */
  async function mount(title) {
    const names = ['sales: offers', 'support: answers', 'echo'];
    const flows = names.map((name) => ({ id: name.replace(/\W+/g, '-'), name, document: documents.echo }));
    const sim = await startSim([], { flows });
    const modules = {
      '@librechat/api': { generateCheckAccess },
      '@sigmacode/sim-adapter': { simRouter: (options) => simRouter({ ...optionsFor(sim), ...options }) },
      '~/server/middleware': { requireJwtAuth },
      '~/models': models,
    };
    const routeFile = { exports: {} };
    new Function('require', 'module', 'findSubscription', 'findGroupsOf', recipes.get(title))(
      (name) => modules[name] ?? nodeRequire(name),
      routeFile,
      findSubscription,
      findGroupsOf,
    );
    const app = express().use('/api/sim', express.json(), requireJwtAuth, routeFile.exports);
    const server = app.listen(0, '127.0.0.1');
    await once(server, 'listening');
    atEnd(() => new Promise((resolve) => server.close(resolve).closeAllConnections()));
    const { port } = server.address();
    const host = { port, mount: '/api/sim', url: `http://127.0.0.1:${port}/api/sim` };
    return { sim, host, call: (...args) => to(host, ...args) };
  }

  it('has five recipes', () => {
    expect([...recipes.keys()]).toEqual([
      'Only users whose role may use agents',
      'Creating drafts only with the right to create agents',
      'No run without balance',
      'A plan for each role, and one for paying users',
      'Flows for some users only',
    ]);
  });

  it("LibreChat's own permissions keep a role out", async () => {
    const { sim, host, call } = await mount('Only users whose role may use agents');
    expect((await call('GET', '/flows', { role: 'USER' })).status).toBe(200);
    const asked = sim.requests.length;
    const guest = await fetch(`${host.url}/flows`, { headers: { 'x-test-user': 'eve', 'x-test-role': 'GUEST' } });
    expect([guest.status, Object.keys(await guest.json())]).toEqual([403, ['message']]);
    expect(sim.requests).toHaveLength(asked);
  });

  it("LibreChat's own permissions decide about drafts", async () => {
    const { sim, call } = await mount('Creating drafts only with the right to create agents');
    const create = (role) => call('POST', '/flows/create', { role, body: { name: 'draft' } });
    const refused = await create('USER');
    expect(refusal(refused)).toEqual([403, 'forbidden']);
    expect(refused.json.error.details).toEqual({ reason: 'your role may not create agents' });
    expect(refusal(await create('UNKNOWN'))).toEqual([403, 'forbidden']);
    expect(sim.requests).toEqual([]);
    expect((await create('AUTHOR')).status).toBe(201);
    expect((await call('POST', '/flows/echo/run', { role: 'USER' })).status).toBe(202);
  });

  it("LibreChat's balance decides about runs", async () => {
    const { sim, call } = await mount('No run without balance');
    for (const user of ['poor', 'unknown']) {
      const refused = await call('POST', '/flows/echo/run', { user });
      expect(refusal(refused)).toEqual([403, 'forbidden']);
      expect(refused.json.error.details).toEqual({ reason: 'no credit is left' });
    }
    expect(sim.requests).toEqual([]);
    expect((await call('POST', '/flows/echo/run', { user: 'rich' })).status).toBe(202);
    expect((await call('GET', '/flows', { user: 'poor' })).status).toBe(200);
  });

  it('plans of roles and subscriptions hold', async () => {
    const { call } = await mount('A plan for each role, and one for paying users');
    const statuses = async (user, role) => [
      (await call('POST', '/flows/echo/run', { user, role })).status,
      (await call('POST', '/flows/echo/run', { user, role })).status,
    ];
    expect(await statuses('late', 'USER')).toEqual([202, 429]);
    expect(await statuses('nobody', 'USER')).toEqual([202, 429]);
    expect(await statuses('rich', 'USER')).toEqual([202, 202]);
    expect(await statuses('root', 'ADMIN')).toEqual([202, 202]);
  });

  it('groups see their own flows', async () => {
    const { call } = await mount('Flows for some users only');
    const names = async (more) => (await call('GET', '/flows', more)).json.flows.map(({ name }) => name).sort();
    expect(await names({ user: 'ann' })).toEqual(['sales: offers', 'support: answers']);
    expect(await names({ user: 'bob' })).toEqual([]);
    expect(await names({ user: 'root', role: 'ADMIN' })).toHaveLength(3);
    expect(refusal(await call('POST', '/flows/sales-offers/run', { user: 'bob' }))).toEqual([404, 'not_found']);
  });
});
