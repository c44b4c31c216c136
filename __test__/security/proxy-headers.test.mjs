// The corpus of headers at the router: of the client's only the trace reaches Sim, of Sim's none reaches the client.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';

import { startAll } from './support.mjs';

const { cases } = JSON.parse(readFileSync(new URL('corpus/headers.json', import.meta.url), 'utf8'));

const BODY = JSON.stringify({ method: 'GET', path: '/api/v2/workflows' });
/** What the adapter's answers may carry, and what Node adds. */
const OURS = [
  'content-type',
  'cache-control',
  'x-request-id',
  'content-length',
  'date',
  'connection',
  'keep-alive',
  'x-powered-by',
];

/** Sends one header as it is written; some of them no client library would send. */
async function callRaw(port, { header, value }) {
  const socket = connect(port, '127.0.0.1');
  const own = { host: 'x', 'content-type': 'application/json', 'content-length': BODY.length, connection: 'close' };
  delete own[header.trim().toLowerCase()];
  const lines = Object.entries({ ...own, 'x-test-user': 'ann' }).map(([name, text]) => `${name}: ${text}\r\n`);
  socket.write(`POST /api/sim/proxy HTTP/1.1\r\n${lines.join('')}${header}: ${value}\r\n\r\n${BODY}`);
  let text = '';
  socket.setEncoding('utf8').on('data', (chunk) => (text += chunk));
  socket.on('error', () => {});
  // Some make the request one that has no end.
  socket.setTimeout(2000, () => socket.destroy());
  const answered = new Promise((resolve) => socket.on('data', resolve));
  await Promise.race([answered, once(socket, 'close')]);
  socket.destroy();
  return Number(text.split(' ')[1]);
}

describe('the corpus of headers', () => {
  const requests = cases.filter(({ direction }) => direction === 'request');
  const responses = cases.filter(({ direction }) => direction === 'response');

  it(`of the client's only the trace and the request's id reach Sim (${requests.length} cases)`, async () => {
    const { sim, host } = await startAll();
    const wrong = [];
    let asked = 0;
    for (const entry of requests) {
      const before = sim.requests.length;
      await callRaw(host.port, entry);
      const [request] = sim.requests.slice(before);
      if (request === undefined) {
        // The host's server took it for a broken request, or waits for more of it.
        if (entry.expect === 'passes') wrong.push(`${entry.name}: nothing arrived`);
        continue;
      }
      asked += 1;
      const sent = Object.entries(request.headers).some(([, value]) => value === entry.value.trim());
      if (sent !== (entry.expect === 'passes')) wrong.push(`${entry.name}: ${sent ? 'arrived' : 'did not arrive'}`);
    }
    expect(wrong).toEqual([]);
    expect(asked).toBeGreaterThan(60);
  });

  it(`of Sim's none reaches the client (${responses.length} cases)`, async () => {
    const { sim, call } = await startAll();
    const wrong = [];
    for (const { name, header, value } of responses) {
      const body = { data: [], nextCursor: null };
      const framing = ['content-length', 'transfer-encoding', 'content-encoding'].includes(header.toLowerCase());
      const remove = sim.addFault({ kind: 'status', status: 200, body, headers: framing ? {} : { [header]: value } });
      const { headers } = await call('POST', '/proxy', { body: JSON.parse(BODY) });
      remove();
      const strange = [...headers.keys()].filter((one) => !OURS.includes(one));
      const kept = headers.get(header) === value && !['connection', 'content-type'].includes(header.toLowerCase());
      if (strange.length > 0 || kept) wrong.push(`${name}: ${[...headers.entries()]}`);
    }
    expect(wrong).toEqual([]);
  });

  it('a header of each of the corpus at once changes nothing of what Sim gets', async () => {
    const { sim, call } = await startAll();
    const body = JSON.parse(BODY);
    await call('POST', '/proxy', { body });
    const sendable = requests.filter(({ header, value, expect: expected }) => {
      if (
        expected === 'passes' ||
        /^(te|host|connection|keep-alive|transfer-encoding|upgrade|content-length|content-type|content-encoding|expect|trailer|proxy-connection|http2-settings|x-request-id|idempotency-key)$/i.test(
          header,
        )
      ) {
        return false;
      }
      return /^[\w-]+$/.test(header) && /^[\x20-\x7e]*$/.test(value);
    });
    await call('POST', '/proxy', {
      body,
      headers: Object.fromEntries(sendable.map(({ header, value }) => [header, value])),
    });
    const [plain, laden] = sim.requests.map(({ headers }) => ({ ...headers, 'x-request-id': '' }));
    expect(laden).toEqual(plain);
  });
});
