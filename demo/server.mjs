// The host: what of LibreChat's server the adapter meets, in the same order, and the demo's page.

import { once } from 'node:events';
import { createServer } from 'node:http';

import { attachRealtime, simHooks, simRouter } from '@sigmacode/sim-adapter';
import express from 'express';
import { Server } from 'socket.io';

import { draft, drafts } from './drafts.mjs';
import { refresh, requireJwtAuth, signIn, signOut, userOfToken } from './sign-in.mjs';

// Handles and run ids are derived from it; a deployment sets one that outlives the process.
process.env.SIM_HANDLE_SECRET ||= crypto.randomUUID() + crypto.randomUUID();
// What the hooks are signed with is derived from this one.
process.env.SIM_WEBHOOK_SECRET ||= crypto.randomUUID() + crypto.randomUUID();

/** Has `onHook` told how each call of Sim's was answered. */
const tell = (onHook) => (_req, res, next) => {
  res.on('finish', () => onHook?.(res.statusCode));
  next();
};

function createApp({ router, page, tokenSeconds, onHook }) {
  const app = express();
  app.set('tokenSeconds', tokenSeconds);
  // Sim signs its hooks over their bytes, and is no user: before the parser, outside the sign-in.
  app.use('/api/sim-hooks', tell(onHook), simHooks({ adapter: router.adapter }));
  app.use(express.json({ limit: '3mb' }));
  app.post('/api/auth/login', signIn);
  app.post('/api/auth/refresh', refresh);
  app.post('/api/auth/logout', signOut);
  app.use('/api/sim', requireJwtAuth, router);
  app.get('/drafts', (_req, res) => res.json(drafts()));
  app.get('/drafts/:name', (req, res, next) => (draft(req.params.name) ? res.json(draft(req.params.name)) : next()));
  if (page) app.use(express.static(page));
  return app;
}

/**
 * @param {{sim: object, port: number, page?: string, tokenSeconds?: number, onHook?: (status: number) => void}} options `sim`
 *   goes to `simRouter`; port 0 is any free one; `page` is the folder of the built page; tokens last 15 minutes, as LibreChat's
 *   do; `onHook` is told of each call of Sim's.
 * @returns {Promise<{url: string, adapter: import('@sigmacode/sim-adapter').SimAdapter, close: () => Promise<void>}>}
 */
export async function startServer({ sim, port, page, tokenSeconds = 900, onHook }) {
  const server = createServer().listen(port, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${server.address().port}`;
  const callbackUrl = process.env.SIM_CALLBACK_URL || `${url}/api/sim-hooks`;
  const router = simRouter({ callbackUrl, publicWsUrl: url, ...sim });
  server.on('request', createApp({ router, page, tokenSeconds, onHook }));
  const io = new Server(server);
  attachRealtime(io, { adapter: router.adapter, userOf: ({ handshake }) => userOfToken(handshake.auth.token) });
  return {
    url,
    adapter: router.adapter,
    close: async () => {
      io.disconnectSockets(true);
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}
