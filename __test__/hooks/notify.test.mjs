// What a hook brings about: watchers hear of a run's end at once, of no other's; a draft with `notify` calls by itself.

import { expect, it } from 'vitest';
import { call, express4, express5, fieldPaths, refusal, startAdapter, startAll } from '../http/support.mjs';
import { names, playSim, runIs, start, watch } from '../live/support.mjs';
import {
  create,
  deliver,
  documents,
  GROWN,
  grownTo,
  hurried,
  ROOT,
  secretOf,
  startNotified,
  watchFlow,
  webhookOf,
} from './support.mjs';

/** Answers a run that waits for a person as somebody would in Sim's own pages: the adapter hears nothing of it. */
async function resumeInSim(sim, version, { flow, runId, paused: { contextId } }) {
  const [path, more] =
    version === 'v2'
      ? [`/api/v2/workflows/${flow}/runs/${runId}/resume`, { contextId }]
      : [`/api/resume/${flow}/${runId}/${contextId}`, {}];
  const response = await fetch(sim.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-api-key': sim.apiKey },
    body: JSON.stringify({ ...more, input: { approved: true } }),
  });
  expect(response.ok).toBe(true);
}

it.each([
  ['v2', express5],
  ['v1', express4],
])(
  'a draft with notify says when its run ends (%s)',
  async (version, express) => {
    const { sim, host, hooks } = await startNotified([], {
      express,
      sim: { apiVersions: [version] },
      adapter: { apiVersion: version },
    });
    const flow = await create(host, { document: documents.approve, notify: true });
    const run = await watchFlow(sim, host, flow);
    // The next poll by itself is 3 s away at the least.
    await grownTo(2500, run.times);
    expect(hooks).toEqual([]);
    const began = performance.now();
    await resumeInSim(sim, version, run);
    const last = (await run.watched.rest()).at(-1);
    expect(performance.now() - began).toBeLessThan(3000);
    expect(hooks).toEqual([[expect.stringMatching(/^\/[\w-]{22}$/), 200]]);
    expect(last.data.run).toMatchObject({
      status: 'completed',
      output: { data: { result: { approved: true }, stdout: '' }, status: 200 },
    });
  },
  60_000,
);

it('a flow that ends in a Response gives out what it gave before', async () => {
  const { host, hooks } = await startNotified([]);
  const flow = await create(host, { document: documents.response, notify: true });
  const answer = await call(host, 'POST', `/flows/${flow}/run`, { body: { input: { message: 'hi' }, mode: 'sync' } });
  expect(answer.json.run).toMatchObject({ status: 'completed', output: { data: { echo: 'hi' }, status: 201 } });
  expect(hooks.map(([, status]) => status)).toEqual([200]);
});

it('a process takes the hooks of a flow that another one made', async () => {
  const { sim, host, callback, hooks } = await startNotified([]);
  const other = startAdapter(sim, { callbackUrl: callback, webhookSecret: ROOT });
  const { flow } = await other.createFlow({ document: documents.echo, deploy: true, notify: true });
  const answer = await call(host, 'POST', `/flows/${flow.id}/run`, { body: { mode: 'sync' } });
  expect(answer.json.run.status).toBe('completed');
  expect(hooks.map(([, status]) => status)).toEqual([200]);
});

it('a hook that cannot be delivered fails no run', async () => {
  const { host } = await startNotified([], { adapter: { callbackUrl: 'http://127.0.0.1:9/hooks' } });
  const flow = await create(host, { document: documents.echo, notify: true });
  const answer = await call(host, 'POST', `/flows/${flow}/run`, { body: { mode: 'sync' } });
  expect(answer.json.run).toMatchObject({ status: 'completed', output: { status: 200 } });
});

it('a draft of a name alone can notify too', async () => {
  const { sim, host } = await startNotified([]);
  const flow = await create(host, { name: 'New', notify: true });
  const { blocks } = sim.flows.find(({ id }) => id === flow).state;
  const types = Object.values(blocks).map(({ type }) => type);
  expect(types.sort()).toEqual(['response', 'start_trigger', 'webhook_request']);
});

it('what Sim is told of the secret is the flow’s own', async () => {
  const { sim, host } = await startNotified([]);
  for (const name of ['one', 'two']) await create(host, { name, document: documents.echo, notify: true });
  const hooks = sim.flows.flatMap(({ state }) =>
    Object.values(state.blocks).filter(({ type }) => type === 'webhook_request'),
  );
  const secrets = hooks.map(({ subBlocks }) => subBlocks.secret.value);
  expect(new Set(secrets).size).toBe(2);
  expect(secrets.join()).toMatch(/^[0-9a-f]{64},[0-9a-f]{64}$/);
});

it('without an address or a secret notify is refused, naming both', async () => {
  for (const adapter of [{}, { callbackUrl: 'http://host/hooks' }, { webhookSecret: 'x'.repeat(32) }]) {
    const { sim, call: ask } = await startAll(['echo'], { adapter });
    const answer = await ask('POST', '/flows/create', { role: 'ADMIN', body: { name: 'a', notify: true } });
    expect(refusal(answer)).toEqual([400, 'invalid_request']);
    expect(fieldPaths(answer)).toEqual(['notify']);
    expect(answer.json.error.message).toMatch(/SIM_CALLBACK_URL and SIM_WEBHOOK_SECRET/);
    expect(sim.requests).toEqual([]);
  }
});

