'use strict';

// What Sim says to the key: whether it is good, which API there is, whether it reaches the workspace and may deploy.
// All are reads, but for the deployment of a flow that cannot be there.

const { randomUUID } = require('node:crypto');

const { ask } = require('./ask.js');
const { fail, ok, skip, warn } = require('./findings.js');

const LISTS = { v2: '/api/v2/workflows', v1: '/api/v1/workflows', flows: '/api/flows' };

const listOf = (sim, generation) =>
  generation === 'flows'
    ? LISTS.flows
    : `${LISTS[generation]}?${new URLSearchParams({ ...(sim.workspace && { workspaceId: sim.workspace }), limit: '1' })}`;

/** Sim's word for why, in either generation's shape. Only what is known is repeated. */
const codeOf = ({ json }) => json?.error?.details?.code ?? json?.error?.code;

/** Asks the lists of each generation once; what they answer tells about key, generation and workspace. */
async function lists(sim) {
  sim.lists ??= {
    v2: await ask(sim, listOf(sim, 'v2')),
    v1: await ask(sim, listOf(sim, 'v1')),
    flows: await ask(sim, listOf(sim, 'flows')),
  };
  return sim.lists;
}

async function checkKey(sim) {
  const answers = Object.values(await lists(sim)).filter(({ json }) => json !== undefined);
  const refused = answers.some(({ status }) => status === 401);
  const taken = answers.some(({ status }) => [200, 400, 403].includes(status));
  if (refused && !taken) {
    return fail(
      'Sim does not know SIM_API_KEY (401)',
      'Make a key in Sim under Settings, API keys, and write it into SIM_API_KEY.',
    );
  }
  const limited = answers.some(({ status }) => status === 429);
  if (limited && !taken) return warn('Sim takes no more requests at the moment (429)', 'Ask again later.');
  return taken ? ok('Sim takes SIM_API_KEY') : fail('no API of Sim answers to the key', 'Is this Sim? See its log.');
}

/** 200 or 400 in JSON: the API is there. 403: there too, and the workspace is not the key's. */
const isThere = ({ status, json }) => json !== undefined && [200, 400, 403].includes(status);

async function checkGeneration(sim) {
  const answers = await lists(sim);
  const there = Object.keys(LISTS).filter((name) =>
    name === 'flows' ? answers.flows.status === 200 && answers.flows.json : isThere(answers[name]),
  );
  const wanted = sim.version;
  sim.generation = wanted === 'auto' ? there[0] : wanted;
  if (wanted !== 'auto' && !there.includes(wanted)) {
    const fix = `Set SIM_API_VERSION=auto${wanted === 'v2' ? ', or V2_API=true in Sim’s own environment' : ''}.`;
    return fail(`SIM_API_VERSION is ${wanted}, and Sim does not have it`, fix);
  }
  if (there.length === 0)
    return fail('Sim has none of the APIs that the adapter speaks', 'Use Sim 0.8 or newer: docs/deploy.md.');
  if (sim.generation === 'v1' && !there.includes('v2')) {
    return ok('v1; V2_API=true in Sim’s environment would switch v2 on');
  }
  return ok(sim.generation);
}

async function checkWorkspace(sim) {
  if (sim.generation === 'flows') return skip('this API has no workspaces');
  if (!sim.workspace) {
    return fail('SIM_WORKSPACE_ID is not set', 'Set it: the id is in the address of Sim’s editor, after /workspace/.');
  }
  const answer = (await lists(sim))[sim.generation];
  if (answer.status === 200) return ok('the key reaches the workspace');
  const personal = codeOf(answer) === 'PERSONAL_API_KEYS_DISABLED';
  const fix = personal
    ? 'The organisation allows no personal keys: use a key of the workspace.'
    : 'Use the id of a workspace that the key’s owner is a member of, or a key of that workspace.';
  return fail(`the key does not reach the workspace (${answer.status})`, fix);
}

/** Deploying asks for the right first, then for the flow: one that cannot be there shows the right and changes nothing. */
async function checkDeploy(sim) {
  if (sim.generation === 'flows') return skip('this API deploys as it creates');
  const answer = await ask(sim, `${LISTS[sim.generation]}/${randomUUID()}/deploy`, { method: 'POST', body: '{}' });
  if (answer.status === 404) return ok('the key is not refused to deploy');
  if (answer.status === 401 || answer.status === 403) {
    const fix = 'Only needed for `deploy: true`: then use a personal key of somebody who may write in the workspace.';
    return warn(`the key may not deploy (${answer.status})`, fix);
  }
  return skip(`a deployment is answered with ${answer.status}, which says nothing about the right to it`);
}

module.exports = { checkDeploy, checkGeneration, checkKey, checkWorkspace };
