// A token that expires while a stream is open: the client is sent to fetch a new one, and no run suffers from it.

import { expect, it } from 'vitest';
import { startAll } from '../http/support.mjs';
import { names, start, stream, watch } from './support.mjs';

/** A bearer token that expires in `seconds`, as far as anybody can read. Whether it is good is the host's affair. */
function bearer(seconds) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const exp = Math.floor(Date.now() / 1000) + seconds;
  return { authorization: `Bearer ${part({ alg: 'HS256', typ: 'JWT' })}.${part({ id: 'ann', exp })}.signature` };
}

it('a watcher is told reauth and sent away; what it saw last is where it goes on', async () => {
  const { host, call } = await startAll(['wait']);
  const id = await start(host, 'wait');
  const events = await (await watch(host, id, { headers: bearer(3) })).rest();
  expect(names(events.slice(-2))).toEqual(['status', 'reauth']);
  expect(events.at(-1)).toEqual({ event: 'reauth', data: {} });
  const again = await watch(host, id, { headers: { ...bearer(600), 'last-event-id': events.at(-2).id } });
  await call('POST', `/runs/${id}/cancel`);
  expect((await again.rest()).map(({ data }) => data.run.status)).toEqual(['cancelled']);
});

it('a streamed run goes on without its client, and can be watched to its end', async () => {
  const { sim, host } = await startAll(['agent'], { sim: { runMs: 2000 } });
  const events = await (await stream(host, 'agent', { input: { message: 'a b' }, headers: bearer(3) })).rest();
  expect([names(events)[0], names(events).at(-1)]).toEqual(['run', 'reauth']);
  expect(sim.runs[0].status).toBe('running');
  const rest = await (await watch(host, events[0].data.run.id, { headers: bearer(600) })).rest();
  expect(rest.at(-1).data.run).toMatchObject({ status: 'completed', output: { content: 'You said: a b' } });
});

it.each([
  ['that is none', 'Bearer abc'],
  ['of another form', 'Bearer a.b'],
  ['without exp', `Bearer a.${Buffer.from('{}').toString('base64url')}.c`],
  ['that is no JSON', 'Bearer a.!!.c'],
  ['whose exp is no number', `Bearer a.${Buffer.from('{"exp":"1"}').toString('base64url')}.c`],
  ['that lasts for ever', `Bearer a.${Buffer.from('{"exp":99999999999}').toString('base64url')}.c`],
])('a token %s limits nothing', async (_what, authorization) => {
  const { host } = await startAll(['agent']);
  const events = await (await stream(host, 'agent', { input: {}, headers: { authorization } })).rest();
  expect(names(events).at(-1)).toBe('final');
});
