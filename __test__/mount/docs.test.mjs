// The examples of docs/mount.md, taken from the page and mounted as they stand, under Express 4 and 5, on an emulated Sim.

import { EventEmitter, once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import path from 'node:path';
import mongoSanitize from 'express-mongo-sanitize';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { signIn } from '../../demo/sign-in.mjs';
import { deliver, ROOT } from '../hooks/support.mjs';
import { atEnd, call, documents, express4, express5, SECRET, startSim } from '../http/support.mjs';
import { start, watch } from '../live/support.mjs';
import { connect } from '../realtime/support.mjs';

const root = path.join(import.meta.dirname, '../..');
const page = readFileSync(path.join(root, 'docs/mount.md'), 'utf8');
/** Heading → the code below it. */
const sections = Object.fromEntries(
  page
    .split('\n## ')
    .slice(1)
    .map((part) => [part.split('\n', 1)[0], [...part.matchAll(/```js\n([\s\S]*?)```/g)].map(([, code]) => code)]),
);

const nodeRequire = createRequire(import.meta.url);
const EXPRESSES = [
  ['4', express4],
  ['5', express5],
];

/** Whoever the header names has signed in. */
function requireJwtAuth(req, res, next) {
  const id = req.headers['x-test-user'];
  if (id === undefined) return res.status(401).json({ message: 'Unauthorized' });
  req.user = { id, role: 'USER' };
  next();
}

let upstream;
let adapter;

beforeEach(async () => {
  upstream = await startSim(['echo', 'wait']);
  vi.stubEnv('SIM_BASE_URL', upstream.url);
  vi.stubEnv('SIM_API_KEY', upstream.apiKey);
  vi.stubEnv('SIM_WORKSPACE_ID', upstream.workspaceId);
  vi.stubEnv('SIM_HANDLE_SECRET', SECRET);
  vi.stubEnv('SIM_WEBHOOK_SECRET', ROOT);
  adapter = undefined;
});
afterEach(() => vi.unstubAllEnvs());

/** The package, but with routers that do not share an adapter: each test has a Sim of its own. */
const { simRouter: packageRouter, ...rest } = nodeRequire('@sigmacode/sim-adapter');
const simRouter = (options = {}) => {
  const router = packageRouter(options);
  ({ adapter } = router);
  const own = adapter;
  atEnd(() => own.close({ drainMs: 0 }));
  return router;
};
const requireFor = (express) => (name) =>
  ({ express, '@sigmacode/sim-adapter': { ...rest, simRouter }, '~/server/middleware': { requireJwtAuth } })[name] ??
  nodeRequire(name);

/** Runs code with these names in it; what it declares as `result` comes back. */
const run = (code, names, result = 'undefined') =>
  new Function(...Object.keys(names), `${code}\nreturn ${result};`)(...Object.values(names));

async function listen(server) {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEnd(() => new Promise((resolve) => server.close(() => resolve()).closeAllConnections()));
  const { port } = server.address();
  const origin = `http://127.0.0.1:${port}`;
  return { server, origin, url: `${origin}/api/sim`, port, mount: '/api/sim' };
}

/** A document in which a sanitiser would find something to delete. */
function dotted() {
  const document = structuredClone(documents.echo);
  document.state.variables = { 'limit.max': { id: 'limit', name: 'limit', type: 'plain', value: '1' } };
  return document;
}

/** What Sim has been told of the newest draft. */
const imported = () => String(upstream.requests.findLast(({ path: to }) => to.endsWith('/import')).body);

it('every example of the page is run below', () => {
  expect(Object.fromEntries(Object.entries(sections).map(([title, codes]) => [title, codes.length]))).toEqual({
    LibreChat: 2,
    'Express 4 and 5, with everything': 1,
    'ES modules': 1,
    'Before the body parsers': 1,
    'Behind express-mongo-sanitize': 2,
    'The fast lane': 2,
    Stop: 1,
  });
});

describe.each(EXPRESSES)('under Express %s', (_version, express) => {
  /** Mounts one example on an application of its own. */
  const mounted = (title, names = {}) => {
    const app = express();
    const [code] = sections[title];
    run(code, { app, express, requireJwtAuth, simRouter, ...names });
    return app;
  };

  it("LibreChat's route file is behind its sign-in", async () => {
    const [routeFile, mountLine] = sections.LibreChat;
    const module = { exports: {} };
    run(routeFile, { require: requireFor(express), module });
    const app = express().use(express.json({ limit: '3mb' }));
    run(mountLine, { app, routes: { sim: module.exports } });
    const host = await listen(createServer(app));
    const response = await fetch(`${host.url}/flows`);
    expect([response.status, await response.json()]).toEqual([401, { message: 'Unauthorized' }]);
    expect((await call(host, 'GET', '/flows')).status).toBe(200);
  });

  it('router, probes, hooks and sockets are on one adapter', async () => {
    const [code] = sections['Express 4 and 5, with everything'];
    const userOf = (id) => ({ id, role: 'USER' });
    const { server } = run(
      code,
      { require: requireFor(express), requireJwtAuth, userOfToken: userOf },
      '{ app, server, sim }',
    );
    const host = await listen(server);
    for (const probe of ['live', 'ready']) expect((await fetch(`${host.origin}/probes/sim/${probe}`)).status).toBe(200);
    expect((await fetch(`${host.url}/flows`)).status).toBe(401);

    const { join, until } = await connect(host.origin, { token: 'ann' });
    const id = await start(host, 'wait');
    expect(await join(id)).toEqual({ ok: true });
    await until('running');
    const hook = await deliver(`${host.origin}/api/sim-hooks`, JSON.stringify({ runId: upstream.runs[0].id }));
    expect([hook.status, hook.json]).toEqual([200, { ok: true }]);
    const cancelled = until('cancelled');
    expect((await call(host, 'POST', `/runs/${id}/cancel`)).status).toBe(200);
    await cancelled;
  });

  it('before the body parsers it takes what they would refuse', async () => {
    const app = mounted('Before the body parsers');
    app.post('/elsewhere', (_req, res) => res.end());
    app.use((error, _req, res, _next) => res.status(error.status).end());
    const host = await listen(createServer(app));
    const padded = JSON.stringify({ name: 'Large', document: documents.echo }) + ' '.repeat(20_000);
    const headers = { 'content-type': 'application/json' };
    expect((await fetch(`${host.origin}/elsewhere`, { method: 'POST', headers, body: padded })).status).toBe(413);
    expect((await call(host, 'POST', '/flows/create', { body: padded })).status).toBe(201);
  });

  it('a document in a string passes the sanitiser whole, as an object it does not', async () => {
    // Express 5 makes `query` on each look; the sanitiser wants to set it, so that LibreChat makes it a value before.
    const sanitize = () => [
      (req, _res, next) => {
        Object.defineProperty(req, 'query', { value: req.query, writable: true, configurable: true });
        next();
      },
      mongoSanitize(),
    ];
    const host = await listen(createServer(mounted('Behind express-mongo-sanitize', { mongoSanitize: sanitize })));
    const toHost = (method, to, body) => call(host, method, to, { body });
    const createDraft = run(sections['Behind express-mongo-sanitize'][1], {}, 'createDraft');
    expect((await createDraft(toHost, dotted())).status).toBe(201);
    expect(imported()).toContain('limit.max');
    expect((await toHost('POST', '/flows/create', { name: 'Draft', document: dotted() })).status).toBe(201);
    expect(imported()).not.toContain('limit.max');
  });

  it.each([
    ['', 0],
    [', behind a proxy', 1],
  ])('the fast lane is ahead of Express, and verifies tokens itself%s', async (_, behindProxy) => {
    const app = express().use(express.json());
    app.post('/login', signIn);
    app.use((_req, res) => res.status(418).end());
    const { attachFastLane } = rest;
    const { server, lane } = run(
      sections['The fast lane'][behindProxy],
      { app, port: 0, attachFastLane, resolveUser: ({ id }) => ({ id, role: 'USER' }) },
      '{ server, lane }',
    );
    atEnd(() => lane.adapter.close({ drainMs: 0 }));
    atEnd(() => new Promise((resolve) => server.close(() => resolve()).closeAllConnections()));
    if (!server.listening) await once(server, 'listening');
    const origin = `http://127.0.0.1:${server.address().port}`;
    const headers = { 'content-type': 'application/json' };
    const login = await fetch(`${origin}/login`, { method: 'POST', headers, body: '{"username":"ada"}' });
    const { token } = await login.json();
    const flows = (authorization) => fetch(`${origin}/api/sim/flows`, { headers: { authorization } });
    expect((await flows(`Bearer ${token}`)).status).toBe(200);
    expect((await flows('Bearer no')).status).toBe(401);
    lane.detach();
    expect((await flows(`Bearer ${token}`)).status).toBe(418);
  });

  it('a stop ends streams and lets the server close', async () => {
    const app = express();
    const sim = simRouter();
    app.use('/api/sim', express.json(), requireJwtAuth, sim);
    const host = await listen(createServer(app));
    const watched = await watch(host, await start(host, 'wait'));
    await watched.until('status', ({ run: { status } }) => status === 'running');

    const process = new EventEmitter();
    run(sections.Stop[0], { server: host.server, sim, process });
    const closed = once(host.server, 'close');
    process.emit('SIGTERM');
    await closed;
    await expect(adapter.health()).rejects.toMatchObject({ code: 'shutting_down' });
    watched.abort();
  });
});

it('the ES module is one, and answers signed-in users', async () => {
  // Below the project, whose Express it finds. The package it has of its own, as one that was installed.
  const build = path.join(root, '.build');
  mkdirSync(build, { recursive: true });
  const folder = mkdtempSync(path.join(build, 'mount-'));
  atEnd(() => rmSync(folder, { recursive: true }));
  mkdirSync(path.join(folder, 'node_modules/@sigmacode'), { recursive: true });
  symlinkSync(root, path.join(folder, 'node_modules/@sigmacode/sim-adapter'));
  writeFileSync(path.join(folder, 'package.json'), '{"type":"module"}');
  writeFileSync(path.join(folder, 'sign-in.js'), "export { requireJwtAuth } from '../../demo/sign-in.mjs';\n");
  writeFileSync(path.join(folder, 'host.js'), sections['ES modules'][0]);
  const { app } = await import(path.join(folder, 'host.js'));
  app.post('/login', signIn);
  const host = await listen(createServer(app));
  const headers = { 'content-type': 'application/json' };
  const login = await fetch(`${host.origin}/login`, { method: 'POST', headers, body: '{"username":"ada"}' });
  const { token } = await login.json();
  expect((await fetch(`${host.url}/flows`)).status).toBe(401);
  const flows = await call(host, 'GET', '/flows', { headers: { authorization: `Bearer ${token}` } });
  expect(flows.json.flows.map(({ id }) => id).sort()).toEqual(['echo', 'wait']);
});
