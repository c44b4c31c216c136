'use strict';

/**
 * Sim's workflow document: reads what an import accepts, gives every part a fresh id, writes an export.
 * It knows nothing of HTTP, deployments or runs.
 */

const { randomUUID } = require('node:crypto');

/** Why a document was refused; the message is Sim's own. */
class InvalidDocument extends Error {}

const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);

function parseText(text) {
  try {
    return JSON.parse(text);
  } catch {
    throw new InvalidDocument('Invalid JSON');
  }
}

/** Accepts an export, a bare state, either inside `{data}`, and each of these as JSON text. */
function unwrap(workflow) {
  let found = typeof workflow === 'string' ? parseText(workflow) : workflow;
  if (isObject(found) && isObject(found.data)) {
    found = found.data;
  }
  const state = isObject(found) && isObject(found.state) ? found.state : found;
  const meta = isObject(found) && isObject(found.workflow) ? found.workflow : {};
  return { state, meta };
}

function requireState(state) {
  if (!isObject(state) || !isObject(state.blocks)) {
    throw new InvalidDocument('Missing or invalid field: blocks');
  }
  if (!Array.isArray(state.edges)) {
    throw new InvalidDocument('Missing or invalid field: edges');
  }
  for (const [id, block] of Object.entries(state.blocks)) {
    if (!isObject(block) || typeof block.type !== 'string' || typeof block.name !== 'string') {
      throw new InvalidDocument(`Invalid block ${id}: missing required fields`);
    }
  }
}

function renewBlock(block, id, newId) {
  const data = isObject(block.data) ? { ...block.data } : {};
  if (data.parentId !== undefined) {
    data.parentId = newId(data.parentId);
  }
  if (block.type === 'agent') {
    data.canonicalModes ??= { files: 'basic', vertexCredential: 'basic' };
  }
  return {
    enabled: true,
    horizontalHandles: true,
    advancedMode: false,
    errorEnabled: false,
    triggerMode: false,
    height: 0,
    position: { x: 0, y: 0 },
    subBlocks: {},
    outputs: {},
    locked: false,
    ...block,
    id,
    data,
  };
}

/** Loops and parallels are keyed by the id of their container block and list their members. */
function renewContainers(containers, newId) {
  const renewed = {};
  for (const [id, container] of Object.entries(isObject(containers) ? containers : {})) {
    const nodes = Array.isArray(container.nodes) ? container.nodes.map(newId) : [];
    renewed[newId(id)] = { ...container, id: newId(id), nodes };
  }
  return renewed;
}

/** Reads a document for import: `{name, description, state}` with fresh ids; throws `InvalidDocument`. */
function readDocument(workflow) {
  const { state, meta } = unwrap(workflow);
  requireState(state);
  const source = structuredClone(state);
  const ids = new Map(Object.keys(source.blocks).map((id) => [id, randomUUID()]));
  const newId = (id) => ids.get(id) ?? id;
  const blocks = {};
  for (const [id, block] of Object.entries(source.blocks)) {
    blocks[newId(id)] = renewBlock(block, newId(id), newId);
  }
  const edges = source.edges.map((edge) => ({
    sourceHandle: 'source',
    targetHandle: 'target',
    type: 'default',
    data: {},
    ...edge,
    id: randomUUID(),
    source: newId(edge.source),
    target: newId(edge.target),
  }));
  return {
    name: typeof meta.name === 'string' ? meta.name : undefined,
    description: typeof meta.description === 'string' ? meta.description : undefined,
    state: {
      blocks,
      edges,
      loops: renewContainers(source.loops, newId),
      parallels: renewContainers(source.parallels, newId),
      variables: isObject(source.variables) ? source.variables : {},
    },
  };
}

/** The state of a new, empty workflow: a start block alone. */
function emptyState() {
  const start = { type: 'start_trigger', name: 'Start', subBlocks: {} };
  return readDocument({ blocks: { start }, edges: [] }).state;
}

/** The `state` of an export. */
function exportState(flow, exportedAt) {
  const { variables, ...state } = flow.state;
  return { ...state, metadata: { name: flow.name, description: flow.description ?? '', exportedAt }, variables };
}

const isStart = (block) => block.type === 'start_trigger' || block.type === 'starter';

/** The fields of the start block: `[{id, name, type, description?}]`. */
function inputFields(state) {
  const start = Object.values(state.blocks).find(isStart);
  const fields = start?.subBlocks?.inputFormat?.value;
  return Array.isArray(fields) ? fields.filter((field) => typeof field?.name === 'string' && field.name !== '') : [];
}

module.exports = { InvalidDocument, readDocument, emptyState, exportState, inputFields, isStart };
