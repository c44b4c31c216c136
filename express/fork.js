'use strict';

// The Socket.io connection to a fork of Sim that the environment names, as a source of hints. It must not know what a hint
// brings about.

const { configurationError } = require('./hooks.js');
const { takeHints } = require('./source.js');

/** Socket.io connects again by itself, but not where it was refused. */
const REFUSED_MS = 5000;

/** `a.b.c` */
const PATH = /^\w+(\.\w+)*$/;

function urlProblem(url) {
  if (!URL.canParse(url)) return 'must be a URL';
  const { protocol, username, password } = new URL(url);
  if (!['http:', 'https:', 'ws:', 'wss:'].includes(protocol)) return 'must begin with http, https, ws or wss';
  return username || password ? 'must not hold credentials' : undefined;
}

function parse(json) {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);

function eventsProblem(json) {
  const events = parse(json);
  if (!isObject(events) || Object.keys(events).length === 0) {
    return 'must be a JSON object such as {"run-updated":{"run":"data.executionId"}}';
  }
  for (const [name, ids] of Object.entries(events)) {
    const paths = isObject(ids) ? Object.entries(ids) : [];
    const known = paths.every(
      ([id, path]) => ['run', 'flow'].includes(id) && typeof path === 'string' && PATH.test(path),
    );
    if (paths.length === 0 || !known) return `must have for ${name} the paths of "run", "flow" or both`;
  }
  return undefined;
}

/** What each variable must be, beside being there. */
const CHECKS = {
  SIM_REALTIME_URL: urlProblem,
  SIM_REALTIME_TOKEN: () => undefined,
  SIM_REALTIME_EVENTS: eventsProblem,
};

/** `{url, token, events}`, or nothing where none is set. Throws all that is missing or wrong at once. */
function settings(env) {
  const values = Object.keys(CHECKS).map((name) => [name, env[name]?.trim()]);
  const given = values.filter(([, value]) => value).map(([name]) => name);
  if (given.length === 0) return undefined;
  const problems = values.flatMap(([name, value]) => {
    const message = value ? CHECKS[name](value) : `is required with ${given.join(' and ')}`;
    return message ? [{ name, message }] : [];
  });
  if (problems.length > 0) throw configurationError(problems);
  const [url, token, events] = values.map(([, value]) => value);
  return { url, token, events: JSON.parse(events) };
}

function loadClient() {
  try {
    return require('socket.io-client');
  } catch (cause) {
    const message = 'is not installed, and SIM_REALTIME_URL needs it: npm install socket.io-client';
    throw configurationError([{ name: 'socket.io-client', message }], cause);
  }
}

/**
 * @param {import('./adapter.js').SimAdapter} adapter
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {() => void} disconnects, as the adapter's `close` does
 */
function listenToFork(adapter, env = process.env) {
  const found = settings(env);
  const { bridge } = adapter;
  if (found === undefined || bridge.closing.aborted) return () => {};
  const { url, token, events } = found;
  const socket = loadClient().io(url, { auth: { token }, forceNew: true });
  const forget = takeHints(socket, adapter, events);
  let [away, again] = [false, undefined];
  const left = (reason) => {
    if (!away)
      bridge.say({ level: 'warn', event: 'realtime_unavailable', message: `no hints from Sim's fork: ${reason}` });
    away = true;
    clearTimeout(again);
    if (!socket.active) again = setTimeout(() => socket.connect(), REFUSED_MS).unref();
  };
  socket.on('connect', () => {
    if (away) bridge.say({ level: 'info', event: 'realtime_available', message: "hints from Sim's fork come again" });
    away = false;
  });
  // What the other side says of it may hold anything.
  socket.on('connect_error', () => left(socket.active ? 'it cannot be reached' : 'it refuses SIM_REALTIME_TOKEN'));
  socket.on('disconnect', (reason) => reason !== 'io client disconnect' && left('the connection is lost'));
  const stop = () => {
    bridge.closing.removeEventListener('abort', stop);
    forget();
    clearTimeout(again);
    socket.disconnect();
  };
  // The socket would keep the process alive.
  bridge.closing.addEventListener('abort', stop);
  return stop;
}

module.exports = { listenToFork };
