// A Sim, or something in front of it, that answers badly on a real socket: each way has its code, nothing of it leaks, the
// broken connection is not used again, and the next call works.

import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { describe, expect, it } from 'vitest';
import { atEnd, refusal, startAdapter, startAll, startHost, startSim, call as to } from '../http/support.mjs';

/** How each fault is answered; `tries` is how often Sim was asked. */
const FAULTS = {
  'an HTML page from a proxy': [{ kind: 'html', title: 'sim.internal is down' }, 502, 'upstream_error', 4],
  'an HTML page that says 200': [{ kind: 'html', status: 200 }, 502, 'upstream_error', 4],
  'an HTML page that says 404': [{ kind: 'html', status: 404 }, 502, 'upstream_error', 1],
  'an empty body': [{ kind: 'empty' }, 502, 'upstream_error', 1],
  'no content': [{ kind: 'empty', status: 204, headers: { 'content-type': 'text/plain' } }, 502, 'upstream_error', 4],
  'JSON of another shape': [{ kind: 'status', status: 200, body: { hello: 1 } }, 502, 'upstream_error', 1],
  'JSON cut short, with its length right': [
    { kind: 'status', status: 200, body: '{"data":{"id":' },
    502,
    'upstream_error',
    1,
  ],
  'JSON that is not UTF-8': [{ kind: 'status', status: 200, body: '{"data":"\ud800"}' }, 502, 'upstream_error', 1],
  'a body shorter than its length': [{ kind: 'truncated' }, 502, 'upstream_unreachable', 4],
  'a body that ends in the middle of a chunk': [{ kind: 'cut-body' }, 502, 'upstream_unreachable', 4],
  'a head that ends in the middle': [{ kind: 'cut-head' }, 502, 'upstream_unreachable', 4],
  'a header of 10 MB': [{ kind: 'huge-header' }, 502, 'upstream_error', 4],
  'a reset instead of an answer': [{ kind: 'reset' }, 502, 'upstream_unreachable', 4],
  'a server error': [{ kind: 'status', status: 500, body: { error: 'boom' } }, 502, 'upstream_error', 4],
  'a 503 without Retry-After': [{ kind: 'status', status: 503, body: { error: 'x' } }, 502, 'upstream_error', 4],
  'a 503 with Retry-After': [{ kind: 'status', status: 503, retryAfter: 9 }, 503, 'upstream_busy', 1],
  'a 504 from a proxy': [{ kind: 'status', status: 504 }, 504, 'upstream_timeout', 1],
  'a 429 with Retry-After': [{ kind: 'status', status: 429, retryAfter: 7 }, 503, 'upstream_busy', 1],
  'a 429 without Retry-After': [{ kind: 'status', status: 429 }, 503, 'upstream_busy', 1],
  'a 429 with a Retry-After that is no number': [
    { kind: 'status', status: 429, retryAfter: 'soon' },
    503,
    'upstream_busy',
    1,
  ],
  'a redirect': [{ kind: 'redirect', location: 'http://127.0.0.1:1/' }, 502, 'upstream_error', 1],
  'a permanent redirect': [{ kind: 'redirect', status: 308, location: '/api/elsewhere' }, 502, 'upstream_error', 1],
};

describe.each(Object.entries(FAULTS))('%s', (_name, [fault, status, code, tries]) => {
  it('has its code, and the next call works', async () => {
    const { sim, call } = await startAll(['echo']);
    const remove = sim.addFault(fault);
    const answer = await call('GET', '/flows/echo');
    expect(refusal(answer)).toEqual([status, code]);
    expect(answer.text).not.toMatch(/127\.0\.0\.1|html|sim\.internal|boom/i);
    expect(sim.requests).toHaveLength(tries);
    remove();
    expect((await call('GET', '/flows/echo')).status).toBe(200);
    expect((await call('GET', '/health')).json).toMatchObject({ ok: true, breaker: 'closed' });
  });

  it('mends itself where another try does', async () => {
    const { sim, call } = await startAll(['echo']);
    sim.addFault({ ...fault, times: 1 });
    const answer = await call('GET', '/flows/echo');
    expect(answer.status).toBe(tries > 1 ? 200 : status);
  });
});

