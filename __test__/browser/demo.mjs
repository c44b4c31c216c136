// The demo for the browser tests: its host with its page, an emulated Sim behind it, people who sign in. It must not know
// what any single test is about.

import { startEmulator } from '@sigmacode/sim-adapter/emulator';

import { draft } from '../../demo/drafts.mjs';
import { buildPage } from '../../demo/page.mjs';
import { startServer } from '../../demo/server.mjs';
import { atEnd, builtPage, openBrowser, openWindow } from './support.mjs';

export { inspect, openBrowser, openWindow, recordTexts, shows } from './support.mjs';

const demo = builtPage(buildPage);

/**
 * The demo's host with its own page, unless it is told which, and a Sim with the named flows. `restart()` ends the host, `between` happens, and it comes back where it
 * was.
 */
export async function startHost(names, { runMs = 400, tokenSeconds, page = demo, sim: simOptions } = {}) {
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

/** A window, signed in: of a browser of its own, unless it is told which. */
export async function openAs(host, name, { context, overSocket = false, ...options } = {}) {
  const window = await openWindow(context ?? (await openBrowser(options)), host.url);
  await window.getByLabel('over Socket.io').setChecked(overSocket);
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
