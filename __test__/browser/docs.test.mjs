// The examples of docs/client.md run as they stand, in a browser.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import { build } from 'vite';
import { expect, test } from 'vitest';

import { json, stream } from '../client/support.mjs';
import { event, openKit, receipt, run, shows } from './kit.mjs';
import { builtPage } from './support.mjs';

const root = path.join(import.meta.dirname, '../..');
const text = readFileSync(path.join(root, 'docs/client.md'), 'utf8');
const [client, follow, react, ...rest] = [...text.matchAll(/```jsx?\n(.*?)```/gs)].map(([, code]) => code);

/** Each example is a module; what it takes for granted is global. The last one ends in what is to be rendered. */
const MODULES = {
  'client.js': `${client}\nexport { client };`,
  'follow.js': `import { client } from './client.js';\nconst flowId = 'flow-1';\n${follow}`,
  'react.jsx': `import { createRoot } from 'react-dom/client';\nimport { client } from './client.js';\n${react.replace(
    /^<SimProvider.*/ms,
    (element) => `createRoot(document.getElementById('page')).render(${element.trim().replace(/;$/, '')});`,
  )}`,
  'main.js': `
    globalThis.session = { token: 'token', renew: async () => 'token' };
    globalThis.views = [];
    globalThis.draw = (view) => views.push(view);
    globalThis.follow = () => import('./follow.js');
    import('./react.jsx');`,
  'index.html':
    '<!doctype html><title>Docs</title><link rel="icon" href="data:,"><main id="page"></main><script type="module" src="main.js"></script>',
};

const page = builtPage(async (outDir) => {
  const sources = path.join(outDir, 'sources');
  mkdirSync(sources, { recursive: true });
  for (const [name, code] of Object.entries(MODULES)) writeFileSync(path.join(sources, name), code);
  await build({ root: sources, configFile: false, logLevel: 'warn', build: { outDir, emptyOutDir: false } });
});

const flow = { id: 'flow-1', name: 'Talk', description: null, deployed: true };

const answers = {
  'GET /flows': json(200, { flows: [flow], nextCursor: null }),
  'GET /flows/flow-1': json(200, { flow: { ...flow, inputs: [] } }),
  'POST /flows/flow-1/run': stream([event('run', { run: receipt }), event('final', { run: run('completed') })]),
};

test('each example of the page is run below', () => {
  expect([client, follow, react].every(Boolean)).toBe(true);
  expect(rest).toEqual([]);
});

test('a session follows a run and draws each view', async () => {
  const { window, sent } = await openKit(page, answers);
  await window.evaluate(() => globalThis.follow());
  await window.waitForFunction(() => globalThis.views.at(-1)?.run?.status === 'completed');
  expect(sent('POST /flows/flow-1/run')).toEqual([{ mode: 'stream', input: { message: 'hello' } }]);
});

test('a picker starts a run, and its card shows it, in German', async () => {
  const { window } = await openKit(page, answers);
  await window.getByLabel('Flow', { exact: true }).selectOption('Talk');
  await window.getByRole('button', { name: 'Starten' }).click();
  await shows(window.getByRole('article'), 'Fertig');
});
