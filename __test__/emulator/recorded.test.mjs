// Each exchange that was recorded from a running Sim, sent to the emulator again: same status, same headers, same
// shape. The recordings are not part of this project; without them there is nothing to compare with.

import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startEmulator } from '../../emulator/index.js';
import { differences, matchIds } from './shape.mjs';
import { call, framesOf, haveRecordings, recordings } from './support.mjs';

const SESSION_ONLY = ['90-session-draft-stream', '91-session-reconnect-stream'];

const WAIT = '1e3a5184-023d-440c-8287-4444cb9e8347';
const FAIL_RUN = '3d1b455e-5a92-46fa-a3dd-2926e6098a8f';

// Headers that both must have, with the same value; and headers that both must have.
const SAME = ['content-type', 'cache-control', 'www-authenticate', 'keep-alive', 'transfer-encoding', 'x-custom'];
const PRESENT = ['x-request-id', 'x-run-id', 'x-ratelimit-limit', 'x-ratelimit-remaining', 'x-ratelimit-reset'];

const read = (file) => JSON.parse(readFileSync(new URL(file, recordings), 'utf8'));

const exchanges = haveRecordings
  ? readdirSync(recordings)
      .filter((file) => file.endsWith('.json'))
      .sort()
      .map(read)
  : [];

if (!haveRecordings) {
  console.log('no recorded exchanges beside this project: nothing to compare the emulator with');
}

describe.skipIf(!haveRecordings)('what a running Sim answered', () => {
  const ids = new Map();
  let emulator;

  beforeAll(async () => {
    emulator = await startEmulator();
    ids.set(exchanges.find(({ name }) => name === '10-v1-import-wfFn').requestBody.workspaceId, emulator.workspaceId);
    emulator.addFlow({
      name: 'default-agent',
      description: 'There from the start',
      document: startOnly,
      deployed: false,
    });
  });

  afterAll(() => emulator.close());

  const startOnly = { blocks: { start: { type: 'start_trigger', name: 'Start' } }, edges: [] };
  const mapped = (text) => [...ids].reduce((result, [theirs, ours]) => result.replaceAll(theirs, ours), text);
  const at = (path) => mapped(path);
  const until = (id, status) => emulator.waitFor('status', (run) => run.id === ids.get(id) && run.status === status);

  const startWaiting = async (theirs) => {
    const path = at(`/api/workflows/${WAIT}/execute`);
    const { json } = await call(emulator, 'POST', path, { body: {}, headers: { 'x-execution-mode': 'async' } });
    ids.set(theirs, json.executionId);
  };

  // What happened on the recorded server before an exchange, where no exchange shows it.
  const before = {
    '23-job-poll-0': () => until('47d9787d-c11c-45b4-bff0-47ba51f51cfd', 'completed'),
    // Recorded while the job was still being processed: a run of the flow that waits stands in for it.
    '43-job-failed-0': async () => {
      const ours = ids.get(FAIL_RUN);
      await startWaiting(FAIL_RUN);
      return () => ids.set(FAIL_RUN, ours);
    },
    '44-execution-status-failed': () => until(FAIL_RUN, 'failed'),
    '51-job-running': () => until('73432609-27ff-495a-a4e5-427bb9f0dbce', 'running'),
    '51b-exec-running': async () => {
      await startWaiting('86e40870-9e04-49de-92eb-6a6edf06840f');
      await until('86e40870-9e04-49de-92eb-6a6edf06840f', 'running');
    },
    '70-workflow-status': () => until('c9bf7526-2c2c-4940-b10d-9e181d5cd634', 'paused'),
    'v2-03-run-poll-0': () => until('37521c57-419a-49a8-a772-ac1af3082e2a', 'completed'),
    'v2-11-run-running': () =>
      emulator.waitFor('status', ({ id, status }) => id.startsWith('adapter-run-') && status === 'running'),
    'v2-14-run-id-conflict': () => {
      const headers = { 'x-run-id': 'adapter-run-1' };
      return call(emulator, 'POST', at(`/api/v2/workflows/${WAIT}/execute`), { body: { async: true }, headers });
    },
  };

  const after = {
    // Their deployments were not recorded.
    '40-v1-import': ({ json }) => call(emulator, 'POST', `/api/v1/workflows/${json.data.id}/deploy`, { body: {} }),
  };

  function replay({ name, method, path, requestHeaders, requestBody }) {
    const { 'x-api-key': key, ...headers } = requestHeaders;
    const ourKey = name === '26-execute-bad-key' ? 'wrong' : emulator.apiKey;
    const body = requestBody === null ? undefined : requestBody;
    return call(emulator, method, mapped(path), {
      body: body === undefined || typeof body === 'string' ? body : JSON.parse(mapped(JSON.stringify(body))),
      headers: Object.fromEntries(Object.entries(headers).map(([header, value]) => [header, mapped(value)])),
      key: key === undefined ? null : ourKey,
    });
  }

  function expectHeaders(theirs, ours) {
    for (const header of SAME.filter((one) => one in theirs || ours.has(one))) {
      const [expected, found] = [theirs[header], ours.get(header)];
      // A recorded event stream shows no keep-alive: its connection was closed by the client.
      if (header !== 'keep-alive' || expected !== undefined) {
        expect(found, header).toBe(expected);
      }
    }
    for (const header of PRESENT) {
      expect(ours.has(header), header).toBe(header in theirs);
    }
  }

  for (const exchange of exchanges.filter(({ name }) => !SESSION_ONLY.includes(name))) {
    it(`${exchange.name}: same status, headers and shape`, async () => {
      const undo = await before[exchange.name]?.();
      const answer = await replay(exchange);
      expect(answer.status).toBe(exchange.status);
      expectHeaders(exchange.responseHeaders, answer.headers);
      if (typeof exchange.responseBody === 'string') {
        expect(differences(framesOf(exchange.responseBody), framesOf(answer.text))).toEqual([]);
      } else {
        expect(differences(exchange.responseBody, answer.json)).toEqual([]);
        matchIds(exchange.responseBody, answer.json, ids);
      }
      const follow = Object.keys(after).find((prefix) => exchange.name.startsWith(prefix));
      await after[follow]?.(answer);
      if (typeof undo === 'function') {
        undo();
      }
    });
  }

  for (const exchange of exchanges.filter(({ name }) => SESSION_ONLY.includes(name))) {
    it(`${exchange.name}: for session cookies only, so a key is refused`, async () => {
      console.log(`${exchange.name}: not compared, it was recorded with a session cookie`);
      const { status } = await replay({ ...exchange, requestHeaders: { 'x-api-key': 'key' } });
      expect(status).toBe(exchange.method === 'GET' ? 401 : 400);
    });
  }
});
