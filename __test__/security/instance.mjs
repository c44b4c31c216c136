// A host with the adapter's router, for tests that need it in a process of its own. Says its port and its log lines to
// its parent; with nothing to be served any more it has to end by itself.

import { once } from 'node:events';
import { simRouter } from '@sigmacode/sim-adapter';
import express from 'express';

const tell = (message) => process.send(message);
const line =
  (level) =>
  (message, { event }) =>
    tell({ log: { level, event, message } });
const logger = { info: line('info'), warn: line('warn') };

const app = express();
app.use((req, _res, next) => {
  const { 'x-test-user': id, 'x-test-role': role = 'USER' } = req.headers;
  if (id !== undefined) req.user = { id, role };
  next();
}, express.json());
app.use('/api/sim', simRouter({ ...JSON.parse(process.env.TEST_OPTIONS), logger }));

const server = app.listen(0, '127.0.0.1');
await once(server, 'listening');
tell({ port: server.address().port });

process.on('message', (message) => {
  if (message === 'ping') return tell({ pong: true });
  server.close();
  server.closeAllConnections();
  process.disconnect();
});
