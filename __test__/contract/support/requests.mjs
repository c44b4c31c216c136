// Requests as the adapter makes them, written for these tests, and everything that can be done to one to spoil it.

const HEADERS = {
  'x-api-key': 'key',
  accept: 'application/json',
  'user-agent': 'sim-adapter/1.2.3',
  host: '127.0.0.1:3000',
  'x-request-id': 'req-1',
  'x-sim-user': '-',
};
const ID = 'run-1.2_3:4';

const example = (generation, request, { body, headers = {} } = {}) => {
  const [method, path] = request.split(' ');
  return { generation, method, path, body, headers };
};

export const requests = [
  example('v2', 'GET /api/health'),
  example('v2', 'GET /api/v2/workflows?workspaceId=w&deployedOnly=true&limit=100&cursor=c'),
  example('v2', 'POST /api/v2/workflows', { body: { workspaceId: 'w', name: 'One', description: 'Does it' } }),
  example('v2', 'POST /api/v2/workflows/import', {
    body: { workspaceId: 'w', workflow: { state: {} }, name: 'One', description: 'Does it' },
  }),
  example('v2', 'POST /api/v2/workflows/import', { body: { workspaceId: 'w', workflow: '{"state":{}}' } }),
  example('v2', 'GET /api/v2/workflows/flow-1'),
  example('v2', 'POST /api/v2/workflows/flow-1/deploy'),
  example('v2', 'GET /api/v2/workflows/flow-1/deployment'),
  example('v2', 'POST /api/v2/workflows/flow-1/execute', {
    body: { input: { a: 1 }, async: true, executionTimeoutSeconds: 60 },
    headers: { 'x-run-id': ID },
  }),
  example('v2', `GET /api/v2/workflows/flow-1/runs/${ID}?includeOutput=true`),
  example('v2', `GET /api/workflows/flow-1/paused/${ID}`),
  example('v2', `POST /api/v2/workflows/flow-1/runs/${ID}/cancel`),
  example('v2', `POST /api/v2/workflows/flow-1/runs/${ID}/resume`, { body: { contextId: 'c', input: { a: 1 } } }),
  example('v1', 'GET /api/v1/workflows?workspaceId=w&deployedOnly=true&limit=100&cursor=c'),
  example('v1', 'POST /api/v1/workflows/import', { body: { workspaceId: 'w', workflow: { state: {} }, name: 'One' } }),
  example('v1', 'GET /api/v1/workflows/flow-1'),
  example('v1', 'POST /api/v1/workflows/flow-1/deploy'),
  example('v1', 'POST /api/workflows/flow-1/execute', {
    body: { message: 'hi', input: { a: 1 } },
    headers: { 'x-execution-id': ID, 'x-execution-mode': 'async', 'x-execution-timeout-seconds': '60' },
  }),
  example('v1', `GET /api/workflows/flow-1/executions/${ID}?includeOutput=true`),
  example('v1', `GET /api/workflows/flow-1/paused/${ID}`),
  example('v1', `POST /api/workflows/flow-1/executions/${ID}/cancel`),
  example('v1', `POST /api/resume/flow-1/${ID}/pause-1`, { body: { input: { a: 1 } } }),
  example('flows', 'GET /api/flows'),
  example('flows', 'POST /api/flows', { body: { name: 'One', description: 'Does it', workflow: { state: {} } } }),
  example('flows', 'GET /api/flows/flow-1'),
  example('flows', 'POST /api/flows/flow-1/run', { body: { input: {} } }),
  example('flows', 'GET /api/runs/run-1'),
];

/** RFC 9110 section 8.6: a write says that it has no body. */
const bare = (method) => (method === 'GET' ? {} : { 'content-length': '0' });

/** An example as a server sees it. */
export function received({ method, path, body, headers }) {
  const bytes = body === undefined ? Buffer.alloc(0) : Buffer.from(JSON.stringify(body));
  const content =
    body === undefined ? bare(method) : { 'content-type': 'application/json', 'content-length': String(bytes.length) };
  const all = { ...HEADERS, ...content, ...headers };
  return { method, path, headers: all, rawHeaders: Object.entries(all).flat(), body: bytes };
}

const VALUES = [null, 0, 1.5, 700_000, true, '', 'x', 'x'.repeat(60_000), [], ['x'], {}, { x: 1 }];
const TEXTS = ['', '0', '101', '1.5', 'true', 'yes', 'a b', 'x'.repeat(300)];

const without = (object, key) => Object.fromEntries(Object.entries(object).filter(([one]) => one !== key));

/** `object` with each member dropped, each replaced by each of `values`, and one member more. */
function spoil(object, values) {
  const replaced = Object.keys(object).flatMap((key) => [
    without(object, key),
    ...values.map((value) => ({ ...object, [key]: value })),
  ]);
  return [...replaced, { ...object, unheard: values[0] }];
}

/** Everything that can be spoiled in one place of a request. */
export function spoiled(request) {
  const [path, query] = request.path.split('?');
  const queries = spoil(Object.fromEntries(new URLSearchParams(query)), TEXTS);
  const bodies =
    request.body === undefined ? [{ unheard: 1 }, []] : [undefined, [], 'x', ...spoil(request.body, VALUES)];
  return [
    ...queries.map((one) => ({ ...request, path: `${path}?${new URLSearchParams(one)}` })),
    ...bodies.map((body) => ({ ...request, body })),
    ...spoil(request.headers, TEXTS).map((headers) => ({ ...request, headers })),
    ...['DELETE', 'PUT'].map((method) => ({ ...request, method })),
    { ...request, path: `${path}/unheard` },
  ];
}

/** `value` with each member, at any depth but in `opaque` ones, dropped or replaced. */
export function spoiledAnswers(value, opaque) {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [];
  const inside = Object.entries(value)
    .filter(([key]) => !opaque.includes(key))
    .flatMap(([key, member]) => spoiledAnswers(member, opaque).map((one) => ({ ...value, [key]: one })));
  return [...spoil(value, VALUES), ...inside];
}