it('a document in which no block can be found is refused before Sim sees it', async () => {
  const { sim, host } = await startNotified([]);
  const body = { document: { state: {} }, notify: true };
  const answer = await call(host, 'POST', '/flows/create', { role: 'ADMIN', body });
  expect(fieldPaths(answer)).toEqual(['document']);
  expect(sim.requests.filter(({ method }) => method === 'POST')).toEqual([]);
});

/** A played Sim with one run that moves when told to, and a watcher whose poller has grown slow. */
async function slowlyWatched(adapterOptions) {
  let state = runIs('running');
  const sim = await playSim({
    execute: (req, res) => {
      const runId = req.headers['x-run-id'];
      res.writeHead(202, { 'content-type': 'application/json' }).end(JSON.stringify({ data: { runId } }));
    },
    status: (req, res) => state(req, res),
  });
  const { adapter, host, callback } = await startNotified([], {
    adapter: { baseUrl: sim.url, apiKey: sim.apiKey, workspaceId: sim.workspaceId, ...adapterOptions },
  });
  const id = await start(host, 'f');
  const watched = await watch(host, id);
  await watched.next();
  const reads = () => sim.requests.filter(({ path }) => path.includes('/runs/'));
  const times = () => reads().map(({ at }) => at);
  const runId = /\/runs\/([^?]+)/.exec(reads()[0].path)[1];
  return { sim, adapter, host, callback, id, watched, reads, times, runId, become: (next) => (state = next) };
}

/** Before the poller would look by itself. */
const SOON = { timeout: 1000, interval: 5 };

it('a hook is felt long before the next poll, and is not believed', async () => {
  const { watched, reads, times, runId, callback, become } = await slowlyWatched();
  await grownTo(1200, times);
  const before = reads().length;
  // It claims an end: Sim says that the run goes on, and that is what counts.
  await deliver(callback, JSON.stringify({ runId, status: 'completed' }));
  await expect.poll(() => reads().length, SOON).toBeGreaterThan(before);
  become(runIs('completed'));
  await deliver(callback, JSON.stringify({ runId }));
  const events = await watched.rest();
  expect([names(events), events.map(({ data }) => data.run.status)]).toEqual([['status'], ['completed']]);
});

it('a hook hurries the watchers of its flow and no others; one of which nothing is known hurries all', async () => {
  const { sim, host, callback } = await startNotified(['approve']);
  sim.addFlow({ id: 'other', document: documents.approve });
  const notified = await create(host, { document: documents.approve, notify: true });
  const [named, other, addressed] = await Promise.all(
    ['approve', 'other', notified].map((flow) => watchFlow(sim, host, flow)),
  );
  // The first of them is in the middle of a wait when the last has grown.
  await Promise.all([named, other, addressed].map(({ times }) => grownTo(GROWN, times)));
  const { tag, secret } = webhookOf(sim, notified);
  expect(secret).toBe(secretOf(tag));
  await deliver(callback, '{"flowId":"approve"}');
  await deliver(`${callback}/${tag}`, '{}', { secret });
  await expect.poll(() => [named, addressed].every(({ times }) => hurried(times())), { timeout: 5000 }).toBe(true);
  expect(hurried(other.times())).toBe(false);
  // All look for one of which nothing is known, but less often.
  await grownTo(GROWN, other.times);
  expect(hurried(other.times(), 0.8)).toBe(false);
  await deliver(`${callback}/unknown`, '{}', { secret: secretOf('unknown') });
  await expect.poll(() => hurried(other.times(), 0.8), { timeout: 8000 }).toBe(true);
}, 60_000);

it('hooks cannot make a storm: a run is read at most four times a second, however many come', async () => {
  const { reads, times, runId, callback } = await slowlyWatched();
  await grownTo(800, times);
  const [before, began] = [reads().length, performance.now()];
  let sent = 0;
  for (; performance.now() - began < 1000; sent += 1) await deliver(callback, JSON.stringify({ runId }));
  const most = (performance.now() - began) / 250 + 2;
  console.log(`${sent} hooks, ${reads().length - before} reads`);
  expect(sent).toBeGreaterThan(most);
  expect(reads().length - before).toBeLessThanOrEqual(most);
});

it.each([
  ['cancel', 'wait', 'running'],
  ['resume', 'approve', 'paused'],
])('%s through this adapter makes its watchers look at once', async (action, flow, status) => {
  const { sim, host } = await startAll([flow]);
  const id = await start(host, flow);
  const watched = await watch(host, id);
  await watched.until('status', ({ run }) => run.status === status);
  const reads = () => sim.requests.filter(({ method, path }) => method === 'GET' && path.includes('/runs/'));
  await grownTo(1200, () => reads().map(({ at }) => at));
  const [before, began] = [reads().length, performance.now()];
  await call(host, 'POST', `/runs/${id}/${action}`);
  const heard = watched.next().then(() => performance.now() - began);
  // The call itself reads the run, after it cancelled or before it resumes; the other read is the poller's.
  await expect.poll(() => reads().length, SOON).toBeGreaterThanOrEqual(before + 2);
  console.log(`${action}: heard after ${(await heard).toFixed(0)} ms`);
});
