// Which hooks are let in: signed over their very bytes, with a known secret, lately, once, not too often, not too large.

import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { simHooks } from '@sigmacode/sim-adapter';
import { expect, it } from 'vitest';
import { atEnd, expectErrorShape, express4, express5, startAdapter } from '../http/support.mjs';
import { deliver, ROOT, signed } from './support.mjs';

/** An Express host with nothing but the hooks' router. */
async function startHooks({ express = express5, before = [], ...options } = {}) {
  const lines = [];
  const logger = { warn: (message, meta) => lines.push([meta.event, message]) };
  const adapter = startAdapter(null, { webhookSecret: ROOT, logger, ...options });
  const app = express();
  app.use(...before, (_req, _res, next) => next());
  app.use('/hooks', simHooks({ adapter }));
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEnd(() => new Promise((resolve) => server.close(resolve).closeAllConnections()));
  return { url: `http://127.0.0.1:${server.address().port}/hooks`, adapter, lines };
}

/** Status, code and reason of a refusal of the contract's one shape. */
function refusal(answer) {
  expectErrorShape(answer);
  return [answer.status, answer.json.error.code, answer.json.error.details?.reason];
}

const unauthenticated = (reason) => [401, 'unauthenticated', reason];

it.each([
  ['4', express4],
  ['5', express5],
])('a signed hook is let in (Express %s)', async (_name, express) => {
  const { url } = await startHooks({ express });
  const answer = await deliver(url, '{"text":"größer als 1 €"}');
  expect([answer.status, answer.json]).toEqual([200, { ok: true }]);
});

it('a payload that is empty is signed as an empty object', async () => {
  const { url } = await startHooks();
  const response = await fetch(url, { method: 'POST', headers: signed('{}') });
  expect(response.status).toBe(200);
});

it('the bytes may come as express.raw keeps them', async () => {
  const { url } = await startHooks({ before: [express5.raw({ type: '*/*' })] });
  expect((await deliver(url)).status).toBe(200);
});

it('each fault of a signature has its reason', async () => {
  const { url } = await startHooks();
  const send = (header, payload = '{}') => {
    const headers = { ...signed('{}'), 'x-webhook-signature': header };
    if (header === undefined) delete headers['x-webhook-signature'];
    return fetch(url, { method: 'POST', headers, body: payload }).then(async (response) =>
      refusal({ status: response.status, headers: response.headers, json: await response.json() }),
    );
  };
  const good = signed('{}')['x-webhook-signature'];
  expect(await send(undefined)).toEqual(unauthenticated('signature_missing'));
  expect(await send('sha256=abc')).toEqual(unauthenticated('signature_malformed'));
  expect(await send(good, '{ }')).toEqual(unauthenticated('signature_wrong'));
  expect(await send(signed('{}', { secret: `${ROOT}x` })['x-webhook-signature'])).toEqual(
    unauthenticated('signature_wrong'),
  );
  for (const time of [Date.now() - 301_000, Date.now() + 301_000]) {
    expect(await send(signed('{}', { time })['x-webhook-signature'])).toEqual(unauthenticated('signature_stale'));
  }
});

it('a path that names a flow takes that flow’s secret, not the root', async () => {
  const { url } = await startHooks();
  expect(refusal(await deliver(`${url}/some-tag`))).toEqual(unauthenticated('signature_wrong'));
});

it('of several secrets each is good', async () => {
  const older = 'another-root-that-is-on-its-way-out!';
  const { url } = await startHooks({ webhookSecret: [ROOT, older] });
  expect((await deliver(url, '{}', { secret: older })).status).toBe(200);
});

it('a repeated delivery succeeds and does nothing, also under another delivery id', async () => {
  const { url } = await startHooks();
  const time = Date.now();
  const id = randomUUID();
  const once = await deliver(url, '{}', { time, id });
  const again = await deliver(url, '{}', { time, id });
  const renamed = await deliver(url, '{}', { time });
  const resigned = await deliver(url, '{}', { time: time + 1, id });
  expect(once.json).toEqual({ ok: true });
  const repeated = [200, { ok: true, repeated: true }];
  expect([again, renamed, resigned].map(({ status, json }) => [status, json])).toEqual(Array(3).fill(repeated));
});

it('an address that sends too many is told when to come back', async () => {
  const { url } = await startHooks({ hookIpMax: 2 });
  expect([(await deliver(url)).status, (await deliver(url)).status]).toEqual([200, 200]);
  const third = await deliver(url);
  expect(refusal(third)).toEqual([429, 'rate_limited', undefined]);
  expect(third.headers.get('retry-after')).toMatch(/^\d+$/);
});

it('what is larger than 256 KiB is refused, announced or not', async () => {
  const { url } = await startHooks();
  const fits = JSON.stringify('x'.repeat(256 * 1024 - 2));
  expect((await deliver(url, fits)).status).toBe(200);
  const large = JSON.stringify('x'.repeat(256 * 1024 - 1));
  expect(refusal(await deliver(url, large))).toEqual([413, 'payload_too_large', undefined]);
  const body = new Blob([large]).stream();
  const response = await fetch(url, { method: 'POST', headers: signed(large), body, duplex: 'half' });
  expect([response.status, (await response.json()).error.code]).toEqual([413, 'payload_too_large']);
});

it.each([
  ['4', express4],
  ['5', express5],
])('behind express.json there is one clear error, with the order to use (Express %s)', async (_name, express) => {
  const { url, lines } = await startHooks({ express, before: [express.json()] });
  const answer = await deliver(url);
  expect(refusal(answer)).toEqual([503, 'not_configured', undefined]);
  expect(answer.json.error.message).toContain("app.use('/api/sim-hooks', simHooks()); app.use(express.json())");
  expect(lines.map(([event]) => event)).toContain('hooks_mounted_late');
});

it('without a secret nothing is let in', async () => {
  const { url } = await startHooks({ webhookSecret: undefined });
  const answer = await deliver(url);
  expect(refusal(answer)).toEqual([503, 'not_configured', undefined]);
  expect(answer.json.error.message).toContain('SIM_WEBHOOK_SECRET');
});

it('what is no hook is not found', async () => {
  const { url } = await startHooks();
  const get = await fetch(url);
  expect([get.status, (await get.json()).error.code]).toEqual([404, 'not_found']);
  expect(refusal(await deliver(`${url}/a/b`))).toEqual([404, 'not_found', undefined]);
  expect(refusal(await deliver(`${url}/${'x'.repeat(65)}`))).toEqual([404, 'not_found', undefined]);
});

it('an adapter that ends takes no more hooks', async () => {
  const { url, adapter } = await startHooks();
  await adapter.close({ drainMs: 0 });
  expect(refusal(await deliver(url))).toEqual([503, 'shutting_down', undefined]);
});

it('only an adapter can be given: the router has the options', () => {
  expect(() => simHooks({ webhookSecret: ROOT })).toThrow(/^webhookSecret is not an option/);
  expect(() => simHooks({ adapter: {} })).toThrow('adapter must be a SimAdapter');
});
