// An ES module consumer: the same by named imports.

import adapter, {
  createFlow,
  health,
  proxy,
  runFlow,
  runStatus,
  SimAdapter,
  SimError,
  simRouter,
} from '@sigmacode/sim-adapter';

const { flow } = await createFlow({ name: 'made', document: JSON.parse(process.env.DOCUMENT), deploy: true });
const { run } = await runFlow(flow.id, { input: { a: 1 }, mode: 'sync' });
const again = await runStatus(run.id);
const { ok } = await health();
const query = { workspaceId: process.env.SIM_WORKSPACE_ID };
const listed = await proxy({ method: 'GET', path: '/api/v2/workflows', query });
const refused = await runStatus('x').catch((error) => error instanceof SimError && error.code);
const kinds = [typeof SimAdapter, typeof simRouter, simRouter().length];
if (adapter.SimAdapter !== SimAdapter) throw new Error('two copies of the package');
console.log(JSON.stringify({ ok, status: again.run.status, listed: listed.data.length, refused, kinds }));
