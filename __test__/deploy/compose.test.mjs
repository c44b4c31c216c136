// The compose files: what docker-compose makes of them, what is published, and that nothing starts without its secrets.

import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { beforeAll, expect, test } from 'vitest';

import { parseYaml, schema } from '../../scripts/release/lint-tools.mjs';
import { config, init, kit, root } from './support.mjs';

const SIM = ['docker-compose.sim.yml'];
const read = (file) => readFileSync(path.join(root, file), 'utf8');
const VERSION = JSON.parse(read('package.json')).version;

/** The kit after init.sh, as docker-compose reads it. */
function started(env) {
  const folder = kit();
  expect(init(folder, 'https://sim.example.com').status).toBe(0);
  const { status, stdout, stderr } = config(folder, SIM, env);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return parseYaml(stdout)[0];
}

let services;
let networks;

beforeAll(() => {
  ({ services, networks } = started());
});

test.each(['docker-compose.sim.yml', 'docker-compose.librechat.yml'])(
  '%s is what the compose specification says',
  (file) => {
    const ajv = new Ajv2020({ strict: false, allErrors: true });
    addFormats.default(ajv);
    const valid = ajv.validate(schema('compose-spec'), parseYaml(read(`deploy/${file}`))[0]);
    expect({ valid, errors: ajv.errors }).toEqual({ valid: true, errors: null });
  },
);

test('only the guard is published, and only on this host', () => {
  const ports = Object.entries(services).flatMap(([name, { ports = [] }]) => ports.map((port) => [name, port]));
  expect(ports).toEqual([
    ['guard', '127.0.0.1:8080:8080/tcp'],
    ['guard', '127.0.0.1:8081:8081/tcp'],
  ]);
});

test('the host network and the engine are out of reach of every service', () => {
  for (const service of Object.values(services)) {
    expect(service.network_mode).toBeUndefined();
    expect(service.privileged).toBeUndefined();
    for (const volume of service.volumes ?? []) expect(volume).toMatch(/^(db|redis):/);
  }
});

test('of Sim, LibreChat can reach the guard alone', () => {
  const on = (network) => Object.keys(services).filter((name) => network in services[name].networks);
  expect(on('edge')).toEqual(['guard']);
  expect(services.guard.networks.edge.aliases).toEqual(['sim-guard']);
  expect(networks.edge.name).toBe('sim-edge');
});

test('database and redis have no way out', () => {
  expect(networks.data.internal).toBe(true);
  for (const name of ['db', 'redis', 'migrations']) expect(Object.keys(services[name].networks)).toEqual(['data']);
});

test('every image has a version, none is called latest', () => {
  for (const { image } of Object.values(services)) {
    expect(image).toMatch(/:[^:/]*\d[^:/]*$/);
    expect(image).not.toMatch(/latest/);
  }
});

test("a fork's images and branding take the place of Sim's", () => {
  const images = { simstudio: 'SIMSTUDIO', realtime: 'SIMREALTIME', migrations: 'SIMMIGRATIONS', cron: 'SIMCRON' };
  const image = (service) => `ghcr.io/example/${service}:v1.2.3`;
  const env = Object.fromEntries(Object.entries(images).map(([name, word]) => [`${word}_IMAGE`, image(name)]));
  const forked = started({ ...env, NEXT_PUBLIC_BRAND_NAME: 'Flows & more' }).services;
  for (const name of Object.keys(images)) expect(forked[name].image).toBe(image(name));

  expect(forked.simstudio.environment.NEXT_PUBLIC_BRAND_NAME).toBe('Flows & more');
  expect(services.simstudio.environment.NEXT_PUBLIC_BRAND_NAME ?? null).toBeNull();
});

test('every service that goes on has a healthcheck, and Sim waits for what it needs', () => {
  for (const [name, service] of Object.entries(services)) {
    expect([name, service.healthcheck !== undefined]).toEqual([name, name !== 'migrations']);
    for (const [needed, { condition }] of Object.entries(service.depends_on ?? {})) {
      expect(condition).toBe(needed === 'migrations' ? 'service_completed_successfully' : 'service_healthy');
    }
  }
  expect(Object.keys(services.simstudio.depends_on).sort()).toEqual(['db', 'migrations', 'realtime', 'redis']);
  expect(Object.keys(services.guard.depends_on)).toEqual(['simstudio']);
});

test("Sim's v2 API is switched on, and Sim calls itself past the guard", () => {
  expect(services.simstudio.environment).toMatchObject({
    V2_API: 'true',
    INTERNAL_API_BASE_URL: 'http://simstudio:3000',
    NEXT_PUBLIC_APP_URL: 'https://sim.example.com',
  });
});

test("browsers reach Sim's realtime server through the guard, on the editor's address", () => {
  expect(services.guard.command).toEqual([
    '--upstream',
    'http://simstudio:3000',
    '--realtime',
    services.simstudio.environment.SOCKET_SERVER_URL,
  ]);
  expect(services.simstudio.environment.NEXT_PUBLIC_SOCKET_URL).toBe('https://sim.example.com');
  expect(services.realtime.environment.ALLOWED_ORIGINS).toBe('https://sim.example.com');
  expect(Object.keys(services.realtime.networks)).toContain('sim');
});

