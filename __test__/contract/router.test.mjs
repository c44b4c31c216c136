// What HTTP adds to the contract: headers of the answer, preferences, and what of the browser's request reaches Sim.

import { describe, expect, it } from 'vitest';
import { GENERATIONS } from './support/contract.mjs';
import { HTTP_DOORS } from './support/doors.mjs';
import { enter } from './support/scene.mjs';

const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

const matrix = GENERATIONS.flatMap((generation) => HTTP_DOORS.map((door) => ({ generation, door })));

describe.each(matrix)('$generation through $door', ({ generation, door }) => {
  const start = (more) => enter({ generation, door, ...more });
  const post = ({ way, id }, flow, headers, body = { input: { message: 'hi' } }) =>
    way.exchange('POST', `/flows/${id[flow]}/run`, { headers, body });

  it('waits as long as a client prefers, and says so', async () => {
    const scene = await start({ flows: ['echo', 'wait'] });
    const ended = await post(scene, 'echo', { prefer: 'respond-async, wait=10' });
    expect([ended.status, ended.json.run.status]).toEqual([200, 'completed']);
    expect(ended.headers.get('preference-applied')).toBe('wait=10');
    const going = await post(scene, 'wait', { prefer: 'wait=0' });
    expect(going.status).toBe(202);
    expect(going.json.run.statusUrl).toBe(`/api/sim/runs/${going.json.run.id}/status`);
  });

  it('says when an answer is a replay, and answers a replay as its first request', async () => {
    const scene = await start({ flows: ['echo'] });
    const headers = { 'idempotency-key': '"gesture-1"' };
    const first = await post(scene, 'echo', headers);
    const second = await post(scene, 'echo', headers);
    expect([first.status, second.status]).toEqual([202, 202]);
    expect([first, second].map((one) => one.headers.get('idempotent-replayed'))).toEqual([null, 'true']);
    const sync = await post(scene, 'echo', headers, { input: { message: 'hi' }, mode: 'sync' });
    expect([sync.status, sync.json.run.status]).toEqual([200, 'completed']);
    expect(sync.headers.get('idempotent-replayed')).toBe('true');
    expect(scene.emulator.runs).toHaveLength(1);
  });

  it("passes on the request's id, its trace and its user, and nothing else of the browser's headers", async () => {
    const scene = await start({ flows: ['echo'] });
    const { headers } = await post(scene, 'echo', {
      'x-request-id': 'req-1',
      traceparent: TRACEPARENT,
      authorization: 'Bearer browser',
      cookie: 'refreshToken=browser',
      'x-api-key': 'browser',
      'x-run-id': 'browser',
      'x-execution-id': 'browser',
      'x-execution-mode': 'sync',
      'x-stream-response': 'true',
      'x-sim-user': 'browser',
      'x-sim-via': 'browser',
      signature: 'browser',
    });
    expect(headers.get('x-request-id')).toBe('req-1');
    const [request] = scene.emulator.requests;
    expect(request.headers).toMatchObject({ 'x-request-id': 'req-1', traceparent: TRACEPARENT });
    expect(Buffer.from(request.headers['x-sim-user'], 'base64url').toString()).toBe('north\0ann');
    expect(request.headers).not.toHaveProperty('authorization');
    expect(JSON.stringify(request.rawHeaders)).not.toContain('browser');
  });
});
