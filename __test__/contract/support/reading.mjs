// Has the adapter meet one answer of Sim's to one operation, and gives what it makes of it. It must not know what the
// right reading is.

import { createRequire } from 'node:module';
import { expect } from 'vitest';
import { expectContract, ourApis } from './contract.mjs';
import { openDoor } from './doors.mjs';
import { play } from './player.mjs';
import { SECRET, USER } from './scene.mjs';

const { SimAdapter } = createRequire(import.meta.url)('../../../index.js');

const WORKSPACE = 'workspace-1';
const FLOW = { id: 'flow-1', name: 'One', description: '', workspaceId: WORKSPACE };

/** Answers that say no more than that all is well, for what comes before the operation in question. */
const WELL = {
  v2: {
    start: { status: 202, body: { data: { runId: 'run-1', statusUrl: 'http://sim/run-1' } } },
    importFlow: { status: 201, body: { data: FLOW } },
    deploy: { status: 200, body: { data: { isDeployed: false, latestDeploymentAttempt: { status: 'preparing' } } } },
    deployment: { status: 200, body: { data: { isDeployed: true, latestDeploymentAttempt: { status: 'active' } } } },
  },
  v1: {
    start: { status: 202, body: { success: true, executionId: 'run-1' } },
    importFlow: { status: 201, body: { data: FLOW } },
    deploy: { status: 200, body: { data: { isDeployed: true } } },
    getFlow: { status: 200, body: { data: { ...FLOW, isDeployed: true, inputs: [] } } },
  },
  flows: { start: { status: 202, body: { runId: 'run-1' } } },
};

/** How the adapter is brought to make each operation's call. */
const ASK = {
  health: ({ exchange }) => exchange('GET', '/health'),
  listFlows: ({ exchange }) => exchange('GET', '/flows'),
  getFlow: ({ exchange }) => exchange('GET', '/flows/flow-1'),
  createFlow: ({ exchange }) => exchange('POST', '/flows/create', { body: { name: 'One' } }),
  importFlow: ({ exchange }) => exchange('POST', '/flows/create', { body: { document: { state: {} } } }),
  deploy: ({ exchange }) => exchange('POST', '/flows/create', { body: { document: { state: {} }, deploy: true } }),
  start: ({ exchange }, { headers }) => exchange('POST', '/flows/flow-1/run', { body: {}, headers }),
  readRun: ({ exchange }, { run }) => exchange('GET', `/runs/${run}/status`),
  cancel: ({ exchange }, { run }) => exchange('POST', `/runs/${run}/cancel`),
  resume: ({ exchange }, { run }) =>
    exchange('POST', `/runs/${run}/resume`, { body: { contextId: 'pause-1', input: {} } }),
};
ASK.deployment = ASK.deploy;

const OF_A_RUN = ['readRun', 'cancel', 'resume'];

/**
 * The router's answers `{status, headers, json, text, run, requests}` to `operation`, one for each of `answers` (status, headers, body)
 * that Sim gives to it. `more` holds Sim's answers to further operations, `headers` the client's to a start, and
 * `workspaceId` is the one that the adapter is set to.
 */
export async function readEach(generation, operation, answers, { more = {}, headers, workspaceId = WORKSPACE } = {}) {
  const player = await play(ourApis[generation], { ...WELL[generation], ...more });
  const adapter = new SimAdapter({
    baseUrl: player.url,
    apiKey: 'key',
    apiVersion: generation,
    workspaceId,
    handleSecret: SECRET,
  });
  const door = await openDoor('simRouter', adapter);
  const way = door.as(USER);
  try {
    const found = [];
    const run = OF_A_RUN.includes(operation)
      ? (await way.exchange('POST', '/flows/flow-1/run', { body: {} })).json.run.id
      : '';
    for (const answer of answers) {
      player.answers.set(operation, [answer]);
      const read = await ASK[operation](way, { run, headers });
      found.push({ ...read, text: JSON.stringify(read.json), run, requests: player.requests });
    }
    expect(player.strays).toEqual([]);
    expectContract(player.requests, generation);
    return found;
  } finally {
    await door.close();
    await adapter.close();
    await player.close();
  }
}

/** The same for one answer. */
export const read = async (generation, operation, answer, more) =>
  (await readEach(generation, operation, [answer], more))[0];

/** Every text in a JSON value that is long enough to be recognised. */
export function textsIn(value) {
  if (typeof value === 'string') return value.length > 5 ? [value] : [];
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap(textsIn);
}

/** Fails if an error of ours repeats anything of the answer that it is about. */
export function expectNothingOf(body, text) {
  const texts = typeof body === 'string' ? [body] : textsIn(body);
  for (const one of texts) expect(text).not.toContain(JSON.stringify(one).slice(1, -1));
}
