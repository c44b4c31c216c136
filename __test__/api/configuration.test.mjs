// Configuration from environment and options: everything wrong is named at once, and no secret is ever repeated.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { SimAdapter, SimError, simRouter } from '@sigmacode/sim-adapter';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { optionsFor, SECRET, startAdapter, startSim } from '../http/support.mjs';

afterEach(() => vi.unstubAllEnvs());

const setEnv = (env) => {
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
};

/** The error of a configuration, and the names in it. */
function refused(options) {
  try {
    new SimAdapter(options);
  } catch (error) {
    expect(error).toBeInstanceOf(SimError);
    expect([error.code, error.status]).toEqual(['not_configured', 503]);
    for (const { name, message } of error.details.problems) expect(error.message).toContain(`${name} ${message}`);
    return { error, names: error.details.problems.map(({ name }) => name) };
  }
  throw new Error('the configuration was taken');
}

describe('problems', () => {
  it('of options are named all at once', () => {
    const { names } = refused({
      baseUrl: 'ftp://sim.example/?q=1',
      apiVersion: 'v3',
      timeoutMs: 0,
      syncTimeoutMs: '5',
      maxBodyBytes: 10,
      maxAnswerBytes: 1.5,
      publicUrl: 'sim.example',
      publicWsUrl: 'https://user@sim.example',
      signingSecret: 'short',
      handleSecret: [SECRET, 7],
      singleProcess: 'yes',
      caFile: 5,
      canRunFlow: 'echo',
      logger: () => {},
      workspaceId: () => 'w',
      baseURL: 'http://sim',
    });
    expect(names.sort()).toEqual(
      [
        'apiKey (SIM_API_KEY)',
        'apiVersion (SIM_API_VERSION)',
        'baseURL',
        'baseUrl (SIM_BASE_URL)',
        'caFile (SIM_CA_FILE)',
        'canRunFlow',
        'handleSecret (SIM_HANDLE_SECRET)',
        'logger',
        'maxAnswerBytes (SIM_MAX_ANSWER_BYTES)',
        'maxBodyBytes (SIM_MAX_BODY_BYTES)',
        'publicUrl (SIM_PUBLIC_URL)',
        'publicWsUrl (SIM_PUBLIC_WS_URL)',
        'signingSecret (SIM_SIGNING_SECRET)',
        'singleProcess',
        'syncTimeoutMs (SIM_SYNC_TIMEOUT_MS)',
        'timeoutMs (SIM_TIMEOUT_MS)',
        'workspaceId',
      ].sort(),
    );
  });

  it('of the environment are named all at once', () => {
    setEnv({ SIM_BASE_URL: 'sim', SIM_TIMEOUT_MS: 'soon', SIM_HANDLE_SECRET: 'x', PROXY: 'gopher://proxy' });
    expect(refused().names.sort()).toEqual([
      'PROXY',
      'apiKey (SIM_API_KEY)',
      'baseUrl (SIM_BASE_URL)',
      'handleSecret (SIM_HANDLE_SECRET)',
      'timeoutMs (SIM_TIMEOUT_MS)',
    ]);
  });

  it.each([
    ['baseUrl', 'http://user:hunter2@sim.example'],
    ['baseUrl', 'http://sim.example/?key=hunter2'],
    ['baseUrl', 'http://sim.example/#hunter2'],
    ['apiKey', 'hunter2\n'],
    ['apiKey', 'hunter2 ü'],
    ['signingSecret', 'hunter2'],
    ['handleSecret', 'hunter2'],
  ])('of a secret in %s do not repeat it (%#)', (name, value) => {
    const { error, names } = refused({ baseUrl: 'http://sim.example', apiKey: 'k', [name]: value });
    expect(names[0]).toMatch(new RegExp(`^${name} `));
    expect(error.message + error.stack + JSON.stringify(error.details)).not.toContain('hunter2');
  });

  it('of a file of authorities name the option', () => {
    const { names } = refused({ baseUrl: 'https://sim.example', apiKey: 'k', caFile: '/nowhere/ca.pem' });
    expect(names).toEqual(['caFile (SIM_CA_FILE)']);
  });

  it('of every source are listed at once', () => {
    const { names } = refused({
      baseUrl: 'https://sim.example',
      apiKey: 'k',
      timeoutMs: 0,
      caFile: '/nowhere/ca.pem',
      plans: { free: 1 },
      redisUri: 'nonsense',
      redisCa: '/nowhere/redis.pem',
      proxyRules: ['x'],
      gate: 5,
    });
    const expected = ['gate', 'timeoutMs (SIM_TIMEOUT_MS)', 'caFile (SIM_CA_FILE)', 'redisCa (REDIS_CA)', 'REDIS_URI'];
    expect(names).toEqual(expect.arrayContaining([...expected, 'proxyRules (SIM_PROXY_RULES)']));
    expect(names.some((name) => name.startsWith('plans.free'))).toBe(true);
  });

  it('are thrown by simRouter(), so that the host does not start', () => {
    expect(() => simRouter({ baseUrl: 'nonsense' })).toThrow(SimError);
  });

  it('of options that are no plain data are a refusal, not a crash', () => {
    const loop = {};
    loop.self = loop;
    expect(() => new SimAdapter({ plans: loop })).toThrow();
    expect(() => new SimAdapter({ timeoutMs: 5n })).toThrow();
  });
});

