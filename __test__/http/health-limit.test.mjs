// Health asks Sim, so it counts like any other read.

import { expect, test } from 'vitest';

import { refusal, startAll } from './support.mjs';

test('asking for health counts as reading, and reaches Sim no more often than the rate allows', async () => {
  const { sim, call } = await startAll(['echo'], { adapter: { userMax: 2 } });
  expect((await call('GET', '/health')).status).toBe(200);
  expect((await call('GET', '/flows/echo')).status).toBe(200);
  const before = sim.requests.length;
  expect(refusal(await call('GET', '/health'))).toEqual([429, 'rate_limited']);
  expect(sim.requests.length).toBe(before);
});
