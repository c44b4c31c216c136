// Ready bodies for `POST /flows/create`: documents in Sim's export format, named for what they show.

import { documents } from '@sigmacode/sim-adapter/emulator';

/** An agent, then a person, then the end: what a run can do, one after the other. */
function review() {
  const document = structuredClone(documents.agent);
  const { blocks, edges } = document.state;
  blocks.agent.subBlocks.tools.value = [{ type: 'search', title: 'search' }];
  Object.assign(blocks, {
    ask: structuredClone(documents.approve.state.blocks.ask),
    after: structuredClone(documents.approve.state.blocks.after),
  });
  blocks.ask.subBlocks.builderData.value[0].value = '<agent.content>';
  const [edge] = edges;
  edges.push({ ...edge, id: 'edge-1', source: 'agent', target: 'ask' });
  edges.push({ ...edge, id: 'edge-2', source: 'ask', target: 'after' });
  return document;
}

/** By name: title and document. */
const DRAFTS = {
  review: ['Review: an agent writes, a person decides, and Sim says when it is done', review()],
  talk: ['Talk: an agent answers word by word', documents.agent],
  echo: ['Echo: gives back its input, and says when it is done', documents.echo],
  approve: ['Approve: waits for a person', documents.approve],
  wait: ['Wait: runs until it is stopped', documents.wait],
  fail: ['Fail: ends with an error', documents.fail],
};

/** Those that end with a call of ours. What such a run gives out is wrapped: docs/hooks.md. */
const CALLING = ['review', 'echo'];

/** Whether Sim can call back: the emulator always, another Sim where it has been told how. */
const hears = () => !process.env.SIM_BASE_URL || Boolean(process.env.SIM_CALLBACK_URL);

/** @returns {{name: string, description: string, document: object, deploy: true, notify?: boolean} | undefined} */
export function draft(key) {
  if (!Object.hasOwn(DRAFTS, key)) return undefined;
  const [description, document] = DRAFTS[key];
  return {
    name: `Demo ${key}`,
    description,
    document,
    deploy: true,
    ...(CALLING.includes(key) && { notify: hears() }),
  };
}

/** Every draft with its title, for the page. */
export function drafts() {
  return Object.entries(DRAFTS).map(([key, [title]]) => ({ title, ...draft(key) }));
}
