// Checks that every peer does the same work: the same answer to the client, and every call to Sim signed for its user.
// Handles, ids, dates and the wording of errors are masked. Nothing is measured here.

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import { createRequire } from 'node:module';
import { isDeepStrictEqual } from 'node:util';

import { withPeers } from './processes.mjs';
import { SECRETS } from './requests.mjs';
import { CEILINGS } from './scenarios.mjs';

const { verifySignature } = createRequire(import.meta.url)('../../index.js');

/** Headers that must be equal, and those that must be there or not. */
const EQUAL = ['content-type', 'cache-control', 'content-encoding'];
const PRESENT = ['x-request-id', 'ratelimit', 'ratelimit-policy', 'retry-after'];

const MASKED = ['requestId', 'message', 'resetsAt', 'limit'];

function mask(name, value) {
  if (typeof value !== 'string') return value;
  if (MASKED.includes(name)) return '…';
  if (name === 'id' && value.length > 50) return 'a handle';
  if (name.endsWith('Url')) return value.replace(/runs\/[\w-]+/, 'runs/…');
  return value.length > 100 ? `${value.length} characters ${createHash('sha256').update(value).digest('hex')}` : value;
}

function events(text) {
  const frames = text.split('\n\n').filter((frame) => frame !== '' && !frame.startsWith(':'));
  return frames.map((frame) => {
    const [id, event, data] = frame.split('\n');
    return [id, event, JSON.parse(data.slice('data: '.length), mask)];
  });
}

async function ask(peer, { path, body, tokens: [token] }) {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
  const response = await fetch(new URL(path, peer.url), { method: 'POST', headers, body });
  const text = await response.text();
  const head = [
    ...EQUAL.map((name) => [name, response.headers.get(name)]),
    ...PRESENT.map((name) => [name, response.headers.has(name)]),
  ];
  const streams = response.headers.get('content-type')?.startsWith('text/event-stream');
  return {
    status: response.status,
    ...Object.fromEntries(head),
    body: streams ? events(text) : JSON.parse(text, mask),
  };
}

/** In front of the upstream: passes on what is signed for a user and has the key, and notes what is not. */
async function startVerifier(upstream) {
  const faults = [];
  const calls = [];
  const pass = async (req, res) => {
    calls.push(req.url);
    const { user } = await verifySignature(req, { secrets: SECRETS.signingSecret });
    if (user === null) throw new Error('signed for nobody');
    if (req.headers['x-api-key'] !== SECRETS.apiKey) throw new Error('without the key');
    const { method, url, headers, rawBody } = req;
    const request = http.request(new URL(url, upstream), { method, headers });
    request.end(rawBody);
    const [answer] = await once(request, 'response');
    res.writeHead(answer.statusCode, answer.headers);
    answer.pipe(res);
  };
  const server = http.createServer((req, res) => {
    pass(req, res).catch((error) => {
      faults.push(`${req.method} ${req.url}: ${error.reason ?? error.message}`);
      res.writeHead(401).end();
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    /** The faults and the number of calls since the last time. */
    take: () => ({ calls: calls.splice(0).length, faults: faults.splice(0) }),
    end: () => server.close(),
  };
}

/** Asks each peer of a scenario once and compares it with the first, which is this package. */
async function compare(scenario, peers, verifier) {
  const faults = [];
  let expected;
  for (const name of scenario.peers.filter((peer) => !CEILINGS.includes(peer))) {
    const peer = peers.find((candidate) => candidate.name === name);
    verifier.take();
    // The limit lets one request pass.
    if (scenario.limit) await ask(peer, scenario.request);
    const answer = await ask(peer, scenario.request);
    const told = verifier.take();
    faults.push(...told.faults.map((fault) => `${scenario.name}, ${name} to Sim: ${fault}`));
    expected ??= { answer, calls: told.calls };
    if (told.calls !== expected.calls) {
      faults.push(`${scenario.name}: ${name} asks Sim ${told.calls} times, not ${expected.calls} times`);
    }
    for (const part of Object.keys(answer)) {
      if (isDeepStrictEqual(answer[part], expected.answer[part])) continue;
      const [is, should] = [answer[part], expected.answer[part]].map((value) => JSON.stringify(value).slice(0, 400));
      faults.push(`${scenario.name}: ${part} of ${name} is ${is}, not ${should}`);
    }
  }
  return faults;
}

/**
 * @param {typeof import('./scenarios.mjs').SCENARIOS} scenarios
 * @returns {Promise<string[]>} where the peers differ from the package; empty when they do not
 */
export async function checkAnswers(scenarios, upstream) {
  const verifier = await startVerifier(upstream);
  const faults = [];
  // Scenarios that need the same processes share them.
  const places = new Map();
  for (const scenario of scenarios) {
    const { mount, limit } = scenario;
    const place = JSON.stringify({ mount, limit });
    places.set(place, [...(places.get(place) ?? []), scenario]);
  }
  try {
    for (const place of places.values()) {
      const names = new Set(place.flatMap((scenario) => scenario.peers));
      const { mount, limit } = place[0];
      const settings = { mount, limit, upstream: verifier.url };
      const compared = [...names].filter((name) => !CEILINGS.includes(name));
      await withPeers(compared, settings, async (peers) => {
        for (const scenario of place) faults.push(...(await compare(scenario, peers, verifier)));
      });
    }
  } finally {
    verifier.end();
  }
  return faults;
}
