// What a streamed run costs in time: from a start to its first piece of text, straight from Sim and through the package, in
// turn; and from a client that goes to Sim's seeing it. Clocks are one: this process is the client and plays Sim. It must
// not know how the figures are shown.

import { once } from 'node:events';
import http from 'node:http';

import { withPeers } from './processes.mjs';
import { median } from './report.mjs';
import { run, SECRETS } from './requests.mjs';

const PACKAGE = 'sim-adapter';
/** The most that the package may add to the median of the first piece, and that a departure may take, in ms. */
const FIRST_PIECE_MS = 2;
const DEPARTURE_MS = 100;

const frame = (value) => `data: ${JSON.stringify(value)}\n\n`;
const PIECE = frame({ blockId: 'agent-1', chunk: 'Hello' });
const END = frame({ event: 'final', data: { success: true, output: { content: 'Hello' } } }) + frame('[DONE]');
const RECORD = JSON.stringify({ data: { runId: 'r', workflowId: 'f', status: 'completed', output: null } });

/** A Sim whose runs tell one piece of text at once, and then end, or stay if their flow is `stays`. */
async function playSim() {
  const closed = [];
  const server = http.createServer((req, res) => {
    req.resume();
    if (req.method === 'GET') return res.writeHead(200, { 'content-type': 'application/json' }).end(RECORD);
    res.writeHead(200, { 'content-type': 'text/event-stream' });
    res.write(PIECE);
    if (!req.url.includes('/stays/')) return res.end(END);
    res.once('close', () => closed.shift()?.(performance.now()));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    /** When the oldest run that stays is left. */
    left: () => new Promise((resolve) => closed.push(resolve)),
    end: () => server.close().closeAllConnections(),
  };
}

/** Sends a start and resolves with its answer once a piece of text has come, and the milliseconds that took. */
async function firstPiece(url, body, headers, agent) {
  const began = performance.now();
  const request = http.request(url, {
    method: 'POST',
    agent,
    headers: { ...headers, 'content-type': 'application/json' },
  });
  request.end(body);
  const [response] = await once(request, 'response');
  for await (const bytes of response.iterator({ destroyOnReturn: false })) {
    if (bytes.includes('"chunk"')) return { response, ms: performance.now() - began };
  }
  throw new Error(`the stream ended with ${response.statusCode} before its first piece`);
}

/** @returns {Promise<{ direct: number[], through: number[] }>} milliseconds of each start, in turn for a while */
async function firstPieces(sim, peer, { warmMs, measureMs }) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const { path, body, tokens } = run(256, { mode: 'stream' });
  const ways = {
    direct: [`${sim.url}/api/v2/workflows/f/execute`, { 'x-api-key': SECRETS.apiKey }],
    through: [peer.url + path, { authorization: `Bearer ${tokens[0]}` }],
  };
  const inTurn = async (whileMs) => {
    const taken = { direct: [], through: [] };
    const began = performance.now();
    do {
      for (const [name, [url, headers]] of Object.entries(ways)) {
        const { response, ms } = await firstPiece(url, body, headers, agent);
        await once(response.resume(), 'end');
        taken[name].push(ms);
      }
    } while (performance.now() < began + whileMs);
    return taken;
  };
  // A start takes three times as long while V8 has not compiled what it needs.
  await inTurn(warmMs);
  const taken = await inTurn(measureMs);
  agent.destroy();
  return taken;
}

/** @returns {Promise<number[]>} milliseconds from a client's end to Sim's seeing it */
async function departures(sim, peer, rounds) {
  const { path, body, tokens } = run(256, { flow: 'stays', mode: 'stream' });
  const taken = [];
  for (let round = 0; round < rounds; round++) {
    const { response } = await firstPiece(peer.url + path, body, { authorization: `Bearer ${tokens[0]}` });
    const left = sim.left();
    const began = performance.now();
    response.destroy();
    taken.push((await left) - began);
  }
  return taken;
}

const quantile = (values, share) =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))];

/**
 * @param {import('./measure.mjs').Pace} pace
 * @param {string} [name] the peer that is measured
 * @returns {Promise<object[]>} bars, as `judge` makes them
 */
export async function measureStreams({ warmMs, sliceMs, rounds, instances }, name = PACKAGE) {
  const measureMs = sliceMs * rounds;
  const [direct, through, gone] = [[], [], []];
  const sim = await playSim();
  try {
    for (let instance = 0; instance < instances; instance++) {
      await withPeers([name], { mount: 'json', upstream: sim.url }, async ([peer]) => {
        const taken = await firstPieces(sim, peer, { warmMs, measureMs });
        direct.push(...taken.direct);
        through.push(...taken.through);
        gone.push(...(await departures(sim, peer, Math.ceil(measureMs / 30))));
      });
    }
  } finally {
    sim.end();
  }
  const bar = (text, value, most) => {
    const [shown, met] = most === undefined ? ['', true] : [`≤ ${most}`, value <= most];
    return { scenario: 'streams', text, bar: shown, stretch: '', value, met };
  };
  return [
    bar('first piece straight from Sim, p50 ms', median(direct)),
    bar('first piece, ms added at p50', median(through) - median(direct), FIRST_PIECE_MS),
    bar('first piece, ms added at p99', quantile(through, 0.99) - quantile(direct, 0.99)),
    bar('client gone until Sim sees it, p50 ms', median(gone)),
    bar('client gone until Sim sees it, p99 ms', quantile(gone, 0.99), DEPARTURE_MS),
    bar('client gone until Sim sees it, longest ms', Math.max(...gone)),
  ];
}
