// Publishing against a registry that lives in this process and speaks as much of npm's protocol as npm needs: each package once,
// and a second run goes on where the first broke off. Which packages there are, and in which order, is not asked here.

import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import path from 'node:path';
import { json } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';

import { npm } from '../../scripts/release/consumer.mjs';
import { publish } from '../../scripts/release/publish.mjs';
import { emptyFolder, remove } from './support.mjs';

const NAMES = ['@scope/tool-linux', '@scope/tool-darwin', '@scope/tool'];
const version = '1.2.3';
const packages = NAMES.map((name) => ({ name, version, file: `${name.slice(1).replace('/', '-')}-${version}.tgz` }));

/** What the registry has, in the order in which it came; and what it answers instead of an answer. */
const documents = new Map();
let refuse;

const server = createServer(async (req, res) => {
  const name = decodeURIComponent(new URL(req.url, 'http://registry').pathname.slice(1));
  const answer = (status, body) =>
    res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  const refused = refuse?.(req.method, name);
  if (refused) return answer(refused, { error: 'refused' });
  if (req.method === 'PUT') {
    documents.set(name, await json(req));
    return answer(201, { ok: true });
  }
  return documents.has(name) ? answer(200, documents.get(name)) : answer(404, { error: 'not found' });
});

let folder;
beforeAll(async () => {
  folder = emptyFolder();
  const sources = NAMES.map((name) => {
    const source = path.join(folder, 'sources', name);
    mkdirSync(source, { recursive: true });
    writeFileSync(path.join(source, 'package.json'), JSON.stringify({ name, version }));
    return source;
  });
  npm(['pack', '--pack-destination', folder, ...sources], folder);

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = `//127.0.0.1:${server.address().port}/`;
  writeFileSync(path.join(folder, 'npmrc'), `registry=http:${address}\n${address}:_authToken=not-a-secret\n`);
  vi.stubEnv('npm_config_userconfig', path.join(folder, 'npmrc'));
  vi.stubEnv('npm_config_registry', `http:${address}`);
  vi.stubEnv('npm_config_cache', path.join(folder, 'cache'));
  vi.stubEnv('npm_config_fetch_retries', '0');
}, 60_000);
afterAll(() => {
  vi.unstubAllEnvs();
  server.close();
  remove(folder);
});
beforeEach(() => {
  documents.clear();
  refuse = undefined;
});

const there = () => [...documents.keys()];

test('what broke off goes on where it was, and nothing is published twice', { timeout: 120_000 }, async () => {
  refuse = (method, name) => (method === 'PUT' && name === NAMES[1] ? 403 : null);
  await expect(publish(packages, { folder })).rejects.toThrow('npm-cli.js publish');
  expect(there()).toEqual(NAMES.slice(0, 1));
  refuse = undefined;
  expect(await publish(packages, { folder })).toEqual(NAMES.slice(1));
  expect(there()).toEqual(NAMES);
});

test('a dry run publishes nothing, and does not mind a version that is there', { timeout: 120_000 }, async () => {
  expect(await publish(packages, { folder, dryRun: true })).toEqual(NAMES);
  expect(there()).toEqual([]);
  await publish(packages.slice(0, 1), { folder });
  expect(await publish(packages.slice(0, 2), { folder, dryRun: true })).toEqual(NAMES.slice(1, 2));
  expect(there()).toEqual(NAMES.slice(0, 1));
});

test('another version of a package is not this one', { timeout: 60_000 }, async () => {
  await publish(packages.slice(0, 1), { folder });
  const [[, document]] = documents;
  document.versions = { '1.0.0': { ...document.versions[version], version: '1.0.0' } };
  document['dist-tags'] = { latest: '1.0.0' };
  expect(await publish(packages.slice(0, 1), { folder })).toEqual(NAMES.slice(0, 1));
});

test('a registry that cannot say what it has ends it before anything is published', { timeout: 60_000 }, async () => {
  refuse = (method) => (method === 'GET' ? 500 : null);
  await expect(publish(packages, { folder })).rejects.toThrow(`whether it has ${NAMES[0]}@${version}`);
  expect(there()).toEqual([]);
});
