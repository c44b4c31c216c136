// What a person sees when connection, server or token come to an end before the run does, and what they must not see.

import { expect, test } from 'vitest';

import { cardOf, inspect, openAs, pick, recordTexts, shows, startHost } from './demo.mjs';

/** Starts the flow that waits and answers with its card once it runs. */
async function startWaiting(window, mode = 'In the background') {
  await window.getByLabel(mode).check();
  await pick(window, 'wait');
  await window.getByRole('button', { name: 'Start' }).click();
  const card = cardOf(window, 'wait');
  await shows(card, 'Running');
  return card;
}

/** Stops every run at Sim itself, behind the adapter's back. */
async function cancelAtSim({ sim }) {
  for (const { flowId, id } of sim.runs) {
    const headers = { 'x-api-key': sim.apiKey };
    await fetch(`${sim.url}/api/v2/workflows/${flowId}/runs/${id}/cancel`, { method: 'POST', headers });
  }
}

const isEvents = (request) => request.url().endsWith('/events');

test('the card goes on by itself after the server has restarted', async () => {
  const host = await startHost(['wait']);
  const window = await openAs(host, 'ada');
  const card = await startWaiting(window);
  const resumed = window.waitForRequest((request) => isEvents(request) && 'last-event-id' in request.headers());
  await host.restart(async () => {
    await card.getByText('Connection lost').waitFor();
    await inspect(window, 'lost');
    await cancelAtSim(host);
  });
  await shows(card, 'Cancelled');
  await resumed;
  await card.getByText('Connection lost').waitFor({ state: 'detached' });
});

test.each(['Stream', 'In the background'])(
  'a token that expires meanwhile is renewed without a word: %s',
  async (mode) => {
    const host = await startHost(['wait'], { tokenSeconds: 2 });
    const window = await openAs(host, 'ada');
    const texts = await recordTexts(window, '.sim-status');
    const renewed = window.waitForResponse('**/api/auth/refresh');
    const newToken = renewed.then((response) => response.json()).then(({ token }) => `Bearer ${token}`);
    const resumed = window.waitForRequest(
      async (request) => isEvents(request) && request.headers().authorization === (await newToken),
    );
    const card = await startWaiting(window, mode);
    // A streamed run is told anew by its state; a watched one goes on after the last that was told.
    expect('last-event-id' in (await resumed).headers()).toBe(mode === 'In the background');
    expect(host.sim.runs.map(({ status }) => status)).toEqual(['running']);
    await cancelAtSim(host);
    await shows(card, 'Cancelled');
    expect((await texts()).join()).not.toContain('Connection lost');
  },
);

test('a session that has ended asks to sign in again', async () => {
  const host = await startHost(['wait'], { tokenSeconds: 2 });
  const window = await openAs(host, 'ada');
  const card = await startWaiting(window);
  await window.context().clearCookies();
  await card.getByRole('alert').getByText('You are signed out. Sign in again.').waitFor();
  await inspect(window, 'signed-out');
});

test("a run is nobody else's to see", async () => {
  const host = await startHost(['wait']);
  const ada = await openAs(host, 'ada');
  await startWaiting(ada);
  const handle = await ada.locator('#handle').textContent();
  const watch = async (window) => {
    await window.getByLabel('Run id').fill(handle);
    await window.getByRole('button', { name: 'Watch' }).click();
    return window.getByRole('article', { name: 'Watched run' });
  };
  await shows(await watch(ada), 'Running');

  const ben = await openAs(host, 'ben');
  const card = await watch(ben);
  await card.getByRole('alert').getByText('There is no such flow or run, or it is not yours.').waitFor();
  expect(await card.getByText('Running').count()).toBe(0);
  await inspect(ben, 'not-mine');
});