test("Sim's realtime server is not taken for the host's own", () => {
  // SIM_PUBLIC_WS_URL is the adapter's name for the host's Socket.io server.
  for (const file of ['docker-compose.sim.yml', 'docker-compose.librechat.yml', 'env.example', 'init.sh']) {
    expect([file, read(`deploy/${file}`).includes('SIM_PUBLIC_WS_URL')]).toEqual([file, false]);
  }
});

test.each([
  'BETTER_AUTH_SECRET',
  'ENCRYPTION_KEY',
  'API_ENCRYPTION_KEY',
  'INTERNAL_API_SECRET',
  'CRON_SECRET',
  'POSTGRES_PASSWORD',
  'REDIS_PASSWORD',
  'SIM_SIGNING_SECRET',
  'SIM_PUBLIC_URL',
])('nothing starts without %s, and the message names it', (name) => {
  const folder = kit();
  init(folder, 'https://sim.example.com');
  const file = path.join(folder, '.env');
  writeFileSync(file, readFileSync(file, 'utf8').replace(new RegExp(`^${name}=.*$`, 'm'), `${name}=`));
  const { status, stderr } = config(folder, SIM);
  expect(status).not.toBe(0);
  expect(stderr).toContain(`\${${name}:?`);
});

test('every variable that a compose file asks for is explained, and none besides', () => {
  const names = (file, pattern) => {
    const found = [...read(`deploy/${file}`).matchAll(pattern)].map(([, name]) => name);
    return [...new Set(found)].sort();
  };
  const explained = (file) => names(file, /^#?([A-Z]\w*)=/gm);
  // `${NAME…}`, and a name without a value, which is passed on.
  const asked = (file) => names(file, /(?:(?<!\$)\$\{|^ {6}(?=[A-Z]\w*:$))(\w+)/gm);
  expect(asked('docker-compose.sim.yml')).toEqual(explained('env.example'));
  expect(asked('docker-compose.librechat.yml')).toEqual(['SIM_NETWORK', ...explained('init.sh')].sort());
});

test('no file of the kit holds a secret', () => {
  for (const file of ['docker-compose.sim.yml', 'docker-compose.librechat.yml', 'env.example', 'helm-values.yaml']) {
    for (const [, name, value] of read(`deploy/${file}`).matchAll(
      /^[ #]*(\w*(?:SECRET|PASSWORD|_KEY\w*))[=:][ ]?(\S*)/gm,
    )) {
      expect([name, value.replace(/^\$\{\w+:\?/, '')]).toEqual([name, value.startsWith('${') ? expect.anything() : '']);
    }
  }
});

test('the guard is the version of this package, everywhere, and built here', () => {
  expect(services.guard.build.args.SIM_ADAPTER_VERSION).toBe(VERSION);
  expect(services.guard).toMatchObject({ image: `localhost/sim-adapter-guard:${VERSION}`, pull_policy: 'build' });
  for (const file of ['deploy/docker-compose.sim.yml', 'deploy/guard-kubernetes.yaml', 'docs/deploy.md']) {
    const versions = [...read(file).matchAll(/sim-adapter-guard:([\w.-]+)/g)].map(([, version]) => version);
    expect([file, new Set(versions)]).toEqual([file, new Set([VERSION])]);
  }
});

test("LibreChat's server joins the guard's network and keeps its own", () => {
  const folder = kit();
  init(folder, 'https://sim.example.com');
  const secrets = readFileSync(path.join(folder, 'librechat.env'), 'utf8');
  writeFileSync(
    path.join(folder, '.env'),
    secrets.replace('SIM_API_KEY=', 'SIM_API_KEY=key').replace('WORKSPACE_ID=', 'WORKSPACE_ID=w'),
  );
  const base = "services: {api: {image: 'librechat:1', environment: ['HOST=0.0.0.0']}, mongodb: {image: 'mongo:8'}}\n";
  writeFileSync(path.join(folder, 'base.yml'), `version: '3.4'\n${base}`);

  const { status, stdout, stderr } = config(folder, ['base.yml', 'docker-compose.librechat.yml']);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const [joined] = parseYaml(stdout);
  expect(Object.keys(joined.services.api.networks).sort()).toEqual(['default', 'sim-edge']);
  expect(joined.services.mongodb.networks).toBeUndefined();
  expect(joined.services.api.environment).toMatchObject({ HOST: '0.0.0.0', SIM_BASE_URL: 'http://sim-guard:8080' });
  expect(joined.networks['sim-edge']).toMatchObject({ external: true, name: 'sim-edge' });
});

test("LibreChat's overlay names what its .env lacks", () => {
  const folder = kit();
  writeFileSync(path.join(folder, 'base.yml'), "version: '3.4'\nservices: {api: {image: 'librechat:1'}}\n");
  const { status, stderr } = config(folder, ['base.yml', 'docker-compose.librechat.yml']);
  expect(status).not.toBe(0);
  expect(stderr).toContain('${SIM_API_KEY:?');
});
