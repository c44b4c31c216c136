'use strict';

// Runs over the host's own Socket.io server: a client joins a run and gets the events of GET /runs/:runId/events. Whether it
// may is the adapter's decision, at each join. It knows Socket.io by the few members it uses, and requires nothing of it.

const { SimError } = require('./error.js');
const { atExpiry } = require('./expiry.js');

/** Runs that one socket may follow at once. */
const MOST_RUNS = 100;

const roomOf = (run) => `run:${run}`;

const userOfSocket = (socket) => socket.data?.user ?? socket.request?.user;

const peerOf = (socket) => socket.handshake.address;

/** What the contract says of an error, and what an answer's `Retry-After` would; of the host's own not a word. */
function shape(error) {
  if (!(error instanceof SimError)) return refusal('upstream_error', 'the server could not tell who asks');
  const { code, message, details, requestId, retryAfterMs } = error;
  const more = { ...(details && { details }), ...(requestId && { requestId }), ...(retryAfterMs && { retryAfterMs }) };
  return { error: { code, message, ...more } };
}

const refusal = (code, message) => ({ error: { code, message } });

const EXPIRED = refusal('unauthenticated', 'the token has expired');

const invalid = (message) => refusal('invalid_request', message);

/** One socket: the runs that it follows, and of each the last event that it was too slow to take. */
class Member {
  runs = new Set();
  /** Whether its token has ended: what comes after that is a new connection's. */
  expired = false;
  #late = new Map();
  #waiting = false;
  #socket;

  constructor(socket) {
    this.#socket = socket;
  }

  /**
   * Sends an event, or keeps it while another one waits to be sent: a slow socket holds one event of each of its runs, and
   * that one the latest. Each event is a whole state, so nothing is lost.
   */
  tell(run, event) {
    this.#late.delete(run);
    if (this.#socket.conn.writeBuffer?.length > 0) {
      this.#late.set(run, event);
      this.#wait();
    } else {
      this.#socket.emit('sim:event', { run, ...event });
    }
  }

  leave(run) {
    this.runs.delete(run);
    this.#socket.leave(roomOf(run));
  }

  #wait() {
    if (this.#waiting) return;
    this.#waiting = true;
    this.#socket.conn.once('drain', () => {
      this.#waiting = false;
      for (const [run, event] of [...this.#late]) this.tell(run, event);
    });
  }
}

/** A run that somebody follows: one watch, however many sockets. The run's handle opens for one user only. */
class Room {
  members = new Set();
  #watch;
  #last;

  constructor(watch, first) {
    this.#watch = watch;
    this.#last = first;
  }

  /** The present state, as far as it is known here. */
  get last() {
    return this.#last;
  }

  /** Tells each event to all members, up to the end. */
  async follow(run) {
    try {
      for await (const event of this.#watch) this.#tell(run, event);
    } catch (error) {
      this.#tell(run, { event: 'error', data: shape(error) });
    }
    for (const member of this.members) member.leave(run);
    this.members.clear();
  }

  close() {
    // A watch that waits for an event ends with its signal, not before.
    this.#watch.stop();
  }

  #tell(run, event) {
    this.#last = event;
    for (const member of this.members) member.tell(run, event);
  }
}

class Gateway {
  #adapter;
  #userOf;
  #clientIp;
  /** @type {Map<string, Room>} by the run's handle */
  #rooms = new Map();

  constructor(adapter, userOf, clientIp) {
    this.#adapter = adapter;
    this.#userOf = userOf;
    this.#clientIp = clientIp;
  }

  accept(socket) {
    const member = new Member(socket);
    const expiry = this.#expire(socket, member);
    socket.on('sim:join', async (request, ack) => {
      const answer = await this.#join(socket, member, request);
      if (typeof ack === 'function') ack(answer);
    });
    socket.on('sim:leave', (request, ack) => {
      this.#leave(member, request?.run);
      if (typeof ack === 'function') ack({ ok: true });
    });
    socket.on('disconnect', () => {
      clearTimeout(expiry);
      for (const run of member.runs) this.#leave(member, run);
    });
  }

  close() {
    for (const room of this.#rooms.values()) room.close();
  }

  async #join(socket, member, request) {
    const { run, lastEventId } = request ?? {};
    if (typeof run !== 'string') return invalid('run: must be the id of a run');
    if (member.expired) return EXPIRED;
    if (member.runs.size >= MOST_RUNS) return invalid(`a connection follows at most ${MOST_RUNS} runs`);
    member.runs.add(run);
    try {
      const watch = this.#watch(run, await this.#caller(socket));
      const first = await watch.next();
      // It left, or is gone, or its token ended, while the answer was on its way.
      if (!member.runs.has(run) || !socket.connected) watch.stop();
      else if (!first.done) this.#enter(member, run, watch, first.value, lastEventId, socket);
      return member.expired ? EXPIRED : { ok: true };
    } catch (error) {
      // Also one that it had joined before: whoever is refused now follows no longer.
      this.#leave(member, run);
      return shape(error);
    }
  }

  #enter(member, run, watch, first, lastEventId, socket) {
    let room = this.#rooms.get(run);
    if (room) {
      watch.stop();
    } else {
      room = new Room(watch, first);
      this.#rooms.set(run, room);
      room.follow(run).then(() => this.#rooms.get(run) === room && this.#rooms.delete(run));
    }
    room.members.add(member);
    socket.join(roomOf(run));
    if (room.last.id === undefined || room.last.id !== lastEventId) member.tell(run, room.last);
  }

  #leave(member, run) {
    member.leave(run);
    const room = this.#rooms.get(run);
    if (!room?.members.delete(member) || room.members.size > 0) return;
    this.#rooms.delete(run);
    room.close();
  }

  /** A watch that can be stopped while it waits. */
  #watch(run, caller) {
    const stopped = new AbortController();
    const events = this.#adapter.watchRun(run, { ...caller, signal: stopped.signal });
    return {
      next: () => events.next(),
      async *[Symbol.asyncIterator]() {
        try {
          yield* events;
        } catch (error) {
          if (!stopped.signal.aborted) throw error;
        }
      },
      stop: () => stopped.abort(),
    };
  }

  /** Who asks: the host's user, and the token where tokens are verified here. */
  async #caller(socket) {
    const { auth } = socket.handshake;
    const authorization = this.#adapter.bridge.verifiesTokens && auth?.token ? [`Bearer ${auth.token}`] : undefined;
    return { user: await this.#userOf(socket), authorization, ip: this.#clientIp(socket) };
  }

  /** Ends all that a token let in when it expires, whoever verifies it, as the event streams do. */
  #expire(socket, member) {
    const expire = () => {
      member.expired = true;
      for (const run of [...member.runs]) {
        this.#leave(member, run);
        member.tell(run, { event: 'reauth', data: {} });
      }
    };
    return atExpiry(`Bearer ${socket.handshake.auth?.token}`, expire)?.unref();
  }
}

/**
 * @param {{ on: Function, off: Function }} io a Socket.io server, or one of its namespaces
 * @param {import('./adapter.js').SimAdapter} adapter
 * @param {{ userOf?: (socket: any) => unknown, clientIp?: (socket: any) => string | undefined }} [options]
 */
function openGateway(io, adapter, { userOf = userOfSocket, clientIp = peerOf } = {}) {
  const gateway = new Gateway(adapter, userOf, clientIp);
  const accept = (socket) => gateway.accept(socket);
  io.on('connection', accept);
  return {
    close() {
      io.off('connection', accept);
      gateway.close();
    },
  };
}

module.exports = { openGateway };
