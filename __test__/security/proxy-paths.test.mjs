// The corpus of paths at the router: what is refused says why and never reaches Sim; what is admitted arrives there
// exactly as it was written.

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

import { refusal, startAll, withoutSim } from './support.mjs';

const { cases } = JSON.parse(readFileSync(new URL('corpus/paths.json', import.meta.url), 'utf8'));

const pathOf = ({ path, repeat }) => (repeat ? path.replace('{…}', repeat[0].repeat(repeat[1])) : path);

/** Codes that are an answer to the path itself, not to what it names. */
const EXPECTED = { no_such_flow: [404, 'not_found'] };

async function check(sim, call, entry) {
  const { method = 'GET', expect: expected } = entry;
  const path = pathOf(entry);
  const before = sim.requests.length;
  const answer = await call('POST', '/proxy', { body: { method, path } });
  const arrived = sim.requests.slice(before).map((request) => `${request.method} ${request.path.split('?')[0]}`);
  const seen = `${answer.status} ${answer.json.error?.code ?? ''} ${answer.json.error?.details?.reason ?? ''}`;
  if (expected === 'admitted') {
    // A run whose handle is nobody's is not asked for; everything else is.
    const nobodys = /\/(runs|executions)\/[^/]+$/.test(path);
    const wanted = nobodys ? [] : [`${method} ${path}`];
    if (answer.json.error?.code === 'path_not_allowed') return `should be admitted: ${seen}`;
    return arrived.join() === wanted.join() ? null : `arrived as ${arrived.join()}`;
  }
  if (arrived.length > 0) return `reached Sim as ${arrived.join()}`;
  // Longer than the fields of the body may be at all.
  const tooLong = path.length > 2048 || method.length > 8;
  if (tooLong && refusal(answer).join() === '400,invalid_request') return null;
  if (EXPECTED[expected]) return refusal(answer).join() === EXPECTED[expected].join() ? null : seen;
  const [status, code] = refusal(answer);
  const { reason } = answer.json.error.details ?? {};
  return status === 403 && code === 'path_not_allowed' && reason === expected ? null : seen;
}

describe('the corpus of paths', () => {
  it(`gets the expected answers at the router (${cases.length} cases)`, async () => {
    const instances = new Map();
    const wrong = [];
    for (const entry of cases) {
      const key = JSON.stringify(entry.rules ?? []);
      if (!instances.has(key)) {
        const sim = { apiVersions: ['v2', 'v1', 'flows'] };
        instances.set(key, await startAll(['f', 'echo'], { sim, adapter: { proxyRules: entry.rules } }));
      }
      const { sim, call } = instances.get(key);
      const problem = await check(sim, call, entry);
      if (problem !== null) wrong.push(`${entry.name}: ${JSON.stringify(pathOf(entry)).slice(0, 80)}: ${problem}`);
    }
    expect(wrong).toEqual([]);
  });

  it('is one of at least 300 cases with tokens and headers', () => {
    const count = (name) =>
      JSON.parse(readFileSync(new URL(`corpus/${name}.json`, import.meta.url), 'utf8')).cases.length;
    const counts = { paths: count('paths'), tokens: count('tokens'), headers: count('headers') };
    const all = Object.values(counts).reduce((sum, one) => sum + one);
    console.log(`attack corpus: ${JSON.stringify(counts)}, ${all} in all`);
    expect(all).toBeGreaterThan(300);
  });
});

describe('POST /proxy', () => {
  it('refuses a path that is no text, and a body that is no such request', async () => {
    const { sim, call } = await startAll();
    const method = 'GET';
    await withoutSim(sim, async () => {
      for (const body of [
        {},
        { method },
        { path: '/api/flows' },
        { method, path: ['/api/flows'] },
        { method, path: { toString: 'x' } },
        { method: ['GET'], path: '/api/flows' },
        { method, path: '/api/flows', url: 'http://127.0.0.1/' },
        { method, path: '/api/flows', headers: { host: 'x' } },
        '[]',
      ]) {
        expect(refusal(await call('POST', '/proxy', { body }))).toEqual([400, 'invalid_request']);
      }
    });
  });

  it('gives a GET no body', async () => {
    const { sim, call } = await startAll();
    await withoutSim(sim, async () => {
      for (const body of [{}, { a: 1 }, [], 'x', 0, false]) {
        const answer = await call('POST', '/proxy', { body: { method: 'GET', path: '/api/v2/workflows', body } });
        expect(refusal(answer)).toEqual([400, 'invalid_request']);
      }
    });
  });

  it('sends a query as it was meant, and never as a part of the path', async () => {
    const { sim, call } = await startAll();
    const query = { limit: 2, search: 'a&b=c#d?e/../f', deployedOnly: true };
    const { status } = await call('POST', '/proxy', { body: { method: 'GET', path: '/api/v2/workflows', query } });
    expect(status).toBe(200);
    const url = new URL(sim.requests.at(-1).path, sim.url);
    expect(url.pathname).toBe('/api/v2/workflows');
    expect(Object.fromEntries(url.searchParams)).toEqual({
      limit: '2',
      search: 'a&b=c#d?e/../f',
      deployedOnly: 'true',
      workspaceId: sim.workspaceId,
    });
  });

  it('stays in its workspace', async () => {
    const { sim, call } = await startAll(['echo'], { adapter: { proxyRules: ['POST /api/v2/knowledge/search'] } });
    const path = '/api/v2/workflows';
    const other = { workspaceId: 'another' };
    await withoutSim(sim, async () => {
      for (const body of [
        { method: 'GET', path, query: other },
        { method: 'GET', path, query: { workspaceId: [sim.workspaceId, 'another'] } },
        { method: 'GET', path, query: { workspaceId: '' } },
        { method: 'POST', path: '/api/v2/knowledge/search', body: other },
        { method: 'POST', path: '/api/v2/knowledge/search', query: other, body: { workspaceId: sim.workspaceId } },
      ]) {
        expect(refusal(await call('POST', '/proxy', { body }))).toEqual([403, 'forbidden']);
      }
    });
    const own = { method: 'GET', path, query: { workspaceId: sim.workspaceId } };
    expect((await call('POST', '/proxy', { body: own })).status).toBe(200);
  });

  it.each([301, 302, 303, 307, 308])('follows no redirect (%i), and does not say where it went', async (status) => {
    const [{ sim, call }, { sim: elsewhere }] = await Promise.all([startAll(), startAll()]);
    const location = `${elsewhere.url}/api/v2/workflows`;
    sim.addFault({ kind: 'redirect', status, location });
    const answer = await call('POST', '/proxy', { body: { method: 'GET', path: '/api/v2/workflows' } });
    expect(refusal(answer)).toEqual([502, 'upstream_error']);
    expect(answer.headers.get('location')).toBe(null);
    expect(answer.text).not.toContain('127.0.0.1');
    expect(elsewhere.requests).toEqual([]);
  });
});
