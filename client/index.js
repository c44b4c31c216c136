// The browser's side of the adapter, without any framework: typed calls, event streams that survive, a run to follow.

export { createClient, newKey } from './client.js';
export { SimError } from './error.js';
export { isFinal } from './events.js';
export { createFlowMutation, flowQuery, flowsQuery, runQuery } from './queries.js';
export { RunSession } from './session.js';
