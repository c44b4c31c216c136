// What the browser tests share: Chromium, windows in it whose problems fail the test, and what is looked at in a page. It
// must not know which page that is.

import { mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';

import axe from 'axe-core';
import { chromium } from 'playwright-core';
import { afterEach, beforeAll, expect, vi } from 'vitest';

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
const closers = [];

/** Has something closed when the test is over, the last one first. */
export const atEnd = (close) => closers.push(close);

beforeAll(async () => {
  mkdirSync(screenshots, { recursive: true });
  browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ARGS });
  return () => browser.close();
});

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** Has `make` build a page for all tests of this file: it gets a folder for it, and what it answers is what this answers. */
export function builtPage(make) {
  const outDir = path.join(build, `page-${process.pid}-${Math.random().toString(36).slice(2)}`);
  beforeAll(async () => {
    await make(outDir);
    return () => rmSync(outDir, { recursive: true, force: true });
  });
  return outDir;
}

/** A browser with cookies of its own. */
export async function openBrowser({ viewport = PHONE, colorScheme = 'light', reducedMotion } = {}) {
  const context = await browser.newContext({ viewport, colorScheme, reducedMotion });
  context.setDefaultTimeout(20_000);
  atEnd(() => context.close());
  return context;
}

/** What Chromium says of a request that failed, and of a WebSocket. */
const REFUSED = /^Failed to load resource|^WebSocket connection to/;

/** A window at `url`. What goes wrong in its page, and what React complains of, fails the test; refused requests do not. */
export async function openWindow(context, url) {
  const window = await context.newPage();
  const problems = [];
  window.on('pageerror', (error) => problems.push(error.message));
  window.on('console', (message) => {
    if (message.type() === 'error' && !REFUSED.test(message.text())) problems.push(message.text());
  });
  atEnd(() => expect(problems).toEqual([]));
  await window.goto(url);
  return window;
}

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
