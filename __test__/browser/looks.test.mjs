// The kit for everybody: by keyboard alone, in the dark, in German, on a desk, without motion.

import { expect, test } from 'vitest';

import { cardOf, inspect, openAs, openBrowser, openWindow, pick, shows, startHost } from './demo.mjs';

const DESK = { width: 1280, height: 900 };

test.each([
  ['en', 'light'],
  ['de', 'dark'],
])('whoever comes sees how to sign in: %s, %s', async (language, colorScheme) => {
  const host = await startHost([]);
  const window = await openWindow(await openBrowser({ colorScheme }), host.url);
  await window.getByRole('combobox').selectOption(language);
  await window.getByLabel('Socket.io').check();
  await inspect(window, `sign-in-${language}`);
});

test('a run can be started, answered and read by keyboard alone', async () => {
  const host = await startHost(['approve']);
  const window = await openAs(host, 'ada', { viewport: DESK });
  const flows = window.getByLabel('Flow', { exact: true });
  await flows.getByRole('option', { name: 'Demo approve' }).waitFor({ state: 'attached' });
  await flows.focus();
  // A browser forgets letters that come too slowly, as on a busy machine.
  await window.keyboard.type('D');
  await window.getByLabel('message').waitFor();
  await window.keyboard.press('Tab');
  await window.keyboard.type('may I?');
  await window.keyboard.press('Tab');
  await window.keyboard.press('Enter');
  const card = cardOf(window, 'approve');
  await shows(card, 'Waiting for an answer');
  // The pause announces itself and leaves the focus where it is: on the button that started the run.
  expect(await window.evaluate(() => document.activeElement.textContent)).toBe('Start');
  await window.keyboard.press('Tab');
  await window.keyboard.press('Space');
  await window.keyboard.press('Tab');
  await window.keyboard.type('by all means');
  await window.keyboard.press('Tab');
  await window.keyboard.press('Enter');
  await shows(card, 'Completed');
  await card.getByText('"approved": true').waitFor();
  expect(await card.evaluate((element) => element === document.activeElement)).toBe(true);
  await inspect(window, 'keyboard-desk');
});

test('dark, German, and still', async () => {
  const host = await startHost(['review']);
  const window = await openAs(host, 'ada', { colorScheme: 'dark', reducedMotion: 'reduce' });
  await window.getByLabel('Language').selectOption('de');
  await pick(window, 'review', 'Otter');
  await window.getByRole('button', { name: 'Starten' }).click();
  const card = cardOf(window, 'review');
  const dot = () => card.locator('.sim-badge').evaluate((badge) => getComputedStyle(badge, '::before').animationName);
  expect(await dot()).toBe('none');
  await shows(card, 'Wartet auf eine Antwort');
  await card.getByText('Ja').waitFor();
  expect(await window.getByRole('heading', { name: 'Einen Flow starten' }).count()).toBe(1);
  expect(await window.evaluate(() => document.documentElement.lang)).toBe('de');
  await inspect(window, 'dark-german');
});

test("the kit takes LibreChat's colours, in its light and its dark theme", async () => {
  const host = await startHost(['echo']);
  const window = await openAs(host, 'ada');
  await window.addStyleTag({
    content: `
      html { --text-primary: rgb(33, 33, 33); --surface-primary: rgb(255, 255, 255); }
      .dark { --text-primary: rgb(236, 236, 236); --surface-primary: rgb(13, 13, 13); }
      :root { --sim-surface: initial; }`,
  });
  await pick(window, 'echo');
  await window.getByRole('button', { name: 'Start' }).click();
  const card = cardOf(window, 'echo');
  await shows(card, 'Completed');
  const colours = () =>
    card.evaluate((element) => [getComputedStyle(element).color, getComputedStyle(element).backgroundColor]);
  expect(await colours()).toEqual(['rgb(33, 33, 33)', 'rgb(255, 255, 255)']);
  await window.evaluate(() => document.documentElement.classList.add('dark'));
  expect(await colours()).toEqual(['rgb(236, 236, 236)', 'rgb(13, 13, 13)']);
});
