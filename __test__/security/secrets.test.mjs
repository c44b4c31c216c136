// No secret and no host name of Sim's in anything that leaves the adapter: answers, errors, log lines, what a process
// writes, what an error or an adapter looks like when it is printed.

import { inspect } from 'node:util';
import { SimAdapter } from '@sigmacode/sim-adapter';
import { describe, expect, it } from 'vitest';

import { startRedis } from './redis.mjs';
import { atEnd, startProcess, startSim } from './support.mjs';
import { sign } from './tokens.mjs';

const SECRETS = {
  apiKey: 'sk-sim-leak-api-key-0123456789',
  signing: 'leak-signing-secret-0123456789abcdef',
  olderSigning: 'leak-older-signing-secret-0123456789',
  handle: 'leak-handle-secret-0123456789abcdef',
  jwt: 'leak-jwt-secret-0123456789abcdef',
  redis: 'leak-redis-password',
  proxy: 'leak-proxy-password',
  webhook: 'leak-webhook-secret-0123456789abcdef',
  sims: 'leak-from-sims-own-body',
};
/** Unlike the address that the tests themselves use. */
const SIM_HOST = '127.0.0.2';

function leaks(text) {
  const found = Object.entries(SECRETS).filter(
    ([, secret]) => text.includes(secret) || text.includes(encodeURIComponent(secret)),
  );
  return [...found.map(([name]) => name), ...(text.includes(SIM_HOST) ? ['host of Sim'] : [])];
}

const words = {
  error: { code: 'X', message: Object.values(SECRETS).join(' '), details: [{ path: 'a', message: SECRETS.sims }] },
};
const FAULTS = [
  ...[301, 400, 401, 402, 403, 404, 408, 409, 413, 423, 429, 500, 502, 503].map((status) => ({
    kind: 'status',
    status,
    body: words,
    headers: { 'x-leak': SECRETS.sims, location: `http://${SIM_HOST}/${SECRETS.sims}` },
  })),
  { kind: 'status', status: 200, body: words },
  { kind: 'status', status: 200, body: SECRETS.sims, headers: { 'content-type': 'text/plain' } },
  { kind: 'html', title: SECRETS.sims },
  { kind: 'empty' },
  ...['truncated', 'cut-head', 'cut-body', 'huge-header', 'reset', 'refuse', 'hang'].map((kind) => ({ kind })),
];

describe('no secret', () => {
  it('is in any answer, log line or output of a process in which everything fails', async () => {
    const sim = await startSim(['echo', 'fail', 'approve'], { host: SIM_HOST, apiKey: SECRETS.apiKey });
    const redis = await startRedis({ password: SECRETS.redis });
    atEnd(() => redis.stop());
    const env = {
      SIM_BASE_URL: sim.url,
      SIM_API_KEY: SECRETS.apiKey,
      SIM_WORKSPACE_ID: sim.workspaceId,
      SIM_API_VERSION: 'v2',
      SIM_SIGNING_SECRET: `${SECRETS.signing},${SECRETS.olderSigning}`,
      SIM_HANDLE_SECRET: SECRETS.handle,
      SIM_WEBHOOK_SECRET: SECRETS.webhook,
      SIM_TIMEOUT_MS: '1000',
      SIM_CIRCUIT_OPEN_MS: '1',
      SIM_USER_MAX: '0',
      SIM_IP_MAX: '0',
      JWT_SECRET: SECRETS.jwt,
      USE_REDIS: 'true',
      REDIS_URI: redis.uri,
      HTTP_PROXY: `http://user:${SECRETS.proxy}@127.0.0.1:9`,
      NO_PROXY: SIM_HOST,
      NODE_ENV: 'development',
    };
    const { call, logs, output, settled, end, exited } = await startProcess(env, { auth: 'jwt' });
    const seen = [];
    const ask = async (...request) => {
      const { status, headers, text, json } = await call(...request);
      seen.push(`${status} ${JSON.stringify([...headers])} ${text}`);
      return json;
    };
    const token = sign({ id: 'ann', exp: 4102444800 }, SECRETS.jwt);
    for (const authorization of [`Bearer ${token}`, `Bearer ${token}x`, 'Bearer x', `Bearer ${SECRETS.jwt}`]) {
      await ask('GET', '/flows', { user: null, headers: { authorization } });
    }
    const { run } = await ask('POST', '/flows/approve/run', { body: { input: {} } });
    await ask('GET', '/health');
    for (const fault of FAULTS) {
      const remove = sim.addFault(fault);
      await Promise.all([
        ask('GET', '/health'),
        ask('GET', '/flows/echo'),
        ask('POST', '/flows/echo/run'),
        ask('POST', '/flows/create', { body: { name: 'draft' } }),
        ask('GET', `/runs/${run.id}/status`),
        ask('POST', `/runs/${run.id}/cancel`),
        ask('POST', '/proxy', { body: { method: 'GET', path: '/api/v2/workflows' } }),
      ]);
      remove();
    }
    await redis.stop();
    await ask('POST', '/flows/fail/run', { body: { mode: 'sync' } });
    await sim.close();
    await ask('GET', '/flows/echo');
    await settled();
    end();
    await exited;
    expect(seen.length).toBeGreaterThan(150);
    expect(seen.filter((answer) => leaks(answer).length > 0)).toEqual([]);
    expect(logs.filter((line) => leaks(JSON.stringify(line)).length > 0)).toEqual([]);
    expect(leaks(output())).toEqual([]);
  }, 60_000);

  it('is in a process’s last words when its configuration is wrong', async () => {
    const wrong = {
      SIM_BASE_URL: `http://user:${SECRETS.sims}@${SIM_HOST}/?key=${SECRETS.apiKey}`,
      SIM_API_KEY: `${SECRETS.apiKey}\u0000`.replace('\u0000', '\u00e9'),
      SIM_SIGNING_SECRET: SECRETS.signing.slice(0, 31),
      REDIS_URI: `redis//:${SECRETS.redis}@127.0.0.1`,
      PROXY: `ftp://user:${SECRETS.proxy}@127.0.0.1`,
      SIM_TIMEOUT_MS: SECRETS.sims,
      SIM_PUBLIC_URL: `https://user:${SECRETS.webhook}@chat.example`,
    };
    const { port, output } = await startProcess(wrong, { auth: 'jwt', jwtSecret: [''] });
    expect(port).toBe(null);
    expect(output()).toContain('not configured correctly');
    expect(leaks(output())).toEqual([]);
    expect(output()).not.toContain(SECRETS.signing.slice(0, 31));
  });

  it('shows when an adapter or its error is printed', async () => {
    const options = {
      baseUrl: `http://${SIM_HOST}:9`,
      apiKey: SECRETS.apiKey,
      signingSecret: SECRETS.signing,
      handleSecret: SECRETS.handle,
      auth: 'jwt',
      jwtSecret: SECRETS.jwt,
      redisUri: `redis://:${SECRETS.redis}@127.0.0.1:9`,
      connectTimeoutMs: 200,
    };
    const adapter = new SimAdapter(options);
    const error = await adapter.listFlows().catch((caught) => caught);
    for (const thing of [adapter, error]) {
      const text = `${inspect(thing, { depth: 20, showHidden: true })} ${JSON.stringify(thing)} ${thing.stack} ${String(thing)}`;
      expect(leaks(text)).toEqual([]);
    }
    await adapter.close({ drainMs: 0 });
  });
});
