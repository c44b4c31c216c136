// The files for LibreChat do what their README says, in a page that meets them where LibreChat does.

import path from 'node:path';

import { build } from 'vite';
import { expect, test } from 'vitest';

import { inspect, openBrowser, openWindow, pick, shows, startHost } from './demo.mjs';
import { builtPage } from './support.mjs';

const root = path.join(import.meta.dirname, '../..');

const page = builtPage((outDir) =>
  build({
    root: path.join(import.meta.dirname, 'librechat'),
    configFile: false,
    logLevel: 'warn',
    resolve: {
      alias: [
        { find: '~/hooks', replacement: path.join(import.meta.dirname, 'librechat/hooks.mjs') },
        { find: /^~\//, replacement: `${path.join(root, 'examples/librechat/client/src')}/` },
      ],
    },
    build: { outDir, emptyOutDir: true, target: 'esnext' },
  }),
);

const openChat = async (host) => openWindow(await openBrowser(), host.url);

test('a run in the background becomes a card in a message', async () => {
  const host = await startHost(['wait'], { page });
  const window = await openChat(host);
  const [panel, chat] = ['Panel', 'Chat'].map((name) => window.getByRole('region', { name }));
  await panel.getByLabel('Run in the background').check();
  await pick(panel, 'wait');
  await panel.getByRole('button', { name: 'Start' }).click();
  await shows(panel.getByRole('article'), 'Running');
  await chat.getByLabel('Message').fill('Look at this:');
  await panel.getByRole('button', { name: 'Put into the message' }).click();
  expect(await chat.getByLabel('Message').inputValue()).toMatch(/^Look at this:\n```simrun\nAS[\w-]+\n```\n$/);
  expect(await chat.getByLabel('Message').evaluate((input) => input === document.activeElement)).toBe(true);
  // Its form has heard of it: what it holds is what is sent.
  await chat.getByRole('button', { name: 'Send' }).click();
  const card = chat.getByRole('article');
  await shows(card, 'Running');
  await inspect(window, 'librechat');
  await card.getByRole('button', { name: 'Cancel' }).click();
  await shows(card, 'Cancelled');
  await shows(panel.getByRole('article'), 'Cancelled');
  expect(host.sim.runs).toHaveLength(1);
});

test('a streamed run ends with its panel, and is not offered to a message', async () => {
  const host = await startHost(['wait'], { page });
  const window = await openChat(host);
  await pick(window.getByRole('region', { name: 'Panel' }), 'wait');
  await window.getByRole('button', { name: 'Start' }).click();
  await shows(window.getByRole('article'), 'Running');
  expect(await window.getByRole('button', { name: 'Put into the message' }).count()).toBe(0);
});

test("a flow that is created through LibreChat's query cache is in its lists and in the open panel", async () => {
  const host = await startHost(['wait'], { page });
  const window = await openChat(host);
  const panel = window.getByRole('region', { name: 'Panel' });
  await window.getByRole('status').getByText('Demo wait').waitFor();
  await window.getByRole('button', { name: 'Create' }).click();
  await window.getByRole('status').getByText('Demo echo').waitFor();
  await panel.getByRole('option', { name: 'Demo echo' }).waitFor({ state: 'attached' });
});
