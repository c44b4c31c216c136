// The examples of docs/emulator.md, as they are printed there; the last test keeps both alike.

import { readFileSync } from 'node:fs';
import { documents, startEmulator } from '@sigmacode/sim-adapter/emulator';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';

let sim;
beforeAll(async () => {
  sim = await startEmulator({
    flows: [
      { id: 'greet', document: documents.echo },
      { id: 'slow', document: documents.wait },
    ],
  });
});
beforeEach(() => sim.reset());
afterAll(() => sim.close());

const execute = (flow, headers = {}) =>
  fetch(`${sim.url}/api/v2/workflows/${flow}/execute`, {
    method: 'POST',
    headers: { 'x-api-key': sim.apiKey, 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ input: { name: 'Ada' }, async: true }),
  });

it('waits for an event, never for a time', async () => {
  await execute('greet');
  const run = await sim.waitFor('status', ({ status }) => status === 'completed');
  expect(run).toMatchObject({ flowId: 'greet', input: { name: 'Ada' } });
});

it('looks at what was sent', async () => {
  await execute('greet');
  const [request] = sim.requests;
  expect(JSON.parse(request.body)).toEqual({ input: { name: 'Ada' }, async: true });
});

it('loses an answer, and finds the run that it started', async () => {
  sim.addFault({ kind: 'reset', path: /execute$/, times: 1, apply: true });
  await expect(execute('greet', { 'x-run-id': 'mine' })).rejects.toThrow();
  expect((await execute('greet', { 'x-run-id': 'mine' })).status).toBe(409);
  expect(sim.runs).toHaveLength(1);
});

it('is busy twice, then well', async () => {
  sim.addFault({ kind: 'status', status: 503, retryAfter: 1, times: 2 });
  const statuses = [];
  for (let sent = 0; sent < 3; sent += 1) {
    statuses.push((await execute('slow')).status);
  }
  expect(statuses).toEqual([503, 503, 202]);
});

it('is what docs/emulator.md prints', () => {
  const page = readFileSync(new URL('../../docs/emulator.md', import.meta.url), 'utf8');
  const here = readFileSync(new URL(import.meta.url), 'utf8');
  const examples = [...page.matchAll(/```js\n([\s\S]*?)```/g)].map(([, code]) => code);
  expect(examples.length).toBeGreaterThan(3);
  for (const code of examples) {
    expect(here).toContain(code);
  }
});
