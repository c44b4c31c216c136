// `npm run demo`: LibreChat's shape in small (Express, sign-in, the adapter's router) with a page to try it on.
// `--once` walks the same routes without a person; `--port N` chooses the port. Knows no route of the adapter itself.

import path from 'node:path';
import { parseArgs } from 'node:util';

import { curlLines } from './curl.mjs';
import { buildPage } from './page.mjs';
import { startServer } from './server.mjs';
import { fillForPage, simForPage, simsForTour } from './sim.mjs';
import { tour } from './tour.mjs';

const { values } = parseArgs({
  options: { once: { type: 'boolean', default: false }, port: { type: 'string', default: '3080' } },
});

/** A page for a person, until the process is stopped. */
async function serve() {
  const page = await buildPage(path.join(import.meta.dirname, '../.build/demo'));
  const sim = await simForPage();
  const onHook = (status) => console.log(`Sim called /api/sim-hooks: a run has come to its end (answered ${status})`);
  const server = await startServer({ sim: sim.options, port: Number(values.port), page, onHook });
  await fillForPage(server.adapter);
  console.log(`\nSim behind it: ${sim.title}\nOpen ${server.url} or paste these lines, one for each route:\n`);
  console.log(curlLines(server.url));
  const stop = async () => {
    await server.close();
    await sim.close();
  };
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
}

/** The same, once for each Sim there is to show, and over. */
async function once() {
  const titles = [];
  for (const start of simsForTour()) {
    const sim = await start();
    const server = await startServer({ sim: sim.options, port: 0 });
    try {
      console.log(`\n# ${sim.title}`);
      await tour(server.url);
      titles.push(sim.title);
    } finally {
      await server.close();
      await sim.close();
    }
  }
  console.log(`\nA run completed with each of: ${titles.join('; ')}`);
}

try {
  await (values.once ? once() : serve());
} catch (error) {
  console.error(`\nThe demo failed: ${error.message}`);
  process.exitCode = 1;
}