describe('Retry-After', () => {
  it.each([
    [{ retryAfter: 7 }, '7'],
    [{}, '5'],
    [{ retryAfter: 'soon' }, '5'],
    [{ retryAfter: '-3' }, '5'],
    [{ retryAfter: 0 }, '1'],
  ])('of %j is handed on as a number of seconds that can be kept', async (more, seconds) => {
    const { sim, call } = await startAll();
    sim.addFault({ kind: 'status', status: 429, ...more });
    expect((await call('GET', '/flows')).headers.get('retry-after')).toBe(seconds);
  });
});

describe('a connection', () => {
  it.each(['truncated', 'cut-body', 'cut-head', 'huge-header', 'reset'])(
    'that broke (%s) is not used again',
    async (kind) => {
      const { sim, call } = await startAll(['echo']);
      await call('GET', '/flows/echo');
      sim.addFault({ kind, times: 1 });
      await call('GET', '/flows/echo');
      const [before, broken, after] = sim.requests.map(({ connection }) => connection);
      expect(broken).toBe(before);
      expect(after).not.toBe(broken);
    },
  );

  it.each([
    ['an HTML page', { kind: 'html' }],
    ['an HTML page that says 200', { kind: 'html', status: 200 }],
    ['an HTML page that says 404', { kind: 'html', status: 404 }],
    ['an empty body', { kind: 'empty' }],
    ['no content', { kind: 'empty', status: 204, headers: { 'content-type': 'text/plain' } }],
    ['JSON cut short, with its length right', { kind: 'status', status: 200, body: '{"data":{"id":"echo"}' }],
    ['an error in JSON cut short', { kind: 'status', status: 404, body: '{"error":{"code":"NOT_FOUND"}' }],
    ['a redirect', { kind: 'redirect', location: 'http://127.0.0.1:1/' }],
  ])('that carried what Sim cannot have meant (%s) is not used again', async (_what, fault) => {
    const { sim, adapter, call } = await startAll(['echo']);
    await call('GET', '/flows/echo');
    sim.addFault({ ...fault, times: 1 });
    await call('GET', '/flows/echo');
    expect((await call('GET', '/flows/echo')).status).toBe(200);
    const [before, broken, ...after] = sim.requests.map(({ connection }) => connection);
    expect(broken).toBe(before);
    expect(after).not.toContain(broken);
    expect(new Set(after).size).toBe(1);
    expect((await adapter.health()).ok).toBe(true);
  });

  it('that carried a large answer through /proxy, cut short with its length right, is not used again', async () => {
    const path = '/api/v2/workflows/folders';
    const { sim, call } = await startAll(['echo'], { adapter: { proxyRules: [`GET ${path}`] } });
    const proxy = () => call('POST', '/proxy', { body: { method: 'GET', path } });
    for (const body of ['{"data":[]}', `{"data":"${'x'.repeat(300_000)}`, '{"data":[]}']) {
      sim.addFault({ kind: 'status', status: 200, body, times: 1 });
    }
    await proxy();
    await expect(proxy()).rejects.toThrow();
    expect((await proxy()).status).toBe(200);
    const [before, broken, after] = sim.requests.map(({ connection }) => connection);
    expect(broken).toBe(before);
    expect(after).not.toBe(broken);
  });

  it.each([
    ['a control character', '"\u0001"'],
    ['an escape that is none', '"\\x"'],
    ['a number that is none', '1.2.3'],
  ])('with %s in a large answer through /proxy refuses the call, and harms no other', async (_what, value) => {
    const path = '/api/v2/workflows/folders';
    const { sim, adapter, call } = await startAll(['echo'], { adapter: { proxyRules: [`GET ${path}`] } });
    const body = `{"data":["${'x'.repeat(300_000)}",${value}]}`;
    sim.addFault({ kind: 'status', status: 200, body, times: 1 });
    await expect(adapter.proxy({ method: 'GET', path })).rejects.toMatchObject({ code: 'upstream_error' });
    expect((await call('GET', '/flows/echo')).status).toBe(200);
  });

  it('that carries a healthy call meanwhile carries it to its end', async () => {
    const { sim, call } = await startAll(['echo'], { sim: { runMs: 300 } });
    const healthy = call('POST', '/flows/echo/run', { body: { mode: 'sync' } });
    await sim.waitFor('run');
    sim.addFault({ kind: 'html', status: 404, method: 'GET', path: /echo$/, times: 20 });
    const bad = await Promise.all(Array.from({ length: 20 }, () => call('GET', '/flows/echo')));
    expect(bad.map(refusal)).toEqual(Array(20).fill([502, 'upstream_error']));
    expect((await healthy).json.run.status).toBe('completed');
    expect(sim.requests.filter(({ method }) => method === 'POST')).toHaveLength(1);
  });

  it('on which the generation was asked for in vain is not used again', async () => {
    const { sim, call } = await startAll(['echo'], { adapter: { apiVersion: 'auto' } });
    sim.addFault({ kind: 'status', status: 200, body: '{"data":[', times: 1 });
    expect(refusal(await call('GET', '/flows/echo'))).toEqual([502, 'upstream_error']);
    expect((await call('GET', '/flows/echo')).status).toBe(200);
    const [first, ...after] = sim.requests.map(({ connection }) => connection);
    expect(after).not.toContain(first);
  });

  it('that did not break is used again, also after a refusal', async () => {
    const { sim, call } = await startAll(['echo']);
    sim.addFault({ kind: 'status', status: 500, body: { error: 'x' }, times: 1 });
    for (let round = 0; round < 5; round += 1) await call('GET', '/flows/echo');
    await call('GET', '/flows/nowhere');
    await call('POST', '/flows/echo/run');
    expect(new Set(sim.requests.map(({ connection }) => connection)).size).toBe(1);
  });

  it('that Sim closed while it was idle costs nobody an answer', async () => {
    const server = http.createServer(({ socket }, res) => {
      res.setHeader('content-type', 'application/json');
      res.end('{"status":"ok"}', () => setImmediate(() => socket.destroy()));
    });
    const base = await listening(server);
    const adapter = startAdapter(null, { baseUrl: base, apiKey: 'k', apiVersion: 'v2' });
    for (let round = 0; round < 50; round += 1) expect((await adapter.health()).sim.reachable).toBe(true);
  });
});

