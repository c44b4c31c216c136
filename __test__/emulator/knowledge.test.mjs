// Knowledge bases of the emulator: found by words, filtered by tags, in both API generations. And v1's logs, which are
// read-only as well.

import { describe, expect, it } from 'vitest';
import { call, start, startWith } from './support.mjs';

const knowledge = [
  {
    id: 'kb-1',
    name: 'Animals',
    chunks: [
      { content: 'Cats sleep all day.', documentName: 'cats.md', metadata: { legs: 4, kind: 'cat' } },
      { content: 'Dogs bark at cats all night.', documentName: 'dogs.md', metadata: { legs: 4, kind: 'dog' } },
      { content: 'Birds sing.', documentName: 'birds.md', metadata: { legs: 2, kind: 'bird' } },
    ],
  },
  { id: 'kb-2', name: 'Plants', description: 'Green', chunks: [{ content: 'Trees grow.' }] },
  { id: 'kb-3', name: 'Other model', embeddingModel: 'other' },
];

const generations = [
  ['v1', '/api/v1/knowledge', ({ data }) => data, ({ data }) => data.knowledgeBases],
  ['v2', '/api/v2/knowledge', ({ data }) => data, ({ data }) => data],
];

describe.each(generations)('%s', (_name, path, found, basesOf) => {
  const search = async (body) => {
    const emulator = await start({ knowledge });
    const answer = await call(emulator, 'POST', `${path}/search`, {
      body: { workspaceId: emulator.workspaceId, knowledgeBaseIds: 'kb-1', ...body },
    });
    return answer;
  };
  const names = ({ json }) => found(json).results.map(({ documentName }) => documentName);

  it('lists bases with their sizes', async () => {
    const emulator = await start({ knowledge });
    const { json } = await call(emulator, 'GET', `${path}?workspaceId=${emulator.workspaceId}`);
    const listed = basesOf(json).map(({ id, name, docCount }) => [id, name, docCount]);
    expect(listed).toEqual([
      ['kb-1', 'Animals', 3],
      ['kb-2', 'Plants', 1],
      ['kb-3', 'Other model', 0],
    ]);
  });

  it('finds the chunks that share words with the query, best first', async () => {
    const answer = await search({ query: 'Why do dogs bark at cats?' });
    expect(names(answer)).toEqual(['dogs.md', 'cats.md']);
    const [first, second] = found(answer.json).results;
    expect(first.similarity).toBeGreaterThan(second.similarity);
    expect(found(answer.json)).toMatchObject({ topK: 10, totalResults: 2, knowledgeBaseIds: ['kb-1'] });
  });

  it('gives no more than topK', async () => {
    expect(names(await search({ query: 'cats', topK: 1 }))).toEqual(['cats.md']);
  });

  it.each([
    [{ tagName: 'kind', value: 'bird' }, ['birds.md']],
    [{ tagName: 'kind', operator: 'neq', value: 'bird' }, ['cats.md', 'dogs.md']],
    [{ tagName: 'kind', operator: 'contains', value: 'ir' }, ['birds.md']],
    [{ tagName: 'kind', operator: 'not_contains', value: 'd' }, ['cats.md']],
    [{ tagName: 'kind', operator: 'starts_with', value: 'd' }, ['dogs.md']],
    [{ tagName: 'kind', operator: 'ends_with', value: 't' }, ['cats.md']],
    [{ tagName: 'legs', operator: 'gt', value: 2 }, ['cats.md', 'dogs.md']],
    [{ tagName: 'legs', operator: 'gte', value: 4 }, ['cats.md', 'dogs.md']],
    [{ tagName: 'legs', operator: 'lt', value: 4 }, ['birds.md']],
    [{ tagName: 'legs', operator: 'lte', value: 2 }, ['birds.md']],
    [{ tagName: 'legs', operator: 'between', value: 1, valueTo: 3 }, ['birds.md']],
  ])('filters by the tag %j', async (filter, expected) => {
    expect(names(await search({ tagFilters: [filter] }))).toEqual(expected);
  });

  it('searches several bases at once, of one embedding model', async () => {
    const both = await search({ knowledgeBaseIds: ['kb-1', 'kb-2'], query: 'birds and trees' });
    expect(found(both.json).totalResults).toBe(2);
    expect((await search({ knowledgeBaseIds: ['kb-1', 'kb-3'], query: 'x' })).status).toBe(400);
  });

  it.each([
    [400, {}],
    [400, { query: 1 }],
    [400, { query: 'x', topK: 0 }],
    [400, { query: 'x', knowledgeBaseIds: Array(21).fill('kb-1') }],
    [404, { query: 'x', knowledgeBaseIds: 'kb-9' }],
    [404, { query: 'x', workspaceId: 'other' }],
  ])('answers %i to %j', async (status, body) => {
    expect((await search(body)).status).toBe(status);
  });

  it('hides the bases of another workspace', async () => {
    const emulator = await start({ knowledge });
    const { status } = await call(emulator, 'GET', `${path}?workspaceId=other`);
    expect([403, 404]).toContain(status);
    expect((await call(emulator, 'GET', path)).status).toBe(400);
  });
});

