// The Webhook block calls as Sim's does: signed over its very bytes, from this machine to this machine.

import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { startEmulator } from '@sigmacode/sim-adapter/emulator';
import { afterEach, expect, it } from 'vitest';

const closers = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A server that notes what it was sent, and answers `status`. */
async function startTarget(status = 200) {
  const calls = [];
  const server = createServer(async (req, res) => {
    let body = '';
    for await (const piece of req.setEncoding('utf8')) body += piece;
    calls.push({ method: req.method, headers: req.headers, body });
    res.writeHead(status, { 'content-type': 'application/json' }).end('{"ok":true}');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(() => new Promise((resolve) => server.close(resolve).closeAllConnections()));
  return { url: `http://127.0.0.1:${server.address().port}/hook`, calls };
}

const values = (fields) =>
  Object.fromEntries(Object.entries(fields).map(([id, value]) => [id, { id, type: 'short-input', value }]));

/** Runs a start, a Webhook with these settings, and what `more` adds, to the end. */
async function run(settings, more = { blocks: {}, edges: [] }) {
  const blocks = {
    start: { type: 'start_trigger', name: 'Start', subBlocks: {} },
    hook: { type: 'webhook_request', name: 'Hook', subBlocks: values(settings) },
    ...more.blocks,
  };
  const document = { blocks, edges: [{ source: 'start', target: 'hook' }, ...more.edges] };
  const sim = await startEmulator({ flows: [{ id: 'f', document }], runMs: 0 });
  closers.push(() => sim.close());
  const response = await fetch(`${sim.url}/api/v2/workflows/f/execute`, {
    method: 'POST',
    headers: { 'x-api-key': sim.apiKey, 'content-type': 'application/json' },
    body: '{"input":{"name":"Ada \\"A\\""}}',
  });
  return (await response.json()).data;
}

const macOf = (secret, { headers }, body) =>
  `t=${headers['x-webhook-timestamp']},v1=${createHmac('sha256', secret).update(`${headers['x-webhook-timestamp']}.${body}`).digest('hex')}`;

it('the payload is sent with its references filled in, signed with the secret', async () => {
  const { url, calls } = await startTarget();
  const headers = [{ id: 'r', cells: { Key: 'X-More', Value: '<start.name>' } }];
  const done = await run({ url, body: '{"who":"<start.name>"}', secret: 'a-secret', headers });
  expect(done).toMatchObject({ status: 'completed', output: { data: { ok: true }, status: 200 } });
  const [call] = calls;
  expect([call.method, JSON.parse(call.body)]).toEqual(['POST', { who: 'Ada "A"' }]);
  expect(call.headers['x-webhook-signature']).toBe(macOf('a-secret', call, call.body));
  expect(call.headers['x-delivery-id']).toMatch(/^[0-9a-f-]{36}$/);
  expect(call.headers['idempotency-key']).toBe(call.headers['x-delivery-id']);
  expect(call.headers['x-more']).toBe('Ada "A"');
});

it('an empty payload is signed as an empty object, and without a secret nothing is', async () => {
  const { url, calls } = await startTarget();
  await run({ url, secret: 's' });
  await run({ url });
  expect(calls.map(({ body }) => body)).toEqual(['', '']);
  expect(calls[0].headers['x-webhook-signature']).toBe(macOf('s', calls[0], '{}'));
  expect(calls[1].headers['x-webhook-signature']).toBeUndefined();
});

it.each(['http://192.0.2.1/hook', 'https://example.com/hook', 'nonsense', ''])(
  'nothing is sent to %j: the block fails, and with it the run',
  async (url) => {
    expect(await run({ url })).toMatchObject({ status: 'failed', error: { blockName: 'Hook' } });
  },
);

it('a refusal fails the block; an edge for errors leads on from it', async () => {
  const { url, calls } = await startTarget(401);
  expect(await run({ url })).toMatchObject({ status: 'failed' });
  const after = { type: 'function', name: 'After', subBlocks: values({ code: 'return { said: <hook.error> }' }) };
  const more = { blocks: { after }, edges: [{ source: 'hook', sourceHandle: 'error', target: 'after' }] };
  expect(await run({ url }, more)).toMatchObject({
    status: 'completed',
    output: { result: { said: 'Request failed with status 401' } },
  });
  expect(calls).toHaveLength(2);
});
