'use strict';

// Runs in a worker thread: an adapter of its own, used as the thread's name for it says.

const { parentPort, workerData } = require('node:worker_threads');
const { SimAdapter } = require('@sigmacode/sim-adapter');

const { options, use, calls } = workerData;
const adapter = new SimAdapter(options);
const start = () => adapter.runFlow('echo', { input: {}, mode: 'sync' });

const USES = {
  /** Ends by itself, without closing. */
  async leave() {
    for (let call = 0; call < calls; call += 1) await start();
    parentPort.postMessage('done');
  },
  /** Closes, and ends. */
  async close() {
    await Promise.all(Array.from({ length: calls }, start));
    await adapter.close();
    parentPort.postMessage('done');
  },
  /** Has calls under way until somebody ends it. */
  async hang() {
    const pending = Array.from({ length: calls }, () => adapter.getFlow('echo'));
    parentPort.postMessage('under way');
    await Promise.all(pending);
  },
};

USES[use]();
