// A process with streams that nobody reads, for a test that wants to know what they cost. Asked for a number of streams it
// opens so many more; otherwise it says what is resident, in bytes.

import { SimAdapter } from '@sigmacode/sim-adapter';

const adapter = new SimAdapter(JSON.parse(process.env.TEST_OPTIONS));
const streams = [];

process.on('message', async ({ open = 0 }) => {
  for (let count = 0; count < open; count += 1) {
    const stream = adapter.streamRun('f');
    streams.push(stream);
    await stream.next();
  }
  process.send(process.memoryUsage.rss());
});
