// What a streamed run promises: its frames, its end, and that closing the connection cancels it.

import { describe, expect, it } from 'vitest';
import { call, framesOf, startWith } from './support.mjs';

const generations = [
  ['v1', (flow) => `/api/workflows/${flow}/execute`, (input) => ({ ...input, stream: true })],
  ['v2', (flow) => `/api/v2/workflows/${flow}/execute`, (input) => ({ input, stream: true })],
];

describe.each(generations)('%s', (_name, path, bodyOf) => {
  const stream = async (emulator, flow, input = {}, more = {}, headers = {}) => {
    const body = { ...bodyOf(input), ...more };
    const answer = await call(emulator, 'POST', path(flow), { body, headers });
    expect(answer.headers.get('content-type')).toBe('text/event-stream');
    return framesOf(answer.text);
  };

  it("brings an agent's answer in chunks, then the whole, then the end mark", async () => {
    const { emulator, id } = await startWith(['agent']);
    const frames = await stream(emulator, id.agent, { message: 'one two three' });
    const chunks = frames.filter(({ chunk }) => chunk !== undefined);
    expect(chunks.length).toBeGreaterThan(2);
    expect(chunks.map(({ chunk }) => chunk).join('')).toBe('You said: one two three');
    const [last, end] = frames.slice(-2);
    expect(last).toMatchObject({ event: 'final', data: { success: true, output: { content: 'You said: one two three' } } });
    expect(end).toBe('[DONE]');
  });

  it('keeps to the selected outputs', async () => {
    const { emulator, id } = await startWith(['agent']);
    const frames = await stream(emulator, id.agent, { message: 'a b c' }, { selectedOutputs: ['agent.model'] });
    const [block] = Object.values(frames.at(-2).data.output);
    expect(block).toEqual({ model: 'gpt-5-mini' });
    const none = await stream(emulator, id.agent, {}, { selectedOutputs: ['nobody.content'] });
    expect(none).toEqual([{ event: 'final', data: { success: true, output: {} } }, '[DONE]']);
  });

  it('tells thoughts only when asked', async () => {
    const { emulator, id } = await startWith(['agent']);
    const protocol = { 'x-sim-stream-protocol': 'agent-events-v1' };
    const told = await stream(emulator, id.agent, {}, { includeThinking: true }, protocol);
    expect(told[0]).toMatchObject({ event: 'thinking', data: expect.any(String) });
    const untold = await stream(emulator, id.agent);
    expect(untold.some(({ event }) => event === 'thinking')).toBe(false);
  });

  it('ends a failed run with an error frame', async () => {
    const { emulator, id } = await startWith(['fail']);
    const frames = await stream(emulator, id.fail);
    expect(frames).toEqual([{ event: 'error', error: 'Work: Line 1: `throw new Error("boom")` - boom' }, '[DONE]']);
  });

  it('ends at a pause, and says so', async () => {
    const { emulator, id } = await startWith(['approve']);
    const frames = await stream(emulator, id.approve, { message: 'Well?' });
    expect(frames[0]).toMatchObject({ event: 'final', data: { success: true, status: 'paused' } });
  });

  it('ends a run that is cancelled elsewhere', async () => {
    const { emulator, id } = await startWith(['wait']);
    const streamed = stream(emulator, id.wait);
    const run = await emulator.waitFor('status', ({ status }) => status === 'running');
    await call(emulator, 'POST', `/api/workflows/${id.wait}/executions/${run.id}/cancel`);
    expect((await streamed)[0].event).toBe('error');
  });

  it('claims its run id like any other start', async () => {
    const { emulator, id } = await startWith(['echo']);
    const headers = { 'x-run-id': 'mine', 'x-execution-id': 'mine' };
    await stream(emulator, id.echo, {}, {}, headers);
    const again = await call(emulator, 'POST', path(id.echo), { body: bodyOf({}), headers });
    expect(again.status).toBe(409);
  });

  it('is cancelled when its client closes the connection', async () => {
    const { emulator, id } = await startWith(['wait']);
    const client = new AbortController();
    const response = await fetch(emulator.url + path(id.wait), {
      method: 'POST',
      headers: { 'x-api-key': emulator.apiKey, 'content-type': 'application/json' },
      body: JSON.stringify(bodyOf({})),
      signal: client.signal,
    });
    expect(response.status).toBe(200);
    client.abort();
    const { run, request } = await emulator.waitFor('abort');
    expect(request.path).toBe(path(id.wait));
    expect(emulator.runs).toEqual([{ ...run, status: 'cancelled' }]);
  });
});

it('v1 streams the resume of a streamed run, under its new id', async () => {
  const { emulator, id } = await startWith(['approve']);
  await call(emulator, 'POST', `/api/workflows/${id.approve}/execute`, { body: { stream: true } });
  const run = emulator.runs[0].id;
  const { json } = await call(emulator, 'GET', `/api/workflows/${id.approve}/executions/${run}`);
  const path = `/api/resume/${id.approve}/${run}/${json.paused.contextId}`;
  const answer = await call(emulator, 'POST', path, { body: { input: { approved: true } } });
  expect(framesOf(answer.text)[0].data.output).toEqual({ result: { approved: true }, stdout: '' });
  expect(answer.headers.get('x-execution-id')).toBe(emulator.runs[1].id);
});
