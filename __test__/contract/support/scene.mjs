// An emulated Sim, an adapter set to one generation of its API, and a door into the adapter. Whatever a test does with
// it, at the test's end each request that Sim got is held against the contract. It must not know what a test is about.

import { createRequire } from 'node:module';
import { afterEach } from 'vitest';
import { documents, startEmulator } from '../../../emulator/index.js';
import { expectContract } from './contract.mjs';
import { openDoor, optionsOf } from './doors.mjs';

const { SimAdapter } = createRequire(import.meta.url)('../../../index.js');

/** May deploy too, which only an administrator may. */
export const USER = { id: 'ann', tenantId: 'north', role: 'ADMIN' };
export const SECRET = 'contract-tests-secret-of-more-than-32-bytes';

const open = [];

afterEach(async () => {
  const scenes = open.splice(0);
  await Promise.all(scenes.map(({ close }) => close()));
  for (const { emulator, generation } of scenes) expectContract(emulator.requests, generation);
});

/**
 * One deployed flow for each of `flows` (names of the emulator's documents), their ids in `id`. Behind each of `doors` is an
 * adapter of its own, as in so many instances. `sim` and `options` go to the emulator and the adapters.
 */
export async function enterBy({ generation, doors, flows = [], sim = {}, options = {} }) {
  const emulator = await startEmulator({
    apiVersions: [generation],
    runMs: 5,
    deployMs: 5,
    flows: flows.map((name) => ({ name, document: documents[name] })),
    ...sim,
  });
  const closers = [() => emulator.close()];
  const close = async () => {
    for (const one of closers.reverse()) await one();
  };
  open.push({ emulator, generation, close });
  const ways = {};
  for (const door of doors) {
    const adapter = new SimAdapter({
      baseUrl: emulator.url,
      apiKey: emulator.apiKey,
      apiVersion: generation,
      workspaceId: emulator.workspaceId,
      publicUrl: 'https://sim.example.com',
      handleSecret: SECRET,
      ...optionsOf(door),
      ...options,
    });
    ways[door] = await openDoor(door, adapter);
    closers.push(
      () => adapter.close(),
      () => ways[door].close(),
    );
  }
  const id = Object.fromEntries(emulator.flows.map((flow) => [flow.name, flow.id]));
  const sent = (method, pattern) => emulator.requests.filter((one) => one.method === method && pattern.test(one.path));
  return { emulator, ways, id, sent };
}

/** The same by one door, whose face for `USER` is `way`. */
export async function enter({ door = 'SimAdapter', ...scene }) {
  const { ways, ...rest } = await enterBy({ doors: [door], ...scene });
  return { ...rest, way: ways[door].as(USER) };
}

/** A request's JSON body. */
export const bodyOf = ({ body }) => JSON.parse(body.toString());

/** The rejection of `promise`, for what is promised about errors. */
export const refusal = (promise) =>
  promise.then(
    (json) => Promise.reject(new Error(`not refused: ${JSON.stringify(json)}`)),
    (error) => error,
  );
