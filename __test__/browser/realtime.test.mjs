// The page with a socket: a run in the background is followed over Socket.io, and not over an event stream.

import { expect, test } from 'vitest';

import { cardOf, openAs, pick, shows, startHost } from './demo.mjs';

test('a run in the background is followed over the socket', async () => {
  const host = await startHost(['wait']);
  const window = await openAs(host, 'ada', { overSocket: true });
  const requests = [];
  window.on('request', (request) => requests.push(new URL(request.url()).pathname));
  await window.getByText('In the background').click();
  await pick(window, 'wait');
  await window.getByRole('button', { name: 'Start' }).click();
  const card = cardOf(window, 'wait');
  await shows(card, 'Running');
  await card.getByRole('button', { name: 'Cancel' }).click();
  await shows(card, 'Cancelled');
  expect(host.sim.runs.map(({ status }) => status)).toEqual(['cancelled']);
  expect(requests.filter((path) => path.endsWith('/events'))).toEqual([]);
});
