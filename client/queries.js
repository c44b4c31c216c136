// The options that TanStack Query (4 or 5) takes, as plain objects: nothing of that library is needed here.

/** @param {import('./index.js').SimClient} client */
export const flowsQuery = (client) => ({
  queryKey: ['sim', 'flows'],
  queryFn: (/** @type {{signal?: AbortSignal | undefined}} */ { signal } = {}) => client.flows({ signal }),
});

/** @param {import('./index.js').SimClient} client @param {string} id */
export const flowQuery = (client, id) => ({
  queryKey: ['sim', 'flows', id],
  queryFn: (/** @type {{signal?: AbortSignal | undefined}} */ { signal } = {}) => client.flow(id, { signal }),
});

/** @param {import('./index.js').SimClient} client @param {string} id */
export const runQuery = (client, id) => ({
  queryKey: ['sim', 'runs', id],
  queryFn: (/** @type {{signal?: AbortSignal | undefined}} */ { signal } = {}) => client.run(id, { signal }),
});

/** @param {import('./index.js').SimClient} client */
export const createFlowMutation = (client) => ({
  mutationKey: ['sim', 'createFlow'],
  mutationFn: (/** @type {import('./index.js').FlowDraft} */ draft) => client.createFlow(draft),
});
