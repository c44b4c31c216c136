// How the adapter finds out which API a Sim speaks (`SIM_API_VERSION=auto`), and that its probes are within the contract.

import { describe, expect, it } from 'vitest';
import { requestFaults } from './support/contract.mjs';
import { enter, refusal } from './support/scene.mjs';

const auto = (apiVersions, more = {}) =>
  enter({
    generation: 'v2',
    ...more,
    sim: { apiVersions, ...more.sim },
    options: { apiVersion: 'auto', ...more.options },
  });

const pathsOf = ({ emulator }) => emulator.requests.map(({ path }) => path.split('?')[0]);

const V2 = '/api/v2/workflows';
const V1 = '/api/v1/workflows';

it.each([
  [['v2', 'v1'], 'v2', [V2]],
  [['v2'], 'v2', [V2]],
  [['v1'], 'v1', [V2, V1]],
  [['flows'], 'flows', [V2, V1, '/api/flows']],
])('of %j it speaks %s, after asking %j', async (served, generation, asked) => {
  const scene = await auto(served, { flows: ['echo'] });
  const { run } = await scene.way.runFlow(scene.id.echo, { mode: 'sync', input: { message: 'hi' } });
  expect(run.status).toBe('completed');
  expect(pathsOf(scene).slice(0, asked.length)).toEqual(asked);
  const count = scene.emulator.requests.length;
  await scene.way.runStatus(run.id);
  // It does not ask again.
  expect(scene.emulator.requests).toHaveLength(count + 1);
  expect((await scene.way.health()).sim.apiVersion).toBe(generation);
});

it('finds it out while looking at the health of Sim', async () => {
  const scene = await auto(['v1']);
  expect(await scene.way.health()).toMatchObject({ ok: true, sim: { apiVersion: 'v1' } });
  expect(pathsOf(scene)).toEqual(['/api/health', V2, V1]);
});

describe('an answer that decides nothing', () => {
  it.each([
    ['401', { kind: 'status', status: 401, body: { error: { code: 'UNAUTHORIZED', message: 'x' } } }, 'upstream_auth'],
    ['403', { kind: 'status', status: 403, body: { error: { code: 'FORBIDDEN', message: 'x' } } }, 'upstream_auth'],
    ['429', { kind: 'status', status: 429, body: { error: { code: 'RATE_LIMITED', message: 'x' } } }, 'upstream_busy'],
    [
      '500',
      { kind: 'status', status: 500, body: { error: { code: 'INTERNAL_ERROR', message: 'x' } } },
      'upstream_error',
    ],
    ['an HTML 404', { kind: 'html', status: 404 }, 'upstream_error'],
    ['an HTML 200', { kind: 'html', status: 200 }, 'upstream_error'],
    ['a redirect', { kind: 'redirect', location: '/login' }, 'upstream_error'],
  ])('%s: the call fails, and the next one asks again', async (_what, fault, code) => {
    const scene = await auto(['v2', 'v1'], { flows: ['echo'] });
    const undo = scene.emulator.addFault({ ...fault, path: V2 });
    expect(await refusal(scene.way.getFlow(scene.id.echo))).toMatchObject({ code });
    expect(new Set(pathsOf(scene))).toEqual(new Set([V2]));
    undo();
    expect((await scene.way.getFlow(scene.id.echo)).flow.name).toBe('echo');
    expect(pathsOf(scene).at(-1)).toBe(`${V2}/${scene.id.echo}`);
  });
});

it('asks without a workspace on purpose: that Sim calls the request bad tells that it is there', async () => {
  const scene = await auto(['v2'], { flows: ['echo'], options: { workspaceId: undefined } });
  expect((await scene.way.getFlow(scene.id.echo)).flow.name).toBe('echo');
  // Taken out of the record, because this one request is meant not to be as Sim documents it.
  const [probe] = scene.emulator.requests.splice(0, 1);
  expect(probe.path).toBe(`${V2}?limit=1`);
  const faults = requestFaults(probe, 'v2').map((fault) => fault.replace("Sim's OpenAPI: ", ''));
  expect(new Set(faults)).toEqual(
    new Set(['query must have required property \'workspaceId\' {"missingProperty":"workspaceId"}']),
  );
});
