// A server in a process of its own, for a test that wants to know what its answers cost there. It answers its port, or what
// is resident, in bytes.

import { once } from 'node:events';
import http from 'node:http';
import { SimAdapter, simRouter } from '@sigmacode/sim-adapter';
import express from 'express';

const adapter = new SimAdapter(JSON.parse(process.env.TEST_OPTIONS));
const app = express().use((req, _res, next) => next(void Object.assign(req, { user: { id: 'ann' } })));
const server = http.createServer(app.use('/api/sim', express.json(), simRouter({ adapter })));
await once(server.listen(0, '127.0.0.1'), 'listening');

process.on('message', ({ port = false }) => {
  globalThis.gc();
  process.send(port ? server.address().port : process.memoryUsage.rss());
});
