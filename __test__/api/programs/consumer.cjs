'use strict';

// A CommonJS consumer: uses the package as a host would, prints what it saw, and ends without being told to.

const { SimAdapter, SimError, simRouter, ...functions } = require('@sigmacode/sim-adapter');

async function main() {
  const { flow } = await functions.createFlow({
    name: 'made',
    document: JSON.parse(process.env.DOCUMENT),
    deploy: true,
  });
  const { run } = await functions.runFlow(flow.id, { input: { a: 1 }, mode: 'sync' });
  const again = await functions.runStatus(run.id);
  const { ok } = await functions.health();
  const request = { method: 'GET', path: '/api/v2/workflows', query: { workspaceId: process.env.SIM_WORKSPACE_ID } };
  const listed = await functions.proxy(request);
  const refused = await functions.runStatus('x').catch((error) => error instanceof SimError && error.code);
  const kinds = [typeof SimAdapter, typeof simRouter, simRouter().length];
  console.log(JSON.stringify({ ok, status: again.run.status, listed: listed.data.length, refused, kinds }));
}

main();
