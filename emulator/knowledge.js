'use strict';

/**
 * Knowledge bases: listing and searching them, in both API generations. Similarity is the share of the query's words
 * that a chunk contains: no embeddings, no model.
 */

const { randomUUID } = require('node:crypto');
const { checkBody, checkPage, pageOf } = require('./check');
const { NO_STORE, v1Error, v2Error } = require('./gate');
const { json } = require('./http');
const { Refusal, route } = require('./router');

const SEARCH = {
  workspaceId: { type: 'string', min: 1, max: 128, required: true },
  knowledgeBaseIds: { type: 'stringOrStrings', min: 1, max: 20, required: true },
  query: { type: 'string', max: 32_768 },
  topK: { type: 'integer', min: 1, max: 100 },
  tagFilters: { type: 'list', max: 10 },
  searchMode: { type: 'string', values: ['vector', 'hybrid'], nullable: true },
  rerankerEnabled: { type: 'boolean' },
  rerankerModel: { type: 'string' },
  rerankerInputCount: { type: 'integer', min: 1, max: 100 },
};

/** An id of one base is text of any length; only lists are limited to 20. */
const searchFields = (body) =>
  typeof body?.knowledgeBaseIds === 'string'
    ? { ...SEARCH, knowledgeBaseIds: { type: 'string', min: 1, required: true } }
    : SEARCH;

/** The bases as seeded, with what Sim would add. */
function seedBases(seeds) {
  const createdAt = new Date().toISOString();
  return seeds.map(
    ({ id = randomUUID(), name, description = null, chunks = [], embeddingModel = 'text-embedding-3-small' }) => {
      const stored = chunks.map((chunk, chunkIndex) => ({
        documentId: randomUUID(),
        documentName: null,
        sourceUrl: null,
        metadata: {},
        chunkIndex,
        knowledgeBaseId: id,
        ...chunk,
      }));
      return { id, name, description, embeddingModel, chunks: stored, createdAt };
    },
  );
}

const baseView = ({ id, name, description, embeddingModel, chunks, createdAt }) => ({
  id,
  name,
  description,
  tokenCount: chunks.reduce((sum, { content }) => sum + words(content).length, 0),
  embeddingModel,
  embeddingDimension: 1536,
  chunkingConfig: { maxSize: 1024, minSize: 1, overlap: 200 },
  docCount: new Set(chunks.map(({ documentId }) => documentId)).size,
  connectorTypes: [],
  createdAt,
  updatedAt: createdAt,
});

const words = (text) => text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];

function similarity(query, content) {
  const asked = new Set(words(query));
  const present = new Set(words(content));
  return asked.size === 0 ? 0 : [...asked].filter((word) => present.has(word)).length / asked.size;
}

const OPERATORS = {
  eq: (found, value) => found === value,
  neq: (found, value) => found !== value,
  contains: (found, value) => String(found).includes(value),
  not_contains: (found, value) => !String(found).includes(value),
  starts_with: (found, value) => String(found).startsWith(value),
  ends_with: (found, value) => String(found).endsWith(value),
  gt: (found, value) => found > value,
  gte: (found, value) => found >= value,
  lt: (found, value) => found < value,
  lte: (found, value) => found <= value,
  between: (found, value, valueTo) => found >= value && found <= valueTo,
};

const passes = (chunk, filters) =>
  filters.every(({ tagName, operator = 'eq', value, valueTo }) =>
    OPERATORS[operator]?.(chunk.metadata[tagName], value, valueTo),
  );

function search(bases, { query = '', topK = 10, tagFilters = [] }) {
  return bases
    .flatMap(({ chunks }) => chunks)
    .filter((chunk) => passes(chunk, tagFilters))
    .map((chunk) => ({ ...chunk, similarity: query === '' ? 1 : similarity(query, chunk.content) }))
    .filter(({ similarity: found }) => found > 0)
    .sort((a, b) => b.similarity - a.similarity)
    .slice(0, topK);
}

/** Checks a search and answers what both generations share; `fail(status, code, message, details)` refuses. */
function searched(request, sim, fail, strict) {
  const body = request.json() ?? {};
  const faults = checkBody(body, searchFields(body), { strict });
  if (faults.length === 0 && !body.query && !body.tagFilters?.length) {
    faults.push({ path: 'query', message: 'A query or tag filters are required' });
  }
  if (faults.length > 0) {
    fail(400, 'BAD_REQUEST', 'Invalid request', faults);
  }
  const ids = [body.knowledgeBaseIds].flat();
  const bases = ids.map((id) => sim.knowledge.find((base) => base.id === id));
  if (body.workspaceId !== sim.workspaceId || bases.includes(undefined)) {
    fail(404, 'NOT_FOUND', 'Knowledge base not found or access denied');
  }
  if (new Set(bases.map(({ embeddingModel }) => embeddingModel)).size > 1) {
    fail(400, 'BAD_REQUEST', 'Selected knowledge bases use different embedding models');
  }
  const results = search(bases, body);
  return {
    results,
    query: body.query ?? '',
    knowledgeBaseIds: ids,
    topK: body.topK ?? 10,
    totalResults: results.length,
  };
}

const failV1 = (status, _code, message, details) => {
  throw new Refusal(v1Error(status, message, details && { details }));
};
const failV2 = (status, code, message, details) => {
  throw new Refusal(v2Error(status, code, message, details));
};

/** v1's knowledge routes over `sim`. */
function v1KnowledgeRoutes(sim) {
  const list = ({ query }) => {
    if (query.get('workspaceId') !== sim.workspaceId) {
      failV1(
        query.has('workspaceId') ? 403 : 400,
        null,
        query.has('workspaceId') ? 'Access denied' : 'Invalid request',
      );
    }
    const knowledgeBases = sim.knowledge.map(baseView);
    return json(200, { success: true, data: { knowledgeBases, totalCount: knowledgeBases.length } });
  };
  const find = (request) => {
    const found = searched(request, sim, failV1, false);
    const results = found.results.map(({ knowledgeBaseId, ...result }) => result);
    return json(200, { success: true, data: { ...found, results } });
  };
  return [route('GET', '/api/v1/knowledge', 'v1', list), route('POST', '/api/v1/knowledge/search', 'v1', find)];
}

/** v2's knowledge routes over `sim`. */
function v2KnowledgeRoutes(sim) {
  const list = ({ query }) => {
    const page = checkPage(query, { required: ['workspaceId'] });
    if (page.faults.length > 0) {
      failV2(400, 'BAD_REQUEST', 'Invalid request', page.faults);
    }
    if (query.get('workspaceId') !== sim.workspaceId) {
      failV2(404, 'NOT_FOUND', 'Workspace not found');
    }
    const named = sim.knowledge.filter(({ name }) =>
      name.toLowerCase().includes((query.get('search') ?? '').toLowerCase()),
    );
    const { page: bases, nextCursor } = pageOf(named, page);
    const data = bases.map((base) => ({ ...baseView(base), ownerEmail: 'owner@example.com', folderPath: '/' }));
    return json(200, { data, nextCursor }, NO_STORE);
  };
  const find = (request) => {
    const data = { ...searched(request, sim, failV2, true), rerankerStatus: 'not_requested' };
    return json(200, { data }, NO_STORE);
  };
  return [route('GET', '/api/v2/knowledge', 'v2', list), route('POST', '/api/v2/knowledge/search', 'v2', find)];
}

module.exports = { seedBases, v1KnowledgeRoutes, v2KnowledgeRoutes };
