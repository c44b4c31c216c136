// A process with streams that nobody reads, for a test that wants to know what they cost. Asked for a number of streams it
// opens so many more and takes the first event of each: of runs of their own, or of a run that it starts once and that all
// of them watch. Asked to read, it takes the next event of the first one. It answers what is resident, in bytes.

import { SimAdapter } from '@sigmacode/sim-adapter';

const adapter = new SimAdapter(JSON.parse(process.env.TEST_OPTIONS));
const streams = [];
let watched;

async function opened(watching) {
  if (!watching) return adapter.streamRun('f');
  watched ??= await adapter.runFlow('f');
  return adapter.watchRun(watched.run.id);
}

process.on('message', async ({ open = 0, watching = false, read = false }) => {
  for (let count = 0; count < open; count += 1) {
    const stream = await opened(watching);
    streams.push(stream);
    await stream.next();
  }
  if (read) await streams[0].next();
  globalThis.gc();
  process.send(process.memoryUsage.rss());
});
