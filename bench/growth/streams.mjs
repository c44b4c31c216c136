// Those who watch runs that never end. It must not know what is measured.

import { once } from 'node:events';
import http from 'node:http';

/** So many streams are opened at once: more would only wait for one another. */
const AT_ONCE = 100;

/** Starts a run, watches it, and resolves once its state has come. */
async function watch(url, agent) {
  const start = http.request(`${url}/api/sim/flows/endless/run`, { method: 'POST', agent }).end();
  const [started] = await once(start, 'response');
  const text = (await started.setEncoding('utf8').toArray()).join('');
  const { run } = JSON.parse(text);
  const request = http.get(`${url}/api/sim/runs/${run.id}/events`, { agent: false });
  const [response] = await once(request, 'response');
  // A heartbeat that comes late is nobody's business here.
  response.setEncoding('utf8').on('error', () => {});
  for await (const piece of response.iterator({ destroyOnReturn: false })) {
    if (piece.includes('event: status')) break;
    throw new Error(`no state came: ${piece}`);
  }
  response.resume();
  return () => request.destroy();
}

/** Opens `count` streams, each of a run of its own; resolves with what closes them. */
export async function openStreams(url, count) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: AT_ONCE });
  const closers = [];
  while (closers.length < count) {
    const some = Array.from({ length: Math.min(AT_ONCE, count - closers.length) }, () => watch(url, agent));
    closers.push(...(await Promise.all(some)));
  }
  agent.destroy();
  return () => {
    for (const close of closers) close();
  };
}
