// Which Sim the demo speaks to: the one that the environment names, else an emulator in this process. Knows nothing of
// Express.

import { startEmulator } from '@sigmacode/sim-adapter/emulator';

import { drafts } from './drafts.mjs';

/**
 * @typedef {{title: string, options: object, close: () => Promise<void>}} Sim `options` are those of `simRouter`.
 * @typedef {import('@sigmacode/sim-adapter').SimAdapter} SimAdapter
 */

const configured = () => Boolean(process.env.SIM_BASE_URL);

/** @returns {Promise<Sim>} */
async function fromEnvironment() {
  const version = process.env.SIM_API_VERSION || 'auto';
  return { title: `SIM_BASE_URL, API generation ${version}`, options: {}, close: async () => {} };
}

/** @returns {Promise<Sim>} */
async function emulated({ apiVersions, apiVersion, runMs }) {
  const emulator = await startEmulator({ apiVersions, runMs });
  const { url: baseUrl, apiKey, workspaceId } = emulator;
  return {
    title: `the emulator, API generation ${apiVersion}`,
    options: { baseUrl, apiKey, workspaceId, apiVersion },
    close: () => emulator.close(),
  };
}

/** One Sim for the page. The emulator's runs take long enough to watch them. */
export function simForPage() {
  if (configured()) return fromEnvironment();
  return emulated({ apiVersions: ['v2', 'v1'], apiVersion: 'auto', runMs: 1500 });
}

/**
 * Makes the demo's flows in an emulator, which has none. Through the adapter, so that those that call back know where to.
 *
 * @param {SimAdapter} adapter
 */
export async function fillForPage(adapter) {
  if (configured()) return;
  // The newest is listed first.
  for (const { title: _title, ...draft } of drafts().reverse()) await adapter.createFlow(draft);
}

/** How to start each Sim of the tour: the configured one, or an emulator for each generation. */
export function simsForTour() {
  if (configured()) return [fromEnvironment];
  return ['v2', 'v1', 'flows'].map((version) => () => emulated({ apiVersions: [version], apiVersion: version }));
}
