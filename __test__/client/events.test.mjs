// Event streams of the client survive what networks do, and end when there is nothing to wait for.

import { createClient } from '@sigmacode/sim-adapter/client';
import { expect, test } from 'vitest';

import { all, cut, event, QUICK, receipt, refusal, run, serve, status, stream, told } from './support.mjs';

const clientOf = (server, options = {}) =>
  createClient({
    baseUrl: server.baseUrl,
    getToken: () => 'token',
    refresh: async () => 'token',
    timing: QUICK,
    ...options,
  });

const whole = [
  event('run', { run: receipt }, '1'),
  event('chunk', { blockId: 'b', chunk: 'hi' }, '2'),
  event('error', { blockId: 'b', message: 'no' }, '3'),
  event('final', { run: run('completed') }, '4'),
];

test('a stream that breaks off goes on with the id of the last event', async () => {
  const server = await serve(stream([status('running', 'one')], 'cut'), cut, stream([status('completed', 'two')]));
  const events = await all(clientOf(server).watchRun('run-1'));
  expect(told(events)).toEqual(['status running', 'status completed']);
  expect(server.requests.map(({ headers }) => headers['last-event-id'])).toEqual([undefined, 'one', 'one']);
  expect(events.filter(({ state }) => state === 'lost')).toHaveLength(2);
});

test('a stream that ends early, in peace, goes on too', async () => {
  const server = await serve(stream([status('running')]), stream([status('failed')]));
  expect(told(await all(clientOf(server).watchRun('run-1')))).toEqual(['status running', 'status failed']);
});

test('a paused run is watched on', async () => {
  const server = await serve(stream([status('paused'), status('running', 'r2'), status('completed')]));
  expect(told(await all(clientOf(server).watchRun('run-1')))).toHaveLength(3);
});

test('waits grow up to the longest, and no Retry-After is undercut', async () => {
  const busy = refusal(503, 'upstream_busy');
  const server = await serve(
    busy,
    busy,
    busy,
    busy,
    refusal(503, 'circuit_open', { 'retry-after': '0' }),
    busy,
    stream([status('completed')]),
  );
  const waits = (await all(clientOf(server).watchRun('run-1')))
    .filter(({ state }) => state === 'lost')
    .map(({ retryInMs }) => retryInMs);
  [5, 10, 20, 20, 20, 20].forEach((longest, index) => {
    expect(waits[index]).toBeGreaterThanOrEqual(longest / 2);
    expect(waits[index]).toBeLessThanOrEqual(longest);
  });
});

test('Retry-After is the least there is to wait', async () => {
  const server = await serve(refusal(429, 'rate_limited', { 'retry-after': '60' }));
  const abort = new AbortController();
  for await (const event of clientOf(server).watchRun('run-1', { signal: abort.signal })) {
    expect(event.retryInMs).toBe(60_000);
    break;
  }
});

test.each([
  [404, 'not_found'],
  [403, 'forbidden'],
  [503, 'not_configured'],
])('an answer that waiting does not mend ends the stream: %s %s', async (code, name) => {
  const server = await serve(refusal(code, name));
  await expect(all(clientOf(server).watchRun('run-1'))).rejects.toMatchObject({ code: name, requestId: 'request-1' });
  expect(server.requests).toHaveLength(1);
});

test('a fatal event ends the stream with its error', async () => {
  const error = { code: 'not_found', message: 'gone', requestId: 'r' };
  const server = await serve(stream([status('running'), event('error', { error })]));
  await expect(all(clientOf(server).watchRun('run-1'))).rejects.toMatchObject(error);
});

test('an upstream in trouble is waited for', async () => {
  const error = { code: 'upstream_unreachable', message: 'no', requestId: 'r' };
  const server = await serve(stream([event('error', { error })]), stream([status('completed')]));
  expect(told(await all(clientOf(server).watchRun('run-1')))).toEqual(['status completed']);
});

test('reauth renews the token, goes on where it was, and is no loss', async () => {
  let token = 'old';
  const server = await serve(
    stream([status('running', 'one'), event('reauth', {})], 'open'),
    stream([status('completed', 'two')]),
  );
  const refresh = async () => {
    token = 'new';
    return token;
  };
  const events = await all(clientOf(server, { getToken: () => token, refresh }).watchRun('run-1'));
  expect(told(events)).toEqual(['status running', 'status completed']);
  expect(events.some(({ state }) => state === 'lost')).toBe(false);
  const [, second] = server.requests;
  expect(second.headers).toMatchObject({ authorization: 'Bearer new', 'last-event-id': 'one' });
});

/** A session whose tokens are `old`, then `new`; `renewals` counts. */
function session() {
  const state = { token: 'old', renewals: 0 };
  const refresh = async () => {
    state.renewals += 1;
    state.token = 'new';
    return state.token;
  };
  return { state, getToken: () => state.token, refresh };
}

const unauthorized = (res) => res.writeHead(401).end('Unauthorized');

const asked = ({ requests }) =>
  requests.map(({ headers }) => [headers.authorization, headers['last-event-id'] ?? headers['idempotency-key']]);