it('v2 refuses a search with a key that it does not know', async () => {
  const emulator = await start({ knowledge });
  const body = { workspaceId: emulator.workspaceId, knowledgeBaseIds: 'kb-1', query: 'x', color: 'red' };
  expect((await call(emulator, 'POST', '/api/v2/knowledge/search', { body })).status).toBe(400);
});

describe('logs', () => {
  it('keep one line for each run, newest first, and each block that ran', async () => {
    const { emulator, id } = await startWith(['echo', 'fail']);
    for (const name of ['echo', 'fail']) {
      await call(emulator, 'POST', `/api/workflows/${id[name]}/execute`, { body: { a: 1 } });
    }
    const path = `/api/v1/logs?workspaceId=${emulator.workspaceId}&details=full&includeFinalOutput=true`;
    const { json } = await call(emulator, 'GET', path);
    expect(json.data.map(({ workflow, level }) => [workflow.name, level])).toEqual([
      ['fail', 'error'],
      ['echo', 'info'],
    ]);
    const { executionData } = (await call(emulator, 'GET', `/api/v1/logs/${json.data[1].id}`)).json.data;
    expect(executionData.workflowInput).toEqual({ a: 1 });
    expect(executionData.traceSpans[0].children.map(({ name, status }) => [name, status])).toEqual([
      ['Start', 'success'],
      ['Work', 'success'],
    ]);
    const failed = (await call(emulator, 'GET', `/api/v1/logs/${json.data[0].id}`)).json.data.executionData;
    expect(failed.lastCompletedBlock.success).toBe(false);
  });

  it('are those of the flows that are asked for, page by page', async () => {
    const { emulator, id } = await startWith(['echo', 'fail']);
    for (const name of ['echo', 'fail', 'echo']) {
      await call(emulator, 'POST', `/api/workflows/${id[name]}/execute`, { body: {} });
    }
    const path = `/api/v1/logs?workspaceId=${emulator.workspaceId}&workflowIds=${id.echo}&limit=1`;
    const first = (await call(emulator, 'GET', path)).json;
    const second = (await call(emulator, 'GET', `${path}&cursor=${first.nextCursor}`)).json;
    expect([first.data[0].workflowId, second.data[0].workflowId]).toEqual([id.echo, id.echo]);
    expect(second.nextCursor).toBeUndefined();
  });

  it('say 404 and 400 like the rest of v1', async () => {
    const emulator = await start();
    expect((await call(emulator, 'GET', '/api/v1/logs')).status).toBe(400);
    expect((await call(emulator, 'GET', '/api/v1/logs/none')).status).toBe(404);
    expect((await call(emulator, 'GET', '/api/v1/logs/executions/none')).status).toBe(404);
  });
});
