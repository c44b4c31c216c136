// What the tests of Socket.io share: a host with the router and a gateway on one server, and clients of it. It must not
// know what any single test is about.

import { once } from 'node:events';
import { createServer } from 'node:http';
import { attachRealtime, SimAdapter, simRouter } from '@sigmacode/sim-adapter';
import { Server } from 'socket.io';
import { io } from 'socket.io-client';
import { atEnd, express5, optionsFor } from '../http/support.mjs';

export { express4, express5, SECRET, startAll, startSim } from '../http/support.mjs';

/** An adapter that knows how many of its watches are open. */
class Counting extends SimAdapter {
  watches = 0;

  watchRun(runId, options) {
    let open = 1;
    const end = () => {
      this.watches -= open;
      open = 0;
    };
    this.watches += open;
    options.signal.addEventListener('abort', end);
    const events = super.watchRun(runId, options);
    const next = events.next.bind(events);
    events.next = async () => {
      try {
        const result = await next();
        if (result.done) end();
        return result;
      } catch (error) {
        end();
        throw error;
      }
    };
    return events;
  }
}

/** A host for `sim`: `{adapter, gateway, server, url, host}`. The user of a socket is who it says it is. */
export async function startRealtime(sim, { express = express5, adapter: options, userOf, clientIp } = {}) {
  const adapter = new Counting(optionsFor(sim, options));
  atEnd(() => adapter.close({ drainMs: 0 }));
  const app = express();
  app.use(express.json());
  app.use((req, _res, next) => {
    if (req.headers['x-test-user']) req.user = { id: req.headers['x-test-user'], role: 'USER' };
    next();
  });
  app.use('/api/sim', simRouter({ adapter }));
  const http = createServer(app).listen(0, '127.0.0.1');
  await once(http, 'listening');
  const server = new Server(http);
  atEnd(() => server.close());
  server.use((socket, next) => {
    const { user } = socket.handshake.auth;
    if (user) socket.data.user = { id: user, role: 'USER' };
    next();
  });
  const gateway = attachRealtime(server, { adapter, userOf, clientIp });
  const url = `http://127.0.0.1:${http.address().port}`;
  return {
    adapter,
    gateway,
    server,
    url,
    host: { url: `${url}/api/sim`, port: http.address().port, mount: '/api/sim' },
  };
}

/** A connected client: `{socket, join, events, next, until}`; `events` is all that came. */
export async function connect(url, auth = { user: 'ann' }) {
  const socket = io(url, { auth, transports: ['websocket'], reconnection: false });
  atEnd(() => socket.disconnect());
  const events = [];
  const arrivals = [];
  let read = 0;
  socket.on('sim:event', (event) => {
    events.push(event);
    for (const arrived of arrivals.splice(0)) arrived();
  });
  await once(socket, 'connect');
  async function next() {
    while (events.length <= read) await new Promise((resolve) => arrivals.push(resolve));
    return events[read++];
  }
  async function until(status) {
    for (;;) {
      const event = await next();
      if (event.data.run?.status === status) return event;
    }
  }
  const join = (run, more) => socket.emitWithAck('sim:join', { run, ...more });
  const leave = (run) => socket.emitWithAck('sim:leave', { run });
  return { socket, events, next, until, join, leave };
}
