// One run as a person follows it: a gesture starts one run, what is shown never goes back, nobody is left waiting.

import { createClient, RunSession } from '@sigmacode/sim-adapter/client';
import { afterEach, expect, test } from 'vitest';

import { cut, event, json, QUICK, receipt, refusal, run, serve, status, stream } from './support.mjs';

const sessions = [];

afterEach(() => {
  for (const session of sessions.splice(0)) session.close();
});

function sessionOf(server) {
  const options = { baseUrl: server.baseUrl, getToken: () => 'token', refresh: async () => 'token', timing: QUICK };
  const session = new RunSession(createClient(options));
  sessions.push(session);
  return session;
}

/** Resolves when the view is as wanted. */
function until(session, wanted) {
  if (wanted(session.getView())) return Promise.resolve();
  return new Promise((resolve) => {
    const stop = session.subscribe(() => {
      if (!wanted(session.getView())) return;
      stop();
      resolve();
    });
  });
}

const isStatus = (name) => (view) => view.run?.status === name;

const keysOf = ({ requests }) => requests.map(({ headers }) => headers['idempotency-key']);

const chunk = (blockId, text) => event('chunk', { blockId, chunk: text });

const paused = run('paused', { paused: { contextId: 'c-1', kind: 'human' }, output: { data: { inputFormat: [] } } });

test('blocks add up, in the order in which they first spoke', async () => {
  const tool = (phase, more) => event('tool', { blockId: 'a', phase, id: 't', name: 'search', ...more });
  const server = await serve(
    stream([
      event('run', { run: receipt }),
      chunk('a', 'wrong'),
      chunk('b', 'B'),
      event('reset', { blockId: 'a' }),
      event('thinking', { blockId: 'a', data: 'hm' }),
      tool('start'),
      tool('end', { status: 'success' }),
      chunk('a', 'r'),
      chunk('a', 'ight'),
      event('error', { blockId: 'b', message: 'broke' }),
      event('final', { run: run('completed', { output: 1 }) }),
    ]),
  );
  const session = sessionOf(server);
  await session.start('flow-1');
  const { blocks, run: last, connection, busy, error } = session.getView();
  const tools = [{ id: 't', name: 'search', phase: 'end', status: 'success' }];
  expect(blocks).toEqual([
    { id: 'a', text: 'right', thinking: 'hm', tools, error: null },
    { id: 'b', text: 'B', thinking: '', tools: [], error: 'broke' },
  ]);
  expect({ last, connection, busy, error }).toEqual({
    last: run('completed', { output: 1 }),
    connection: 'closed',
    busy: null,
    error: null,
  });
});

test('many tokens are told together', async () => {
  const tokens = Array.from({ length: 2000 }, (_, index) => chunk('a', `${index} `));
  const server = await serve(
    stream([event('run', { run: receipt }), ...tokens, event('final', { run: run('completed') })]),
  );
  const session = sessionOf(server);
  let times = 0;
  session.subscribe(() => {
    times += 1;
  });
  await session.start('flow-1');
  expect(session.getView().blocks[0].text.split(' ')).toHaveLength(2001);
  expect(times).toBeLessThan(200);
});

test('a second start while the first one is sent does nothing', async () => {
  const server = await serve(stream([event('run', { run: receipt })], 'open'));
  const session = sessionOf(server);
  session.start('flow-1');
  await session.start('flow-1');
  await until(session, isStatus('running'));
  expect(server.requests).toHaveLength(1);
});

test('the same start after silence is the same gesture, after an answer a new one', async () => {
  const started = json(202, { run: receipt });
  const server = await serve(cut, started, stream([status('completed')]), started, stream([status('completed')]));
  const session = sessionOf(server);
  await session.start('flow-1', { input: { a: 1 }, mode: 'async' });
  expect(session.getView().error.code).toBe('network');
  for (let time = 0; time < 2; time += 1) {
    await session.start('flow-1', { input: { a: 1 }, mode: 'async' });
    expect(session.getView()).toMatchObject({ error: null, run: { status: 'completed' } });
  }
  const [lost, again, , other] = keysOf(server);
  expect(again).toBe(lost);
  expect(other).not.toBe(lost);
});

test('another input after silence is another gesture, and so is any after a refusal', async () => {
  const server = await serve(cut, refusal(400, 'invalid_request'), refusal(400, 'invalid_request'));
  const session = sessionOf(server);
  await session.start('flow-1', { input: { a: 1 }, mode: 'async' });
  await session.start('flow-1', { input: { a: 2 }, mode: 'async' });
  await session.start('flow-1', { input: { a: 2 }, mode: 'async' });
  expect(new Set(keysOf(server)).size).toBe(3);
});

