// Hints from a fork of Sim: its events make watchers look, and are not believed. The connection is the host's, or one that
// the environment names.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import Module from 'node:module';
import { listenToSim, SimError } from '@sigmacode/sim-adapter';
import { Server } from 'socket.io';
import { io } from 'socket.io-client';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { GROWN, grownTo, hurried, watchFlow } from '../hooks/support.mjs';
import { atEnd, startAll, startSim } from '../http/support.mjs';

afterEach(() => vi.unstubAllEnvs());

const EVENTS = { 'run-updated': { run: 'data.executionId', flow: 'data.workflowId' } };

/** A fork's Socket.io server: `{server, url}`. */
async function startFork() {
  const http = createServer().listen(0, '127.0.0.1');
  await once(http, 'listening');
  const server = new Server(http);
  atEnd(() => server.close());
  return { server, url: `http://127.0.0.1:${http.address().port}` };
}

/** A connected client of a fork. */
async function connect(url) {
  const socket = io(url, { auth: { token: 't' }, transports: ['websocket'] });
  atEnd(() => socket.disconnect());
  await once(socket, 'connect');
  return socket;
}

/** Before a poller that waited for `GROWN` would look by itself. */
const SOON = { timeout: GROWN, interval: 10 };

describe('an event over a socket of the host', () => {
  it('makes the watchers of its run, or of its flow, look at once', async () => {
    const { server, url } = await startFork();
    const { sim, adapter, host } = await startAll(['approve']);
    const run = await watchFlow(sim, host, 'approve');
    atEnd(listenToSim(await connect(url), { adapter, events: EVENTS }));
    for (const data of [{ executionId: run.runId, status: 'completed' }, { workflowId: 'approve' }]) {
      await grownTo(GROWN, run.times);
      const before = run.times().length;
      server.emit('run-updated', { data });
      await expect.poll(() => run.times().length, SOON).toBeGreaterThan(before);
    }
    expect(hurried(run.times())).toBe(true);
  }, 30_000);

  it('that names nothing, or another run, or has another name, does nothing', async () => {
    const { server, url } = await startFork();
    const { sim, adapter, host } = await startAll(['approve']);
    const run = await watchFlow(sim, host, 'approve');
    const socket = await connect(url);
    const stop = listenToSim(socket, { adapter, events: EVENTS });
    await grownTo(GROWN, run.times);
    for (const data of [
      undefined,
      null,
      'x',
      7,
      {},
      { data: { executionId: 7 } },
      { data: { executionId: 'other' } },
    ]) {
      server.emit('run-updated', data);
    }
    server.emit('other', { data: { executionId: run.runId } });
    server.emit('last');
    await once(socket, 'last');
    stop();
    expect(socket.listeners('run-updated')).toEqual([]);
    server.emit('run-updated', { data: { executionId: run.runId } });
    const before = run.times().length;
    await expect.poll(() => run.times().length, { timeout: 10_000 }).toBeGreaterThan(before + 1);
    expect(hurried(run.times(), 0.8)).toBe(false);
  }, 30_000);
});

/** Names a fork in the environment. */
function setFork(settings) {
  for (const [name, value] of Object.entries(settings)) vi.stubEnv(`SIM_REALTIME_${name}`, value);
}