describe('settings', () => {
  it('come from the environment, with options before them', async () => {
    const sim = await startSim();
    setEnv({ SIM_BASE_URL: 'http://127.0.0.1:1', SIM_API_KEY: sim.apiKey, SIM_WORKSPACE_ID: sim.workspaceId });
    const adapter = startAdapter(null, { baseUrl: sim.url });
    expect((await adapter.listFlows()).flows).toHaveLength(1);
  });

  it('that are empty, undefined or null count as unset', async () => {
    const sim = await startSim();
    setEnv({ SIM_PUBLIC_URL: '', SIM_TIMEOUT_MS: ' ', SIM_API_VERSION: '', SIM_HANDLE_SECRET: '' });
    const adapter = startAdapter(sim, { publicUrl: null, timeoutMs: undefined, canRunFlow: null, logger: null });
    expect((await adapter.listFlows({ user: { id: 'ann' } })).flows).toHaveLength(1);
  });

  it('are read once: what the environment says later changes nothing', async () => {
    const sim = await startSim();
    const adapter = startAdapter(sim);
    setEnv({ SIM_BASE_URL: 'http://127.0.0.1:1' });
    expect((await adapter.health()).ok).toBe(true);
  });

  it('of a base URL may hold a sub-path, with or without a slash at its end', async () => {
    for (const suffix of ['/sim', '/sim/', '/a/b']) {
      const sim = await startSim();
      sim.addFault({ kind: 'status', status: 200, body: { status: 'ok' } });
      await startAdapter(sim, { baseUrl: sim.url + suffix }).health();
      expect(sim.requests[0].path).toBe(`${suffix.replace(/\/$/, '')}/api/health`);
    }
  });

  it('of a secret that is a list: handles of the older one still open', async () => {
    const sim = await startSim();
    const [old, young] = ['o'.repeat(32), 'y'.repeat(32)];
    const { run } = await startAdapter(sim, { handleSecret: old }).runFlow('echo');
    const both = startAdapter(sim, { handleSecret: [young, old] });
    expect((await both.runStatus(run.id)).run.flowId).toBe('echo');
    expect((await startAdapter(sim, { handleSecret: `${young}, ${old}` }).runStatus(run.id)).run.flowId).toBe('echo');
    const { run: newer } = await both.runFlow('echo');
    expect((await startAdapter(sim, { handleSecret: young }).runStatus(newer.id)).run.flowId).toBe('echo');
    await expect(startAdapter(sim, { handleSecret: young }).runStatus(run.id)).rejects.toMatchObject({
      code: 'not_found',
    });
  });

  it('without a secret are told to the log once, and handles end with the adapter', async () => {
    const sim = await startSim();
    const events = [];
    const logger = { warn: (_line, { event }) => events.push(event) };
    const adapter = startAdapter(sim, { handleSecret: undefined, logger });
    const { run } = await adapter.runFlow('echo');
    expect((await adapter.runStatus(run.id)).run.flowId).toBe('echo');
    expect(events).toEqual(['random_handle_key']);
    await expect(startAdapter(sim, { handleSecret: undefined }).runStatus(run.id)).rejects.toMatchObject({
      code: 'not_found',
    });
  });
});

it('index.d.ts names each option that the sources read', () => {
  const read = (name) => readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8');
  const [, options] = read('index.d.ts').match(/interface AdapterOptions \{([\s\S]*?)\n\}/);
  const typed = [...options.matchAll(/^ {2}(\w+)\?[:(]/gm)].map(([, name]) => name);
  const [sources] = read('src/config/mod.rs').split('#[cfg(test)]');
  const asked = [
    ...sources.matchAll(/\br\.(?!has|env|problem)\w+\(\s*"(\w+)"/g),
    ...sources.matchAll(/\("(\w+)", "SIM_\w+"/g),
  ];
  expect(asked.length).toBeGreaterThan(20);
  expect(typed.sort()).toEqual([...new Set(asked.map(([, name]) => name)), 'logger'].sort());
});

it('the functions of the package make one adapter from the environment, when the first one is used', async () => {
  const sim = await startSim();
  const { health, runFlow, runStatus } = createRequire(import.meta.url)('@sigmacode/sim-adapter');
  const { baseUrl, apiKey, workspaceId } = optionsFor(sim);
  setEnv({ SIM_BASE_URL: baseUrl, SIM_API_KEY: apiKey, SIM_WORKSPACE_ID: workspaceId });
  expect((await health()).ok).toBe(true);
  const { run } = await runFlow('echo');
  expect((await runStatus(run.id)).run.id).toBe(run.id);
});
