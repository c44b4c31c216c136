// Sim's answers about flows, written for these tests, and what the adapter must make of each.

const MADE = '2026-01-02T03:04:05.678Z';
const WORKSPACE = 'workspace-1';

const about = (id, name, description, isDeployed) => ({
  id,
  name,
  description,
  workspaceId: WORKSPACE,
  isDeployed,
  deployedAt: isDeployed ? MADE : null,
  runCount: 0,
  lastRunAt: null,
  createdAt: MADE,
  updatedAt: MADE,
});
const v2 = (...told) => ({ ...about(...told), folderPath: '/' });
const v1 = (...told) => ({ ...about(...told), folderId: null });
const imported = ({ isDeployed, deployedAt, runCount, lastRunAt, ...rest }) => rest;

const resetAt = MADE;
const rate = { requestsPerMinute: 9, maxBurst: 9, remaining: 9, resetAt };
const limits = {
  workflowExecutionRateLimit: { sync: rate, async: rate },
  usage: { currentPeriodCost: 0, limit: 9, plan: 'free', isExceeded: false },
};

const FULL = ['flow-1', 'One', 'Does it', true];
const BARE = ['flow-2', 'Two', '', true];
const DRAFT = ['flow-3', 'Three', null, false];

const list = {
  flows: [
    { id: 'flow-1', name: 'One', description: 'Does it', deployed: true },
    { id: 'flow-2', name: 'Two', description: null, deployed: true },
  ],
  nextCursor: null,
};
const flow = { id: 'flow-1', name: 'One', description: 'Does it', deployed: true };
const inputs = [{ name: 'message', type: 'string' }];
const detail = { flow: { ...flow, inputs } };
const made = { flow: { id: 'flow-1', name: 'One', url: null } };

const example = (generation, operation, status, body, expected) => ({
  generation,
  operation,
  what: operation,
  status,
  body,
  expected,
});

export const flowAnswers = [
  example('v2', 'listFlows', 200, { data: [v2(...FULL), v2(...BARE), v2(...DRAFT)], nextCursor: null }, list),
  example('v1', 'listFlows', 200, { data: [v1(...FULL), v1(...BARE), v1(...DRAFT)], limits }, list),
  example(
    'flows',
    'listFlows',
    200,
    {
      flows: [
        flow,
        { id: 'flow-2', name: 'Two', description: '', deployed: true },
        { ...flow, id: 'flow-3', deployed: false },
      ],
    },
    list,
  ),
  example('v2', 'getFlow', 200, { data: { ...v2(...FULL), variables: {}, inputs } }, detail),
  example(
    'v1',
    'getFlow',
    200,
    { data: { ...v1(...FULL), variables: {}, inputs: [{ id: 'f1', ...inputs[0] }] }, limits },
    detail,
  ),
  example('flows', 'getFlow', 200, { flow: { ...flow, inputs } }, detail),
  example('v2', 'createFlow', 201, { data: v2('flow-1', 'One', null, false) }, made),
  example('v2', 'importFlow', 201, { data: imported(v2('flow-1', 'One', null, false)) }, made),
  example('v1', 'importFlow', 201, { data: imported(v1('flow-1', 'One', '', false)), limits }, made),
  example('flows', 'createFlow', 201, { flow: { id: 'flow-1', name: 'One' } }, made),
];
