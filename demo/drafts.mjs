// Ready bodies for `POST /flows/create`: documents in Sim's export format, named for what they show.

import { documents } from '@sigmacode/sim-adapter/emulator';

const TITLES = {
  echo: 'Echo: gives back its input',
  approve: 'Approve: waits for a person',
  wait: 'Wait: runs until it is stopped',
  fail: 'Fail: ends with an error',
};

/** @returns {{name: string, document: object, deploy: true} | undefined} */
export function draft(key) {
  return Object.hasOwn(TITLES, key) ? { name: `Demo ${key}`, document: documents[key], deploy: true } : undefined;
}

/** Every draft with its title, for the page. */
export function drafts() {
  return Object.entries(TITLES).map(([key, title]) => ({ title, ...draft(key) }));
}
