// The walk of `--once`: sign in, create and deploy a flow, run it, read its status until it is final; each exchange is
// printed. Speaks HTTP only, as LibreChat's browser side does. Throws at the first step that fails.

import { setTimeout as pause } from 'node:timers/promises';

import { draft } from './drafts.mjs';

const POLL_MS = 200;
const DEADLINE_MS = 120_000;

const FINAL = new Set(['completed', 'failed', 'cancelled', 'paused']);

/** One exchange: prints it, and answers its JSON body when the status is `expected`. */
async function exchange(url, { method = 'GET', path, token, body, expected }) {
  const headers = { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) };
  const response = await fetch(url + path, { method, headers, body: body && JSON.stringify(body) });
  const text = await response.text();
  // The token is a secret, also of a demo.
  console.log(`${method} ${path}\n  ${response.status} ${text.replace(/"token":"[^"]+"/, '"token":"…"')}`);
  if (response.status !== expected) throw new Error(`${method} ${path} answered ${response.status}, not ${expected}`);
  return JSON.parse(text);
}

/** @param {string} url the host's, without a path */
export async function tour(url) {
  const signIn = { method: 'POST', path: '/api/auth/login', body: { username: 'ada' }, expected: 200 };
  const { token } = await exchange(url, signIn);
  const call = (method, path, expected, body) => exchange(url, { method, path, token, body, expected });

  await call('GET', '/api/sim/health', 200);
  const { flow } = await call('POST', '/api/sim/flows/create', 201, draft('echo'));
  const started = await call('POST', `/api/sim/flows/${flow.id}/run`, 202, { input: { message: 'hello' } });

  const deadline = Date.now() + DEADLINE_MS;
  let run = started.run;
  while (!FINAL.has(run.status)) {
    if (Date.now() > deadline) throw new Error(`the run was still ${run.status} after ${DEADLINE_MS / 1000} s`);
    await pause(POLL_MS);
    ({ run } = await call('GET', `/api/sim/runs/${started.run.id}/status`, 200));
  }
  if (run.status !== 'completed') throw new Error(`the run ended as ${run.status}, not completed`);
}
