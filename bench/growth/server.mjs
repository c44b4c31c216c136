// The process that is measured while something grows: the package as LibreChat mounts it, behind a host that has signed
// everybody in. Argument: JSON, `{users, options}`. It must not know what is measured.

import { createRequire } from 'node:module';

import express from 'express';

const { simRouter, SimAdapter } = createRequire(import.meta.url)('../../index.js');

const { users, options } = JSON.parse(process.argv[2]);
const adapter = new SimAdapter(options);

/** Ids as MongoDB's: 24 hexadecimal characters. */
const user = (number) => ({ id: number.toString(16).padStart(24, '0'), role: 'USER' });

let next = 0;
const app = express().disable('x-powered-by').disable('etag');
// One user after another: of many, each comes back when all the others have been there.
app.use((req, _res, proceed) => {
  req.user = user(next++ % users);
  proceed();
}, express.json());
app.use('/api/sim', simRouter({ adapter }));

const AT_ONCE = 1000;

/** Has every user counted once, in the bucket of what is measured. */
async function meetAll() {
  for (let from = 0; from < users; from += AT_ONCE) {
    const some = Array.from({ length: Math.min(AT_ONCE, users - from) }, (_, index) => user(from + index));
    await Promise.all(some.map((one) => adapter.getFlow('size-256', { user: one })));
  }
}

process.on('message', async (question) => {
  if (question === 'meet all') await meetAll();
  // What is resident shall be what is held.
  gc();
  const { user: own, system } = process.cpuUsage();
  const known = Number(/^sim_adapter_limit_keys (\d+)/m.exec(adapter.metrics())[1]);
  process.send({ cpu: own + system, rss: process.memoryUsage.rss(), known });
});
process.on('disconnect', () => process.exit());

const server = app.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
