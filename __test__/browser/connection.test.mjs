// What a person sees when connection, server or token come to an end before the run does, and what they must not see.

import { expect, test } from 'vitest';

import { cardOf, inspect, openAs, openBrowser, pick, recordTexts, shows, startHost } from './demo.mjs';

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

test.each([
  ['In the background', {}],
  ['Stream', {}],
  ['In the background', { overSocket: true }],
])('the card goes on by itself after the server has restarted: %s %o', async (mode, options) => {
  const host = await startHost(['wait']);
  const window = await openAs(host, 'ada', options);
  const card = await startWaiting(window, mode);
  const resumed = [];
  window.on('request', (request) => isEvents(request) && resumed.push('last-event-id' in request.headers()));
  await host.restart(async () => {
    await card.getByText('Connection lost').waitFor();
    if (!options.overSocket) await inspect(window, mode === 'Stream' ? 'lost-stream' : 'lost-background');
    await cancelAtSim(host);
  });
  await shows(card, 'Cancelled');
  await card.getByText('Connection lost').waitFor({ state: 'detached' });
  // A watched run goes on after the last that was told, a streamed one is told anew by its state; a socket joins again.
  if (options.overSocket) expect(resumed).toEqual([]);
  else expect(new Set(resumed)).toEqual(new Set([mode === 'In the background']));
  expect(host.sim.runs).toHaveLength(1);
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

test('two who share a browser stay who they are when their tokens are renewed, and sign out one by one', async () => {
  const host = await startHost(['wait'], { tokenSeconds: 2 });
  const context = await openBrowser();
  const ada = await openAs(host, 'ada', { context });
  const renewed = ada.waitForResponse('**/api/auth/refresh');
  const card = await startWaiting(ada);
  const ben = await openAs(host, 'ben', { context });
  const bens = await startWaiting(ben);
  expect((await (await renewed).json()).user.username).toBe('ada');
  await Promise.all([ada, ben].map((window) => window.waitForResponse('**/api/auth/refresh')));
  expect(await card.getByRole('alert').count()).toBe(0);
  await cancelAtSim(host);
  await shows(card, 'Cancelled');
  await shows(bens, 'Cancelled');

  expect(await context.cookies(`${host.url}/api/auth`)).toHaveLength(2);
  const gone = ada.waitForResponse('**/api/auth/logout');
  await ada.getByRole('button', { name: 'Sign out' }).click();
  await gone;
  await ada.getByLabel('Name').waitFor();
  expect(await context.cookies(`${host.url}/api/auth`)).toHaveLength(1);
  await ben.getByRole('button', { name: 'Start' }).click();
  await shows(bens, 'Running');
});

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