test('a streamed run that pauses is watched on, and answered at the right pause', async () => {
  const server = await serve(async (res, { method, url }) => {
    if (url.endsWith('/run')) stream([event('run', { run: receipt }), event('final', { run: paused })])(res);
    else if (method === 'POST') json(200, { run: run('running') })(res);
    else stream([status('paused', 'p', { ...paused, output: null, durationMs: 7 })], 'open')(res);
  });
  const session = sessionOf(server);
  session.start('flow-1');
  await until(session, isStatus('paused'));
  await until(session, (view) => view.run.durationMs === 7);
  // A later word of the same pause without its form does not take the form away.
  expect(session.getView().run.output).toEqual(paused.output);
  await session.resume({ approved: true });
  expect(session.getView()).toMatchObject({ busy: null, run: { status: 'running' } });
  expect(server.requests.at(-1).body).toEqual({ input: { approved: true }, contextId: 'c-1' });
});

test('what was said before the end does not undo it', async () => {
  let say;
  const server = await serve(async (res, { method }) => {
    if (method === 'POST') return json(200, { run: run('cancelled') })(res);
    await stream([status('running')], 'open')(res);
    say = (text) => new Promise((resolve) => res.write(text, resolve));
  });
  const session = sessionOf(server);
  const watched = session.watch('run-1');
  await until(session, isStatus('running'));
  await session.cancel();
  const shown = new Set();
  session.subscribe(() => shown.add(session.getView().run.status));
  await say(status('running', 'late'));
  await say(status('cancelled', 'end', { durationMs: 5 }));
  await watched;
  expect(shown).toEqual(new Set(['cancelled']));
  expect(session.getView().run.durationMs).toBe(5);
});

test('a conflict shows what there is instead', async () => {
  const server = await serve(
    stream([status('paused', 'p', paused)], 'open'),
    refusal(409, 'conflict'),
    json(200, { run: run('completed') }),
  );
  const session = sessionOf(server);
  session.watch('run-1');
  await until(session, isStatus('paused'));
  await session.resume({});
  expect(session.getView()).toMatchObject({ error: null, busy: null, run: { status: 'completed' } });
});

test('a cancel that fails says so, and can be tried again', async () => {
  const server = await serve(
    stream([status('running')], 'open'),
    refusal(502, 'upstream_error'),
    json(200, { run: run('cancelled') }),
  );
  const session = sessionOf(server);
  session.watch('run-1');
  await until(session, isStatus('running'));
  await session.cancel();
  expect(session.getView()).toMatchObject({ busy: null, error: { code: 'upstream_error', requestId: 'request-1' } });
  await session.cancel();
  expect(session.getView()).toMatchObject({ error: null, run: { status: 'cancelled' } });
});

test('a session that is closed lets go of the connection and says nothing more', async () => {
  const server = await serve(stream([status('running')], 'open'));
  const session = sessionOf(server);
  session.watch('run-1');
  await until(session, isStatus('running'));
  session.close();
  await server.requests[0].gone;
  expect(session.getView()).toMatchObject({ connection: 'closed', error: null });
});

test('another run replaces the one before', async () => {
  const server = await serve(stream([status('running')], 'open'), stream([status('completed', 'x', { id: 'run-2' })]));
  const session = sessionOf(server);
  session.watch('run-1');
  await until(session, isStatus('running'));
  await session.watch('run-2');
  expect(session.getView().run).toMatchObject({ id: 'run-2', status: 'completed' });
  await server.requests[0].gone;
});

/**
 * A server that tells run-1's stream what `say` is given, and of any other run nothing. A request whose path ends in `held`
 * is answered when the test says so: `asked` resolves with the function that does it.
 */
async function serveHeld({ held = '/cancel', first = [status('running')], otherwise } = {}) {
  let out;
  let hold;
  const asked = new Promise((resolve) => {
    hold = resolve;
  });
  const server = await serve(async (res, { url }) => {
    if (url.endsWith(held)) return hold((answer) => answer(res));
    if (url.endsWith('/cancel')) return otherwise(res);
    await stream(url.includes('run-2') ? [] : first, 'open')(res);
    out ??= res;
  });
  const say = (text) => new Promise((resolve) => out.write(text, resolve));
  return { server, say, asked };
}

const words = (view) => view.blocks.map(({ text }) => text).join();

test('what is said between the click on cancel and its answer stays', async () => {
  const { server, say, asked } = await serveHeld({ first: [event('run', { run: receipt }), chunk('a', 'one ')] });
  const session = sessionOf(server);
  session.start('flow-1');
  await until(session, (view) => words(view) === 'one ');
  const cancelled = session.cancel();
  const answer = await asked;
  await say(chunk('a', 'two'));
  await until(session, (view) => words(view) === 'one two');
  answer(json(200, { run: run('cancelled') }));
  await cancelled;
  expect(words(session.getView())).toBe('one two');
  expect(session.getView()).toMatchObject({ busy: null, run: { status: 'cancelled' } });
});

