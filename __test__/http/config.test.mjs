// GET /config: what a client may know of the server, for signed-in users only.

import { expect, it } from 'vitest';
import { refusal, startAll } from './support.mjs';

it.each([
  [undefined, null],
  ['wss://chat.example.com', 'wss://chat.example.com'],
  ['https://chat.example.com/live/', 'https://chat.example.com/live'],
])('with SIM_PUBLIC_WS_URL %s the realtimeUrl is %s', async (publicWsUrl, realtimeUrl) => {
  const { call, sim } = await startAll([], { adapter: { publicWsUrl } });
  const answer = await call('GET', '/config');
  expect([answer.status, answer.json]).toEqual([200, { config: { realtimeUrl } }]);
  expect(sim.requests).toEqual([]);
});

it('nobody who is not signed in is told', async () => {
  const { call } = await startAll([]);
  expect(refusal(await call('GET', '/config', { user: null }))).toEqual([401, 'unauthenticated']);
});
