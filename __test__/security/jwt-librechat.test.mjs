// Tokens as LibreChat's own package signs them, at a router that verifies them itself (`auth: 'jwt'`).
// Knows LibreChat's signing functions and the router's answers, not how a token is checked.

import { once } from 'node:events';

import { simRouter } from '@sigmacode/sim-adapter';
import { startEmulator } from '@sigmacode/sim-adapter/emulator';
import express from 'express';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';

const SECRET = 'librechat-interop-secret-of-more-than-32-bytes';
const MINUTES = 60_000;

let emulator;
let server;
let librechat;
let user;

beforeAll(async () => {
  // The package opens log files when it is loaded, unless it is told not to.
  vi.stubEnv('LOG_TO_FILE', 'false');
  vi.stubEnv('JWT_SECRET', SECRET);
  const { default: mongoose } = await import('mongoose');
  const { createMethods, signPayload } = await import('@librechat/data-schemas');
  librechat = { generateToken: createMethods(mongoose, {}).generateToken, signPayload };
  user = { _id: new mongoose.Types.ObjectId(), username: 'ann', provider: 'local', email: 'ann@example.com' };

  emulator = await startEmulator();
  const { url: baseUrl, apiKey, workspaceId } = emulator;
  const app = express().use('/api/sim', simRouter({ auth: 'jwt', baseUrl, apiKey, workspaceId, apiVersion: 'v2' }));
  server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
});

beforeEach(() => emulator.reset());

afterAll(async () => {
  vi.unstubAllEnvs();
  server.close();
  server.closeAllConnections();
  await emulator.close();
});

async function listFlows(token) {
  const response = await fetch(`http://127.0.0.1:${server.address().port}/api/sim/flows`, {
    headers: { authorization: `Bearer ${token}` },
  });
  return { status: response.status, body: await response.json() };
}

async function expectRefusal(token) {
  emulator.reset();
  const { status, body } = await listFlows(token);
  expect(status).toBe(401);
  expect(body.error.code).toBe('unauthenticated');
  expect(emulator.requests).toEqual([]);
}

test("a token of LibreChat's generateToken signs its user in", async () => {
  const { status, body } = await listFlows(await librechat.generateToken(user, 15 * MINUTES));
  expect(status).toBe(200);
  expect(body.flows).toEqual([]);
});

test('the same token is refused once its time is over', async () => {
  await expectRefusal(await librechat.generateToken(user, -1000));
});

test('a token signed with another secret is refused', async () => {
  vi.stubEnv('JWT_SECRET', `${SECRET}-of-somebody-else`);
  const token = await librechat.generateToken(user, 15 * MINUTES);
  vi.stubEnv('JWT_SECRET', SECRET);
  await expectRefusal(token);
});

test("LibreChat's temporary token of a pending second factor is refused", async () => {
  const payload = { userId: user._id, twoFAPending: true };
  await expectRefusal(await librechat.signPayload({ payload, secret: SECRET, expirationTime: 300 }));
  const withId = { ...payload, id: user._id };
  await expectRefusal(await librechat.signPayload({ payload: withId, secret: SECRET, expirationTime: 300 }));
});

test("LibreChat's token of an agent trigger is refused", async () => {
  const payload = { id: user._id, scope: 'agent_trigger' };
  await expectRefusal(await librechat.signPayload({ payload, secret: SECRET, expirationTime: 300 }));
});
