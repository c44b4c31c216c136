// The requests that creating, listing and reading flows makes, each held against the contract as its test ends; and what
// the adapter answers. Through each door, for each generation.

import { describe, expect, it } from 'vitest';
import { documents } from '../../emulator/index.js';
import { GENERATIONS, seen } from './support/contract.mjs';
import { DOORS } from './support/doors.mjs';
import { bodyOf, enter, refusal } from './support/scene.mjs';

const ID = /^[0-9a-f-]{36}$/;
const CREATES = /^\/api\/(v2\/workflows(\/import)?|v1\/workflows\/import|flows)$/;
const matrix = GENERATIONS.flatMap((generation) => DOORS.map((door) => ({ generation, door })));

/** The JSON bodies of what created a flow. */
const creations = ({ sent }) => sent('POST', CREATES).map(bodyOf);

describe.each(matrix)('$generation through $door', ({ generation, door }) => {
  const start = (more) => enter({ generation, door, ...more });

  it('says that Sim is there, and which API it speaks', async () => {
    const { way, emulator } = await start();
    const { sim, ...rest } = await way.health();
    expect(rest).toEqual({ ok: true, breaker: 'closed' });
    expect(sim).toEqual({ reachable: true, apiVersion: generation, latencyMs: expect.any(Number) });
    expect(emulator.requests.map(({ method, path }) => `${method} ${path}`)).toEqual(['GET /api/health']);
  });

  it('creates an empty flow by its name', async () => {
    const scene = await start();
    const { flow } = await scene.way.createFlow({ name: 'Daily report', description: 'Each morning' });
    const [made] = scene.emulator.flows;
    expect(flow).toEqual({ id: made.id, name: 'Daily report', url: expect.stringContaining(made.id) });
    expect(flow.url).toMatch(/^https:\/\/sim\.example\.com\//);
    expect(made).toMatchObject({ name: 'Daily report', description: 'Each morning', deployed: generation === 'flows' });
    expect(Object.values(made.state.blocks).map(({ type }) => type)).toEqual(['start_trigger']);
  });

  it.each([
    ['an object', documents.echo],
    ['a JSON string', JSON.stringify(documents.echo)],
  ])('creates a flow from a document that is %s, under its own name', async (_form, document) => {
    const scene = await start();
    const { flow } = await scene.way.createFlow({ document });
    expect(flow).toMatchObject({ id: expect.stringMatching(ID), name: 'Echo' });
    expect(creations(scene)).toEqual([expect.objectContaining({ workflow: document })]);
    expect(scene.emulator.flows[0]).toMatchObject({ name: 'Echo', description: 'Gives back its input' });
  });

  it('creates a flow from a document under another name and description', async () => {
    const scene = await start();
    const { flow } = await scene.way.createFlow({ name: 'Mine', description: 'Copied', document: documents.approve });
    expect(flow.name).toBe('Mine');
    expect(creations(scene)).toEqual([expect.objectContaining({ name: 'Mine', description: 'Copied' })]);
    expect(scene.emulator.flows[0]).toMatchObject({ name: 'Mine', description: 'Copied' });
  });

  it.each(['Привет, "мир" \\ 🦀', 'x'.repeat(200)])('sends the name %s as it is', async (name) => {
    const scene = await start();
    expect((await scene.way.createFlow({ name })).flow.name).toBe(name);
  });

  it('deploys when asked, and answers when the flow can run', async () => {
    const { way, emulator } = await start({ sim: { deployMs: 60 } });
    const { flow } = await way.createFlow({ name: 'Echo', document: documents.echo, deploy: true });
    expect(emulator.flows.find(({ id }) => id === flow.id).deployed).toBe(true);
    const { run } = await way.runFlow(flow.id, { mode: 'sync', input: { message: 'hi' } });
    expect(run).toMatchObject({ status: 'completed', output: { result: { message: 'hi' } } });
  });

  it('lists deployed flows, over as many pages of its own and of Sim as there are', async () => {
    const many = Array.from({ length: 130 }, (_, at) => ({ name: `flow ${at}`, document: documents.echo }));
    const flows = [...many, { name: 'draft', document: documents.echo, deployed: false }];
    const { way, emulator, sent } = await start({ sim: { flows } });
    const listed = [];
    const sizes = [];
    let cursor;
    do {
      const page = await way.listFlows({ limit: 50, ...(cursor && { cursor }) });
      listed.push(...page.flows);
      sizes.push(page.flows.length);
      cursor = page.nextCursor;
    } while (cursor !== null);
    expect(sizes).toEqual([50, 50, 30]);
    expect(listed).toEqual(
      emulator.flows
        .filter(({ deployed }) => deployed)
        .map(({ id, name, description }) => ({ id, name, description, deployed: true })),
    );
    // Read once for everybody; Sim's pages hold a hundred.
    expect(sent('GET', /./)).toHaveLength(generation === 'flows' ? 1 : 2);
  });

  it('reads a flow with its inputs', async () => {
    const { way, id } = await start({ flows: ['echo'] });
    expect(await way.getFlow(id.echo)).toEqual({
      flow: {
        id: id.echo,
        name: 'echo',
        description: 'Gives back its input',
        deployed: true,
        inputs: [{ name: 'message', type: 'string' }],
      },
    });
  });

  it('does not find a flow that Sim does not know', async () => {
    const { way } = await start();
    expect(await refusal(way.getFlow('nowhere'))).toMatchObject({ code: 'not_found', status: 404 });
  });

  it('hands a document that Sim refuses back as an invalid request, with nothing of what Sim said', async () => {
    const { way } = await start();
    const error = await refusal(way.createFlow({ name: 'Broken', document: { state: { nothing: true } } }));
    expect(error).toMatchObject({ code: 'invalid_request', status: 400 });
    expect(JSON.stringify([error.message, error.details])).not.toContain('blocks');
  });

  it('asks nothing of Sim for what it can refuse itself', async () => {
    const { way, emulator } = await start();
    const calls = [
      () => way.createFlow({}),
      () => way.createFlow({ name: '' }),
      () => way.createFlow({ name: 'x'.repeat(201) }),
      () => way.createFlow({ name: 'x', description: 'x'.repeat(2001) }),
      () => way.createFlow({ document: 'no document' }),
      () => way.createFlow({ name: 'x', workspaceId: 'another' }),
      () => way.listFlows({ limit: 101 }),
      () => way.getFlow('a b'),
      () => way.getFlow('a/b'),
      () => way.getFlow('x'.repeat(129)),
    ];
    for (const call of calls) {
      expect(await refusal(call()), String(call)).toMatchObject({ code: 'invalid_request', status: 400 });
    }
    expect(emulator.requests).toEqual([]);
  });
});

it('made every request that has to do with flows', () => {
  const operations = [...seen].sort();
  const both = ['deploy', 'getFlow', 'health', 'importFlow', 'listFlows'];
  const expected = [
    ...['createFlow', 'deployment', 'readRun', 'start', ...both].map((name) => `v2 ${name}`),
    ...['readRun', 'start', ...both].map((name) => `v1 ${name}`),
    ...['createFlow', 'getFlow', 'health', 'listFlows', 'readRun', 'start'].map((name) => `flows ${name}`),
  ];
  expect(operations).toEqual(expected.sort());
});
