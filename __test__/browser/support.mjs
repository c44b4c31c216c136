// What the browser tests share: the demo's host with its page, an emulated Sim behind it, and Chromium in front. It must
// not know what any single test is about.

import { mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';

import { startEmulator } from '@sigmacode/sim-adapter/emulator';
import axe from 'axe-core';
import { chromium } from 'playwright-core';
import { afterEach, beforeAll, expect, vi } from 'vitest';

import { draft } from '../../demo/drafts.mjs';
import { buildPage } from '../../demo/page.mjs';
import { startServer } from '../../demo/server.mjs';

const build = path.join(import.meta.dirname, '../../.build');
const screenshots = path.join(build, 'screenshots');

/** Nothing of Chromium's own leaves the machine. */
const ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

const PHONE = { width: 390, height: 844 };

// A browser on a busy machine takes its time, and axe looks at every element.
vi.setConfig({ testTimeout: 60_000 });

let browser;
let page;
const closers = [];
const atEnd = (close) => closers.push(close);

beforeAll(async () => {
  mkdirSync(screenshots, { recursive: true });
  const outDir = path.join(build, `page-${process.pid}`);
  page = await buildPage(outDir);
  browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ARGS });
  return async () => {
    await browser.close();
    rmSync(outDir, { recursive: true, force: true });
  };
});

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/**
 * The demo's host and a Sim with the named flows. `restart()` ends the host, `between` happens, and it comes back where it
 * was.
 */
export async function startHost(names, { runMs = 400, tokenSeconds, sim: simOptions } = {}) {
  const flows = names.map((name) => ({ id: name, ...draft(name) }));
  const sim = await startEmulator({ runMs, flows });
  atEnd(() => sim.close());
  const { url: baseUrl, apiKey, workspaceId } = sim;
  const options = { baseUrl, apiKey, workspaceId, apiVersion: 'v2', userMax: 0, ipMax: 0, ...simOptions };
  const start = (port) => startServer({ sim: options, port, page, tokenSeconds });
  let server = await start(0);
  const { url } = server;
  atEnd(() => server.close());
  async function restart(between = async () => {}) {
    await server.close();
    await between();
    server = await start(Number(new URL(url).port));
  }
  return { url, sim, restart };
}

/** A browser window of its own, signed in. What goes wrong in its page fails the test. */
export async function openAs(host, name, { viewport = PHONE, colorScheme = 'light', reducedMotion } = {}) {
  const context = await browser.newContext({ viewport, colorScheme, reducedMotion });
  context.setDefaultTimeout(20_000);
  const window = await context.newPage();
  const problems = [];
  window.on('pageerror', (error) => problems.push(error.message));
  atEnd(async () => {
    await context.close();
    expect(problems).toEqual([]);
  });
  await window.goto(host.url);
  await window.getByLabel('Name').fill(name);
  await window.getByRole('button', { name: 'Sign in', exact: true }).click();
  return window;
}

/** Chooses a flow and fills in its message; the start is the test's. */
export async function pick(window, flow, message = 'hello') {
  await window.getByLabel('Flow', { exact: true }).selectOption({ label: `Demo ${flow}` });
  await window.getByLabel('message').fill(message);
}

/** The card of the run that was started here. */
export const cardOf = (window, flow) => window.getByRole('article', { name: `Demo ${flow}` });

/** Waits until the card says so. */
export async function shows(card, status) {
  await card.getByRole('status').getByText(status).waitFor();
}

/** Every text that an element matching `selector` has had since, in order: what passes too quickly to be waited for. */
export async function recordTexts(window, selector) {
  await window.evaluate((selector) => {
    const texts = [];
    const note = () => {
      const text = document.querySelector(selector)?.textContent;
      if (text && text !== texts.at(-1)) texts.push(text);
    };
    new MutationObserver(note).observe(document.body, { subtree: true, childList: true, characterData: true });
    globalThis.recorded = { ...globalThis.recorded, [selector]: texts };
  }, selector);
  return () => window.evaluate((selector) => globalThis.recorded[selector], selector);
}

/** Takes a picture, and lets axe look at the page: it must find nothing. */
export async function inspect(window, name) {
  await window.screenshot({ path: path.join(screenshots, `${name}.png`), fullPage: true });
  await window.addScriptTag({ content: axe.source });
  const { violations, passes } = await window.evaluate(() => globalThis.axe.run());
  expect(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).toEqual([]);
  expect(passes.length).toBeGreaterThan(10);
  const { scrollWidth, clientWidth } = await window.evaluate(() => document.documentElement);
  expect(scrollWidth).toBe(clientWidth);
}
