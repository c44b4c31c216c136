// The kit's parts work alike with each version of React that it is for.

import { describe, expect, test } from 'vitest';

import { json, stream } from '../client/support.mjs';
import { event, inspect, kitPage, openKit, openWatched, receipt, run, shows, status } from './kit.mjs';

const flow = { id: 'flow-1', name: 'Talk', description: 'Talks', deployed: true };

const paused = run('paused', {
  paused: { contextId: 'c-1', kind: 'human', pausedAt: null, resumeAt: null },
  output: {
    data: {
      inputFormat: [{ id: 'i', name: 'approved', label: 'Approved?', type: 'boolean', required: true }],
      responseStructure: [{ name: 'question', type: 'string', value: 'may I?' }],
    },
  },
});

describe.each(['18', '19'])('React %s', (version) => {
  const page = kitPage(version);

  test('a flow is chosen, started and read as it comes', async () => {
    const started = stream([
      event('run', { run: receipt }),
      event('thinking', { blockId: 'a', data: 'hm' }),
      event('chunk', { blockId: 'a', chunk: 'Hello ' }),
      event('chunk', { blockId: 'a', chunk: 'you' }),
      event('final', { run: run('completed', { output: { content: 'Hello you' }, durationMs: 65_000 }) }),
    ]);
    const { window, sent } = await openKit(page, {
      'GET /flows': json(200, { flows: [flow], nextCursor: null }),
      'GET /flows/flow-1': json(200, { flow: { ...flow, inputs: [{ name: 'message', type: 'string' }] } }),
      'POST /flows/flow-1/run': started,
    });
    await window.getByRole('heading', { name: `React ${version}.` }).waitFor();
    await window.getByLabel('Flow', { exact: true }).selectOption('Talk');
    await window.getByLabel('message').fill('hi');
    await window.getByRole('button', { name: 'Start' }).click();
    const card = window.getByRole('article', { name: 'Started' });
    await shows(card, 'Completed');
    await card.getByText('Hello you', { exact: true }).first().waitFor();
    await card.getByRole('timer', { name: 'Time 1:05' }).waitFor();
    expect(sent('POST /flows/flow-1/run')).toEqual([{ mode: 'stream', input: { message: 'hi' } }]);
    await inspect(window, `react-${version}`);
  });

  test('a run that was started elsewhere is watched, answered and ends', async () => {
    const { card, say, resumes } = await openWatched(page, [status('running'), status('paused', 'p', paused)], {
      resumed: run('running'),
    });
    await card.getByRole('group', { name: 'Approved?' }).getByLabel('Yes').check();
    await card.getByRole('button', { name: 'Send answer' }).click();
    await shows(card, 'Running');
    expect(resumes()).toEqual([{ input: { approved: true }, contextId: 'c-1' }]);
    say(status('completed', 'end', { output: 'fine' }));
    await shows(card, 'Completed');
    await card.getByText('fine').waitFor();
  });
});