test('a run that ended before the answer to cancel stays as it ended', async () => {
  const { server, say, asked } = await serveHeld();
  const session = sessionOf(server);
  const watched = session.watch('run-1');
  await until(session, isStatus('running'));
  const cancelled = session.cancel();
  const answer = await asked;
  await say(status('completed', 'end', { output: { a: 1 }, durationMs: 9 }));
  await watched;
  answer(json(200, { run: run('cancelled') }));
  await cancelled;
  const { run: last, busy, connection } = session.getView();
  expect(last).toMatchObject({ status: 'completed', output: { a: 1 }, durationMs: 9 });
  expect({ busy, connection }).toEqual({ busy: null, connection: 'closed' });
});

test('a pause that came before the answer to the one before it stays', async () => {
  const { server, say, asked } = await serveHeld({ held: '/resume', first: [status('paused', 'p', paused)] });
  const session = sessionOf(server);
  session.watch('run-1');
  await until(session, isStatus('paused'));
  const resumed = session.resume({});
  const answer = await asked;
  const next = { ...paused, paused: { ...paused.paused, contextId: 'c-2' } };
  await say(status('paused', 'q', next));
  await until(session, (view) => view.run.paused.contextId === 'c-2');
  answer(json(200, { run: run('running') }));
  await resumed;
  expect(session.getView()).toMatchObject({ busy: null, error: null, run: { status: 'paused', paused: next.paused } });
});

test.each([
  ['cancel', json(200, { run: run('cancelled') })],
  ['resume', json(200, { run: run('running', { durationMs: 3 }) })],
  ['cancel', refusal(409, 'conflict')],
  ['cancel', refusal(502, 'upstream_error')],
])('the answer to %s does not reach the run that was started meanwhile', async (act, answer) => {
  const { server, asked } = await serveHeld({ held: `/${act}` });
  const session = sessionOf(server);
  session.watch('run-1');
  await until(session, isStatus('running'));
  const acted = session[act]();
  const respond = await asked;
  session.watch('run-2');
  respond(answer);
  await acted;
  expect(session.getView()).toMatchObject({ run: null, busy: null, error: null });
});

test('a conflict that is read after another run was started changes nothing', async () => {
  const { server, asked } = await serveHeld({ held: '/status', otherwise: refusal(409, 'conflict') });
  const session = sessionOf(server);
  session.watch('run-1');
  await until(session, isStatus('running'));
  const cancelled = session.cancel();
  const answer = await asked;
  session.watch('run-2');
  answer(json(200, { run: run('completed') }));
  await cancelled;
  expect(session.getView()).toMatchObject({ run: null, busy: null, error: null });
});

test('a conflict that the stream has explained already is no error', async () => {
  const { server, say, asked } = await serveHeld({ held: '/status', otherwise: refusal(409, 'conflict') });
  const session = sessionOf(server);
  const watched = session.watch('run-1');
  await until(session, isStatus('running'));
  const cancelled = session.cancel();
  const answer = await asked;
  await say(status('completed', 'end', { durationMs: 9 }));
  await watched;
  answer(json(200, { run: run('completed') }));
  await cancelled;
  expect(session.getView()).toMatchObject({ error: null, busy: null, run: { status: 'completed', durationMs: 9 } });
});

test('a session that is closed does nothing more, and takes no answer', async () => {
  const { server, asked } = await serveHeld();
  const session = sessionOf(server);
  session.watch('run-1');
  await until(session, isStatus('running'));
  const cancelled = session.cancel();
  const answer = await asked;
  session.close();
  answer(json(200, { run: run('cancelled') }));
  await cancelled;
  await session.cancel();
  expect(session.getView()).toMatchObject({ busy: null, run: { status: 'running' } });
  expect(server.requests.filter(({ method }) => method === 'POST')).toHaveLength(1);
});

test('nothing of a run that was left is told of the next one', async () => {
  const started = [event('run', { run: receipt }), chunk('a', 'old'), status('running'), chunk('a', ' words')];
  const server = await serve(stream(started, 'open'), stream([status('running', 'x', { id: 'run-2' })], 'open'));
  const session = sessionOf(server);
  let left = false;
  session.subscribe(() => {
    if (left || words(session.getView()) !== 'old') return;
    left = true;
    session.watch('run-2');
  });
  session.start('flow-1');
  await until(session, (view) => view.run?.id === 'run-2');
  expect(session.getView().blocks).toEqual([]);
});
