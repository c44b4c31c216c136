'use strict';

/**
 * The API of older forks of the integration (`/api/flows`, `/api/runs`): no drafts, no idempotency header, no cancel.
 * No recorded server speaks it; the shapes are the ones that those forks' clients expect.
 */

const { checkBody } = require('./check');
const { InvalidDocument, inputFields } = require('./document');
const { v1Error } = require('./gate');
const { json } = require('./http');
const { Refusal, route } = require('./router');
const { iso } = require('./views');

const refuse = (status, error) => {
  throw new Refusal(v1Error(status, error));
};

const CREATE = {
  name: { type: 'string', min: 1, required: true },
  description: { type: 'string', nullable: true },
  workflow: { type: 'textOrObject' },
};

const view = ({ id, name, description, active }) => ({ id, name, description, deployed: active !== null });

/** The routes of the `flows` generation over `sim`. */
function flowsRoutes(sim) {
  const { workflows, runs } = sim;
  const flowOf = (id) => workflows.get(id) ?? refuse(404, 'Flow not found');

  const list = () => json(200, { flows: workflows.list().map(view) });

  const read = ({ params }) => {
    const flow = flowOf(params.id);
    const inputs = inputFields(flow.state).map(({ name, type }) => ({ name, type }));
    return json(200, { flow: { ...view(flow), inputs } });
  };

  const create = (request) => {
    const body = request.json() ?? {};
    if (checkBody(body, CREATE).length > 0) {
      refuse(400, 'Invalid flow');
    }
    const { name, description = null, workflow: document } = body;
    try {
      const flow = workflows.add({ name, description, document });
      workflows.deploy(flow, 0);
      return json(201, { flow: { id: flow.id, name: flow.name } });
    } catch (error) {
      return error instanceof InvalidDocument ? refuse(400, error.message) : Promise.reject(error);
    }
  };

  const run = (request) => {
    const flow = flowOf(request.params.id);
    const { input = {} } = request.json() ?? {};
    if (checkBody({ input }, { input: { type: 'object' } }).length > 0) {
      refuse(400, 'input must be an object');
    }
    if (flow.active === null) {
      refuse(403, 'Flow is not deployed');
    }
    const { id } = runs.start({ flow, input, mode: 'async', requestId: request.requestId });
    return json(202, { runId: id, status: 'queued' });
  };

  const readRun = ({ params }) => {
    const found = runs.get(params.runId) ?? refuse(404, 'Run not found');
    return json(200, {
      id: found.id,
      flowId: found.flowId,
      status: found.status,
      startedAt: iso(found.startedAt),
      endedAt: iso(found.endedAt),
      output: found.status === 'completed' ? found.output : null,
      error: found.status === 'failed' ? found.error.full : null,
    });
  };

  return [
    route('GET', '/api/flows', 'execute', list),
    route('POST', '/api/flows', 'execute', create),
    route('GET', '/api/flows/:id', 'execute', read),
    route('POST', '/api/flows/:id/run', 'execute', run),
    route('GET', '/api/runs/:runId', 'execute', readRun),
  ];
}

module.exports = { flowsRoutes };
