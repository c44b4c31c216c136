// What docs/hooks.md says is so: its examples mount, and a hook reaches the watchers of the router beside it.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import express from 'express';
import { expect, it, vi } from 'vitest';
import { atEnd, SECRET, startSim } from '../http/support.mjs';
import { start, watch } from '../live/support.mjs';
import { deliver, ROOT } from './support.mjs';

const page = readFileSync(new URL('../../docs/hooks.md', import.meta.url), 'utf8');
const blocks = [...page.matchAll(/```js\n([\s\S]*?)```/g)].map(([, code]) => code);

it('every example of the page is run below', () => {
  expect(blocks.length).toBe(2);
});

it.each(blocks.map((code, index) => [index + 1, code]))(
  'example %i lets hooks reach the watchers',
  async (_n, code) => {
    const sim = await startSim(['wait']);
    vi.stubEnv('SIM_BASE_URL', sim.url);
    vi.stubEnv('SIM_API_KEY', sim.apiKey);
    vi.stubEnv('SIM_HANDLE_SECRET', SECRET);
    vi.stubEnv('SIM_WEBHOOK_SECRET', ROOT);
    vi.stubEnv('SIM_CALLBACK_URL', 'http://localhost/api/sim-hooks');
    const app = express();
    const requireJwtAuth = (req, _res, next) => {
      req.user = { id: req.headers['x-test-user'], role: 'USER' };
      next();
    };
    const nodeRequire = createRequire(import.meta.url);
    new Function('require', 'app', 'express', 'requireJwtAuth', code)(nodeRequire, app, express, requireJwtAuth);
    const server = app.listen(0, '127.0.0.1');
    await once(server, 'listening');
    atEnd(() => new Promise((resolve) => server.close(resolve).closeAllConnections()));
    const origin = `http://127.0.0.1:${server.address().port}`;
    const host = { url: `${origin}/api/sim` };

    const watched = await watch(host, await start(host, 'wait'));
    await watched.until('status', ({ run }) => run.status === 'running');
    const reads = () => sim.requests.filter(({ method, path }) => method === 'GET' && path.includes('/runs/')).length;
    // The poller has become slow: it would not look twice within two seconds by itself.
    await expect.poll(reads, { timeout: 15_000 }).toBeGreaterThanOrEqual(8);
    const before = reads();
    const payload = JSON.stringify({ runId: sim.runs[0].id });
    expect((await deliver(`${origin}/api/sim-hooks`, payload)).json).toEqual({ ok: true });
    await expect.poll(reads, { timeout: 2000, interval: 5 }).toBeGreaterThanOrEqual(before + 2);
    watched.abort();
  },
);

it('the page’s reasons are those of the sources', () => {
  const source = readFileSync(new URL('../../src/hooks/signature.rs', import.meta.url), 'utf8');
  const reasons = [...source.matchAll(/"(signature_\w+)"/g)].map(([, name]) => name);
  expect(reasons.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
  expect(reasons).toHaveLength(4);
});