test('a token that expired while the stream was cut is renewed once, and the stream goes on where it was', async () => {
  const server = await serve(
    stream([status('running', 'one')], 'cut'),
    unauthorized,
    stream([status('completed', 'two')]),
  );
  const { state, ...user } = session();
  const events = await all(clientOf(server, user).watchRun('run-1'));
  expect(told(events)).toEqual(['status running', 'status completed']);
  expect(asked(server)).toEqual([
    ['Bearer old', undefined],
    ['Bearer old', 'one'],
    ['Bearer new', 'one'],
  ]);
  expect(state.renewals).toBe(1);
});

test.each([
  ['a refusal', unauthorized],
  ['an event', stream([event('reauth', {})], 'open')],
])(
  'a start that meets an expired token, told by %s, is sent again with its key, and is no loss',
  async (_by, answer) => {
    const server = await serve(answer, stream(whole));
    const { state, ...user } = session();
    const events = await all(clientOf(server, user).streamRun('flow-1', { idempotencyKey: 'k' }));
    expect(told(events).at(-1)).toBe('final completed');
    expect(events.filter(({ state }) => state === 'lost')).toEqual([]);
    expect(asked(server)).toEqual([
      ['Bearer old', '"k"'],
      ['Bearer new', '"k"'],
    ]);
    expect(state.renewals).toBe(1);
  },
);

test('new tokens that are never good enough end the start after four tries', async () => {
  const server = await serve(stream([event('reauth', {})], 'open'));
  await expect(all(clientOf(server).streamRun('flow-1'))).rejects.toMatchObject({ code: 'unauthenticated' });
  expect(server.requests).toHaveLength(4);
});

test('a silent connection is given up for a new one', async () => {
  const server = await serve(stream([status('running')], 'open'), stream([status('completed')]));
  const client = clientOf(server, { timing: { ...QUICK, silentMs: 30 } });
  expect(told(await all(client.watchRun('run-1')))).toEqual(['status running', 'status completed']);
});

test.each(['reading', 'waiting'])('a caller who gives up while %s closes the connection', async (when) => {
  const server = await serve(when === 'reading' ? stream([status('running')], 'open') : cut);
  const abort = new AbortController();
  const timing = { ...QUICK, firstRetryMs: 60_000, longestRetryMs: 60_000 };
  const events = clientOf(server, { timing }).watchRun('run-1', { signal: abort.signal });
  await events.next();
  const next = events.next().then(() => events.next());
  await server.arrived(1);
  abort.abort();
  await expect(next).rejects.toMatchObject({ name: 'AbortError' });
  await server.requests[0].gone;
});

test('an event of a newer server is passed by', async () => {
  const server = await serve(stream([event('new-thing', { a: 1 }), status('completed')]));
  expect(told(await all(clientOf(server).watchRun('run-1')))).toEqual(['status completed']);
});

test('a streamed run gives its events, the trouble of a block among them', async () => {
  const server = await serve(stream(whole));
  const events = await all(clientOf(server).streamRun('flow-1', { input: { a: 1 } }));
  expect(told(events)).toEqual(['run running', 'chunk', 'error', 'final completed']);
  expect(server.requests[0]).toMatchObject({
    url: '/api/sim/flows/flow-1/run',
    body: { mode: 'stream', input: { a: 1 } },
  });
});

test('a start without an answer is sent again with the same key', async () => {
  const server = await serve(cut, stream([], 'cut'), stream(whole));
  const events = await all(clientOf(server).streamRun('flow-1', { idempotencyKey: 'k' }));
  expect(told(events).at(-1)).toBe('final completed');
  expect(server.requests.map(({ headers }) => headers['idempotency-key'])).toEqual(['"k"', '"k"', '"k"']);
});

test('a start that is never answered fails after four tries', async () => {
  const server = await serve(cut);
  await expect(all(clientOf(server).streamRun('flow-1'))).rejects.toMatchObject({ code: 'network' });
  expect(server.requests).toHaveLength(4);
});

test('a start that is refused is not sent again', async () => {
  const server = await serve(refusal(502, 'upstream_error'));
  await expect(all(clientOf(server).streamRun('flow-1'))).rejects.toMatchObject({ code: 'upstream_error' });
  expect(server.requests).toHaveLength(1);
});

test.each([
  ['breaks off', []],
  ['ends for a new token', [event('reauth', {})]],
])('a streamed run whose stream %s is watched to its end', async (_name, last) => {
  const server = await serve(
    stream([...whole.slice(0, 2), ...last], 'cut'),
    stream([status('running'), status('failed')]),
  );
  const events = await all(clientOf(server).streamRun('flow-1'));
  expect(told(events)).toEqual(['run running', 'chunk', 'status running', 'final failed']);
  expect(server.requests.map(({ method, url }) => `${method} ${url}`)).toEqual([
    'POST /api/sim/flows/flow-1/run',
    'GET /api/sim/runs/run-1/events',
  ]);
});

test.each(['watchRun', 'streamRun'])(
  'whoever leaves %s before the first event closes the stream',
  async (call) => {
    const server = await serve(stream([], 'open'));
    const events = clientOf(server)[call]('id-1');
    expect((await events.next()).value).toEqual({ type: 'connection', state: 'open' });
    await events.return();
    // A body that nobody reads is closed some time by itself: not soon enough.
    await server.requests[0].gone;
  },
  5000,
);