describe('a fork that the environment names', () => {
  const good = { URL: 'https://sim.example', TOKEN: 'a-secret-token', EVENTS: JSON.stringify(EVENTS) };

  it('is connected to with its token, and its events are hints', async () => {
    const { server, url } = await startFork();
    const { sim, adapter, host } = await startAll(['approve']);
    const run = await watchFlow(sim, host, 'approve');
    setFork({ URL: url, TOKEN: 'a-token', EVENTS: JSON.stringify(EVENTS) });
    const stop = listenToSim({ adapter });
    atEnd(stop);
    const [peer] = await once(server, 'connection');
    expect(peer.handshake.auth).toEqual({ token: 'a-token' });
    await grownTo(GROWN, run.times);
    const before = run.times().length;
    server.emit('run-updated', { data: { executionId: run.runId } });
    await expect.poll(() => run.times().length, SOON).toBeGreaterThan(before);
    const gone = once(peer, 'disconnect');
    stop();
    await gone;
  }, 30_000);

  it('is let go when the adapter closes, so that the process ends by itself', async () => {
    const { server, url } = await startFork();
    const sim = await startSim([]);
    const { url: SIM_BASE_URL, apiKey: SIM_API_KEY, workspaceId: SIM_WORKSPACE_ID } = sim;
    const fork = { SIM_REALTIME_URL: url, SIM_REALTIME_TOKEN: 't', SIM_REALTIME_EVENTS: JSON.stringify(EVENTS) };
    const code = `
      const { listenToSim, SimAdapter } = require('@sigmacode/sim-adapter');
      const adapter = new SimAdapter();
      listenToSim({ adapter });
      process.once('SIGTERM', () => adapter.close());`;
    const env = { PATH: process.env.PATH, SIM_BASE_URL, SIM_API_KEY, SIM_WORKSPACE_ID, ...fork };
    const host = spawn(process.execPath, ['-e', code], { env, cwd: import.meta.dirname, stdio: 'inherit' });
    atEnd(() => host.kill('SIGKILL'));
    await once(server, 'connection');
    const ended = once(host, 'exit');
    host.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
  }, 15_000);

  it('is not connected to by an adapter that has closed', async () => {
    const { server, url } = await startFork();
    const { adapter } = await startAll(['echo']);
    setFork({ ...good, URL: url });
    await adapter.close();
    listenToSim({ adapter });
    await connect(url);
    expect(server.of('/').sockets.size).toBe(1);
  });

  it('is named by no variable: nothing happens', () => {
    setFork({ URL: '', TOKEN: ' ', EVENTS: '' });
    expect(listenToSim()()).toBeUndefined();
  });

  const events = (value) => ({ ...good, EVENTS: typeof value === 'string' ? value : JSON.stringify(value) });

  it.each([
    [
      { TOKEN: good.TOKEN },
      [/^URL is required with SIM_REALTIME_TOKEN$/, /^EVENTS is required with SIM_REALTIME_TOKEN$/],
    ],
    [{ URL: good.URL }, [/^TOKEN is required/, /^EVENTS is required/]],
    [{ ...good, TOKEN: '' }, [/^TOKEN is required with SIM_REALTIME_URL and SIM_REALTIME_EVENTS$/]],
    [{ ...good, URL: 'sim.example' }, [/^URL must be a URL$/]],
    [{ ...good, URL: 'ftp://sim.example' }, [/^URL must begin with http, https, ws or wss$/]],
    [
      { ...good, URL: 'https://me:pw@sim.example', EVENTS: '{' },
      [/^URL must not hold credentials$/, /^EVENTS must be/],
    ],
    ...['{', '[]', 'null', '"run"', '{}'].map((text) => [events(text), [/^EVENTS must be a JSON object such as /]]),
    ...[null, [], {}, 'run', { run: 7 }, { run: '' }, { run: 'a..b' }, { runs: 'id' }, { run: 'id', other: 'id' }].map(
      (ids) => [
        events({ ok: { run: 'id' }, bad: ids }),
        [/^EVENTS must have for bad the paths of "run", "flow" or both$/],
      ],
    ),
  ])('in a way that is wrong is refused, naming all that is: %j', (settings, problems) => {
    setFork({ URL: '', TOKEN: '', EVENTS: '', ...settings });
    let error;
    try {
      listenToSim();
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(SimError);
    expect([error.code, error.status]).toEqual(['not_configured', 503]);
    const found = error.details.problems.map(({ name, message }) => `${name} ${message}`.replace('SIM_REALTIME_', ''));
    expect(found).toEqual(problems.map((pattern) => expect.stringMatching(pattern)));
    expect(error.message).not.toMatch(/a-secret-token|pw@/);
  });

  it('needs socket.io-client, and says so', () => {
    setFork(good);
    const { _load: load } = Module;
    atEnd(() => {
      Module._load = load;
    });
    Module._load = (name, ...more) => {
      if (name === 'socket.io-client') throw Object.assign(new Error('not there'), { code: 'MODULE_NOT_FOUND' });
      return load(name, ...more);
    };
    expect(() => listenToSim()).toThrow(/socket\.io-client is not installed.*npm install socket\.io-client/);
  });

  it('is said to be away once, and to be back, also when it refused the token', async () => {
    const { server, url } = await startFork();
    const lines = [];
    const log = (level) => (message, about) => lines.push([level, about.event, message]);
    const { adapter } = await startAll(['echo'], { adapter: { logger: { info: log('info'), warn: log('warn') } } });
    let refusals = 0;
    server.use((_socket, next) => {
      refusals += 1;
      next(refusals > 2 ? undefined : new Error('a word that nobody is to read'));
    });
    setFork({ ...good, URL: url });
    atEnd(listenToSim({ adapter }));
    await once(server, 'connection');
    expect(refusals).toBe(3);
    await expect
      .poll(() => lines.map(([level, event]) => [level, event]))
      .toEqual([
        ['warn', 'realtime_unavailable'],
        ['info', 'realtime_available'],
      ]);
    expect(lines[0][2]).toMatch(/it refuses SIM_REALTIME_TOKEN$/);
    // A connection that breaks is made again by itself.
    const again = once(server, 'connection');
    for (const peer of server.of('/').sockets.values()) peer.conn.close();
    await again;
    await expect
      .poll(() => lines.slice(2).map(([, event]) => event))
      .toEqual(['realtime_unavailable', 'realtime_available']);
    expect(lines.join()).not.toMatch(/nobody is to read|a-secret-token/);
  }, 30_000);
});

it('what can be given is a socket with its events, or an adapter', () => {
  const socket = { on() {}, off() {} };
  expect(() => listenToSim(socket, { adapter: {}, events: {} })).toThrow('adapter must be a SimAdapter');
  expect(() => listenToSim({ adapter: {} })).toThrow('adapter must be a SimAdapter');
  expect(() => listenToSim({ events: {} })).toThrow('events is not an option');
  expect(() => listenToSim(undefined, { events: {} })).toThrow('takes a socket and its events, or neither');
});
