// A server that plays one given answer for each operation, whatever it is asked about. It must not know what an answer
// means; what is asked is kept, and an unexpected question is answered 500 and kept apart.

import { once } from 'node:events';
import { createServer } from 'node:http';

/** Headers that belong to the connection on which an answer was recorded. */
const OF_THE_CONNECTION = new Set(['transfer-encoding', 'keep-alive', 'connection', 'content-length', 'date']);

/**
 * Plays `answers[operation]`: `{status, headers?, body}` or a list of them, of which the last one stays.
 * @param {import('./api.mjs').Api} api says which operation a request is
 */
export async function play(api, answers) {
  const left = new Map(Object.entries(answers).map(([name, answer]) => [name, [answer].flat()]));
  const player = { requests: [], strays: [], answers: left };
  const server = createServer(async (req, res) => {
    const chunks = await req.toArray();
    const { method, url: path, headers, rawHeaders } = req;
    player.requests.push({ method, path, headers, rawHeaders, body: Buffer.concat(chunks) });
    const name = api.find(method, path)?.operation.name;
    const queue = left.get(name);
    if (queue === undefined) {
      player.strays.push(`${method} ${path}`);
      res.writeHead(500).end();
      return;
    }
    const { status, headers: given = {}, body } = queue.length > 1 ? queue.shift() : queue[0];
    const kept = Object.entries(given).filter(([header]) => !OF_THE_CONNECTION.has(header));
    const bytes = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
    res.writeHead(status, {
      'content-type': 'application/json',
      ...Object.fromEntries(kept),
      'content-length': bytes.length,
    });
    res.end(bytes);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  player.url = `http://127.0.0.1:${server.address().port}`;
  player.close = async () => {
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
  };
  return player;
}
