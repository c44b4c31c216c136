'use strict';

/**
 * Sim's second API generation: workflows and their deployments (`/api/v2/workflows`). Shapes are those of Sim's OpenAPI
 * document, v0.8.9.
 */

const { checkBody, checkPage, pageOf } = require('./check');
const { InvalidDocument, exportState, inputFields } = require('./document');
const { NO_STORE, v2Error } = require('./gate');
const { json } = require('./http');
const { Refusal, route } = require('./router');
const { activeView, attemptView, iso } = require('./views');

const refuse = (status, code, message, details, headers) => {
  throw new Refusal(v2Error(status, code, message, details, headers));
};

const answer = (status, value, headers) => json(status, value, { ...NO_STORE, ...headers });

const refuseFaults = (faults) => {
  if (faults.length > 0) {
    refuse(400, 'BAD_REQUEST', 'Invalid request', faults);
  }
};

const CREATE = {
  workspaceId: { type: 'string', min: 1, max: 128, required: true },
  name: { type: 'string', min: 1, max: 255, required: true },
  description: { type: 'string', max: 50_000, nullable: true },
  folderPath: { type: 'string', max: 4096 },
};

const IMPORT = {
  workspaceId: { type: 'string', min: 1, max: 128, required: true },
  workflow: { type: 'textOrObject', required: true },
  name: { type: 'string', min: 1, max: 200 },
  description: { type: 'string', max: 2000 },
  folderPath: { type: 'string', max: 4096 },
};

const DEPLOY = {
  name: { type: 'string', min: 1, max: 100 },
  description: { type: 'string', max: 50_000, nullable: true },
};

const QUERIES = {
  sortBy: ['position', 'name', 'createdAt', 'updatedAt', 'runCount'],
  sortOrder: ['asc', 'desc'],
  deployedOnly: ['true', 'false'],
};

const itemView = (sim, flow) => ({
  id: flow.id,
  name: flow.name,
  description: flow.description,
  folderPath: flow.folderPath,
  workspaceId: sim.workspaceId,
  isDeployed: flow.active !== null,
  deployedAt: iso(flow.active?.deployedAt ?? null),
  runCount: flow.runCount,
  lastRunAt: iso(flow.lastRunAt),
  createdAt: iso(flow.createdAt),
  updatedAt: iso(flow.updatedAt),
});

const deploymentView = ({ id, active, attempt }) => ({
  id,
  isDeployed: active !== null,
  deployedAt: iso(active?.deployedAt ?? null),
  warnings: attempt?.status === 'preparing' ? ['Deployment activation has been queued.'] : [],
  activeDeployment: activeView(active),
  latestDeploymentAttempt: attempt && attemptView(attempt),
});

function sorted(flows, query) {
  const key = query.get('sortBy') ?? 'position';
  const order = query.get('sortOrder') === 'desc' ? -1 : 1;
  if (key === 'position') {
    return order === 1 ? flows : flows.reverse();
  }
  return flows.sort((a, b) => (a[key] < b[key] ? -order : a[key] > b[key] ? order : 0));
}

/** v2's workflow routes over `sim`. */
function v2WorkflowRoutes(sim) {
  const { workflows } = sim;
  const flowOf = (id) => workflows.get(id) ?? refuse(404, 'NOT_FOUND', 'Workflow not found');
  // A workspace out of reach reads as absent.
  const checkWorkspace = (id) => id === sim.workspaceId || refuse(404, 'NOT_FOUND', 'Workspace not found');
  const objectBody = (request, fields) => {
    const body = request.json() ?? {};
    refuseFaults(checkBody(body, fields, { strict: true }));
    return body;
  };

  const list = ({ query }) => {
    const page = checkPage(query, { required: ['workspaceId'] });
    const odd = Object.entries(QUERIES).filter(([key, values]) => query.has(key) && !values.includes(query.get(key)));
    refuseFaults([...page.faults, ...odd.map(([path]) => ({ path, message: 'Invalid value' }))]);
    checkWorkspace(query.get('workspaceId'));
    const search = (query.get('search') ?? '').toLowerCase();
    const folder = query.get('folderPath');
    const found = workflows
      .list()
      .filter(({ active }) => query.get('deployedOnly') !== 'true' || active !== null)
      .filter(({ name }) => name.toLowerCase().includes(search))
      .filter(({ folderPath }) => folder === null || folderPath === folder);
    const { page: flows, nextCursor } = pageOf(sorted(found, query), page);
    return answer(200, { data: flows.map((flow) => itemView(sim, flow)), nextCursor });
  };

  const create = (request) => {
    const body = objectBody(request, CREATE);
    checkWorkspace(body.workspaceId);
    const { name, description, folderPath } = body;
    return answer(201, { data: itemView(sim, workflows.add({ name, description, folderPath })) });
  };

  const importFlow = (request) => {
    const body = objectBody(request, IMPORT);
    checkWorkspace(body.workspaceId);
    const { workflow: document, name, description, folderPath } = body;
    try {
      const view = itemView(sim, workflows.add({ document, name, description, folderPath }));
      const { isDeployed, deployedAt, runCount, lastRunAt, ...data } = view;
      return answer(201, { data });
    } catch (error) {
      if (error instanceof InvalidDocument) {
        return refuse(400, 'BAD_REQUEST', `Invalid workflow: ${error.message}`);
      }
      throw error;
    }
  };

  const read = ({ params }) => {
    const flow = flowOf(params.id);
    const inputs = inputFields(flow.state).map(({ name, type = 'string', description }) => ({
      name,
      type,
      ...(description && { description }),
    }));
    return answer(200, { data: { ...itemView(sim, flow), variables: flow.state.variables, inputs } });
  };

  const exportFlow = ({ params }) => {
    const flow = flowOf(params.id);
    const { id, name, description, workspaceId, folderPath } = itemView(sim, flow);
    const exportedAt = new Date().toISOString();
    const workflow = { id, name, description, workspaceId, folderPath };
    return answer(200, { data: { version: '1.0', exportedAt, workflow, state: exportState(flow, exportedAt) } });
  };

  const deploy = (request) => {
    const flow = flowOf(request.params.id);
    objectBody(request, DEPLOY);
    workflows.deploy(flow);
    return answer(200, { data: { ...deploymentView(flow), version: flow.version } });
  };

  const undeploy = ({ params }) => {
    const flow = flowOf(params.id);
    workflows.undeploy(flow);
    return answer(200, { data: deploymentView(flow) });
  };

  const deployment = ({ params }) =>
    answer(200, { data: { ...deploymentView(flowOf(params.id)), needsRedeployment: false } });

  return [
    route('GET', '/api/v2/workflows', 'v2', list),
    route('POST', '/api/v2/workflows', 'v2', create),
    route('POST', '/api/v2/workflows/import', 'v2', importFlow),
    route('GET', '/api/v2/workflows/:id', 'v2', read),
    route('GET', '/api/v2/workflows/:id/export', 'v2', exportFlow),
    route('POST', '/api/v2/workflows/:id/deploy', 'v2', deploy),
    route('DELETE', '/api/v2/workflows/:id/deploy', 'v2', undeploy),
    route('GET', '/api/v2/workflows/:id/deployment', 'v2', deployment),
  ];
}

module.exports = { answer, refuse, refuseFaults, v2WorkflowRoutes };