it('an answer that comes before its request was read holds up nobody else', async () => {
  const early = `HTTP/1.1 413 Payload Too Large\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}`;
  const fine = `${HEAD}content-length: 15\r\n\r\n{"status":"ok"}`;
  const answer = (socket, text) => {
    // Of the large body nothing more is read, and the connection is kept.
    socket.pause().write(text.startsWith('POST') ? early : fine);
  };
  const { adapter } = await rawSim(answer, { maxBodyBytes: 32 * 1024 * 1024 });
  const input = { text: 'x'.repeat(16 * 1024 * 1024) };
  await expect(adapter.runFlow('f', { input })).rejects.toMatchObject({ code: 'payload_too_large' });
  const { sim } = await adapter.health({ timeoutMs: 2000 });
  expect(sim.reachable).toBe(true);
});

/** A server's address; it is closed with the test. */
async function listening(server) {
  const sockets = new Set();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEnd(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${server.address().port}`;
}

/** A Sim by hand: `answer(socket, text)` is told what came. */
async function rawSim(answer, options = {}) {
  const server = net.createServer((socket) => socket.once('data', (chunk) => answer(socket, chunk.toString())));
  const baseUrl = await listening(server);
  const adapter = startAdapter(null, { baseUrl, apiKey: 'k', apiVersion: 'v2', workspaceId: 'w', ...options });
  return { adapter, server };
}

const HEAD = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n';

describe('an answer by hand', () => {
  it.each([
    ['no HTTP at all', 'SSH-2.0-OpenSSH_9.2\r\n', 'upstream_error'],
    ['bytes without meaning', Buffer.from([0, 1, 2, 3, 255, 254, 13, 10, 13, 10]), 'upstream_error'],
    ['HTTP/2 without being asked', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'upstream_error'],
    ['a status that is none', 'HTTP/1.1 999999 X\r\n\r\n', 'upstream_error'],
    ['two lengths', `${HEAD}content-length: 2\r\ncontent-length: 3\r\n\r\n{}`, 'upstream_error'],
    ['a length that is no number', `${HEAD}content-length: many\r\n\r\n{}`, 'upstream_error'],
    ['a negative length', `${HEAD}content-length: -5\r\n\r\n{}`, 'upstream_error'],
    ['a chunk size that is no number', `${HEAD}transfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n`, 'upstream_unreachable'],
    [
      'a chunk of all the memory',
      `${HEAD}transfer-encoding: chunked\r\n\r\nffffffffffffffff\r\n{}`,
      'upstream_unreachable',
    ],
    ['a length of all the memory', `${HEAD}content-length: 9007199254740991\r\n\r\n{}`, 'upstream_unreachable'],
    ['a line break in a header', `${HEAD}x: a\nb: c\rd\r\ncontent-length: 2\r\n\r\n{}`, 'upstream_error'],
    ['more headers than anybody needs', `${HEAD}${'x: y\r\n'.repeat(5000)}\r\n{}`, 'upstream_error'],
    ['nothing but an end', '', 'upstream_unreachable'],
  ])('that is %s is a refusal with its code', async (_how, bytes, code) => {
    const { adapter } = await rawSim((socket) => socket.end(bytes));
    const [health] = await Promise.all([
      adapter.health(),
      expect(adapter.getFlow('echo')).rejects.toMatchObject({ code }),
    ]);
    expect(health).toMatchObject({ ok: false });
  });

  it('that says 100 Continue first is read as what follows', async () => {
    const body = '{"data":{"id":"echo","name":"n","isDeployed":true}}';
    const { adapter } = await rawSim((socket) =>
      socket.end(`HTTP/1.1 100 Continue\r\n\r\n${HEAD}content-length: ${body.length}\r\n\r\n${body}`),
    );
    expect((await adapter.getFlow('echo')).flow.name).toBe('n');
  });

  it('that is larger than SIM_MAX_ANSWER_BYTES is given up, announced or not, while it arrives', async () => {
    const closed = [];
    const { adapter } = await rawSim(
      (socket, text) => {
        closed.push(new Promise((resolve) => socket.on('close', resolve)));
        socket.write(text.includes('/one') ? `${HEAD}content-length: 1000000000\r\n\r\n` : `${HEAD}\r\n`);
        const more = () => {
          while (!socket.destroyed && socket.write('x'.repeat(1024)));
        };
        socket.on('drain', more);
        more();
      },
      { maxAnswerBytes: 65_536 },
    );
    for (const flow of ['one', 'two']) {
      await expect(adapter.getFlow(flow)).rejects.toMatchObject({
        code: 'upstream_error',
        message: expect.stringContaining('SIM_MAX_ANSWER_BYTES'),
      });
    }
    await Promise.all(closed);
  });

  it('that is exactly as large as SIM_MAX_ANSWER_BYTES is read', async () => {
    const body = JSON.stringify({ data: { id: 'echo', name: 'n'.repeat(2000), isDeployed: true } });
    const { adapter } = await rawSim((socket) => socket.end(`${HEAD}content-length: ${body.length}\r\n\r\n${body}`), {
      maxAnswerBytes: body.length,
    });
    expect((await adapter.getFlow('echo')).flow.name).toHaveLength(2000);
  });

  it.each([
    ['head', HEAD],
    ['body', `${HEAD}content-length: 1000\r\n\r\n{`],
  ])('that drips for ever (%s) is given up in time', async (_part, beginning) => {
    const { adapter } = await rawSim(
      (socket) => {
        socket.write(beginning);
        const drip = setInterval(() => socket.write('x'), 10);
        socket.on('close', () => clearInterval(drip));
      },
      { timeoutMs: 200 },
    );
    await expect(adapter.getFlow('echo')).rejects.toMatchObject({ code: 'upstream_timeout', status: 504 });
  });

  it('that never comes is upstream_timeout, and the connection is closed', async () => {
    const ends = [];
    const { adapter } = await rawSim((socket) => ends.push(once(socket, 'close')), { timeoutMs: 100 });
    await expect(adapter.getFlow('echo')).rejects.toMatchObject({ code: 'upstream_timeout' });
    await Promise.all(ends);
    expect(ends).toHaveLength(1);
  });
});

describe('a list', () => {
  it.each([
    ['names the same next page for ever is read twice', () => 'again', 2],
    ['never ends is read for 100 pages', (page) => `page-${page}`, 100],
  ])('that %s', async (_what, nextOf, pages) => {
    let page = 0;
    const server = http.createServer((_req, res) => {
      page += 1;
      const data = [{ id: `flow-${page}`, name: 'n', isDeployed: true }];
      res.setHeader('content-type', 'application/json');
      res.end(JSON.stringify({ data, nextCursor: nextOf(page) }));
    });
    const options = { baseUrl: await listening(server), apiKey: 'k', apiVersion: 'v2', workspaceId: 'w' };
    const { flows } = await startAdapter(null, options).listFlows({ limit: 100 });
    expect(flows.map(({ id }) => id)).toEqual(Array.from({ length: pages }, (_, at) => `flow-${at + 1}`));
    expect(page).toBe(pages);
  });
});

describe('nobody there', () => {
  it('is upstream_unreachable, also for what is never sent twice', async () => {
    const sim = await startSim();
    const { url } = sim;
    await sim.close();
    const host = await startHost(startAdapter(sim, { baseUrl: url }));
    expect(refusal(await to(host, 'GET', '/flows'))).toEqual([502, 'upstream_unreachable']);
    expect(refusal(await to(host, 'POST', '/flows/create', { body: { name: 'a' } }))).toEqual([
      502,
      'upstream_unreachable',
    ]);
  });

  it('by that name is upstream_unreachable', async () => {
    const adapter = startAdapter(null, { baseUrl: 'http://nowhere.invalid', apiKey: 'k', apiVersion: 'v2' });
    await expect(adapter.getFlow('echo')).rejects.toMatchObject({ code: 'upstream_unreachable' });
  });

  it('at an address that takes no connection is given up in time', async () => {
    const adapter = startAdapter(null, {
      baseUrl: 'http://127.0.0.1:1',
      apiKey: 'k',
      connectTimeoutMs: 50,
      timeoutMs: 500,
    });
    await expect(adapter.getFlow('echo')).rejects.toMatchObject({ code: 'upstream_unreachable' });
  });
});

it('a redirect is never followed: the key goes nowhere else', async () => {
  const { sim, call } = await startAll(['echo']);
  const other = await startSim();
  for (const status of [301, 302, 303, 307, 308]) {
    const remove = sim.addFault({ kind: 'redirect', status, location: `${other.url}/api/v2/workflows/echo` });
    expect(refusal(await call('GET', '/flows/echo'))).toEqual([502, 'upstream_error']);
    expect((await call('POST', '/flows/echo/run')).status).toBe(502);
    remove();
  }
  expect(other.requests).toEqual([]);
});
