// Each fault happens on a real socket: what a client sees of it, byte by byte, and whether the request took effect.

import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { call, start, startWith } from './support.mjs';

/** Sends one request as bytes and collects what comes until the connection ends: `{text, error}`. */
function exchange(emulator, { method = 'GET', path = '/api/health', body = '', socket } = {}) {
  const open = socket ?? connect(emulator.port, '127.0.0.1');
  const head = `${method} ${path} HTTP/1.1\r\nhost: sim\r\nx-api-key: ${emulator.apiKey}\r\n`;
  open.write(`${head}content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
  return new Promise((resolve) => {
    const parts = [];
    let error = null;
    open.on('data', (part) => parts.push(part));
    open.on('error', ({ code }) => {
      error = code;
    });
    open.on('close', () => resolve({ text: Buffer.concat(parts).toString('latin1'), error }));
  });
}

/** Starts a run of a flow, by the way that `exchange` does. */
const startRun = (flow) => ({
  method: 'POST',
  path: `/api/v2/workflows/${flow}/execute`,
  body: JSON.stringify({ input: { a: 1 }, async: true }),
});

describe('whole answers that are wrong', () => {
  it('status: the status, body and headers of the rule', async () => {
    const emulator = await start();
    const body = { error: { code: 'SERVICE_UNAVAILABLE', message: 'busy' } };
    emulator.addFault({ kind: 'status', status: 503, body, headers: { 'x-more': 'yes' }, retryAfter: 7 });
    const answer = await call(emulator, 'GET', '/api/health');
    expect([answer.status, answer.json]).toEqual([503, body]);
    expect(answer.headers.get('retry-after')).toBe('7');
    expect(answer.headers.get('x-more')).toBe('yes');
  });

  it('status: text stays text', async () => {
    const emulator = await start();
    emulator.addFault({ kind: 'status', status: 200, body: '{"data":' });
    const response = await fetch(`${emulator.url}/api/health`);
    expect(await response.text()).toBe('{"data":');
  });

  it('html: a page instead of JSON', async () => {
    const emulator = await start();
    emulator.addFault({ kind: 'html', title: 'Gateway down' });
    const { status, headers, text } = await call(emulator, 'GET', '/api/health');
    expect([status, headers.get('content-type')]).toEqual([502, 'text/html; charset=utf-8']);
    expect(text).toContain('Gateway down');
  });

  it('empty: a good status and nothing else', async () => {
    const emulator = await start();
    emulator.addFault({ kind: 'empty' });
    const { status, text } = await call(emulator, 'GET', '/api/health');
    expect([status, text]).toEqual([200, '']);
  });

  it('redirect: somewhere else', async () => {
    const emulator = await start();
    emulator.addFault({ kind: 'redirect', location: 'http://127.0.0.1:9/elsewhere', status: 307 });
    const { status, headers } = await call(emulator, 'GET', '/api/health');
    expect([status, headers.get('location')]).toEqual([307, 'http://127.0.0.1:9/elsewhere']);
  });

  it('huge-header: a header of 10 MiB', async () => {
    const emulator = await start();
    emulator.addFault({ kind: 'huge-header', times: 1 });
    await expect(call(emulator, 'GET', '/api/health')).rejects.toThrow();
    emulator.addFault({ kind: 'huge-header', times: 1 });
    const { text } = await exchange(emulator);
    expect(text.length).toBeGreaterThan(10 * 1024 * 1024);
    expect((await call(emulator, 'GET', '/api/health')).status).toBe(200);
  });
});

describe('answers that are not whole', () => {
  it('truncated: fewer bytes than announced', async () => {
    const emulator = await start();
    emulator.addFault({ kind: 'truncated' });
    const { text } = await exchange(emulator);
    const [head, body] = text.split('\r\n\r\n');
    const announced = Number(/content-length: (\d+)/.exec(head)[1]);
    expect(head).toMatch(/^HTTP\/1.1 200 /);
    expect(body.length).toBe(Math.floor(announced / 2));
    await expect(call(emulator, 'GET', '/api/health')).rejects.toThrow();
  });

  it('cut-head: ends before the headers do', async () => {
    const emulator = await start();
    emulator.addFault({ kind: 'cut-head' });
    const { text } = await exchange(emulator);
    expect(text).toMatch(/^HTTP\/1.1 200 /);
    expect(text).not.toContain('\r\n\r\n');
  });

  it('cut-body: ends inside of a chunk', async () => {
    const emulator = await start();
    emulator.addFault({ kind: 'cut-body', after: 5 });
    const { text } = await exchange(emulator);
    const [head, rest] = text.split('\r\n\r\n');
    expect(head).toContain('transfer-encoding: chunked');
    const [size, sent] = rest.split('\r\n');
    expect([Number.parseInt(size, 16) > 5, sent]).toEqual([true, '{"sta']);
    await expect(call(emulator, 'GET', '/api/health')).rejects.toThrow();
  });

  it('cut-body: a stream ends inside of its first frame, and its run is cancelled', async () => {
    const { emulator, id } = await startWith(['agent'], { runMs: 1000 });
    emulator.addFault({ kind: 'cut-body', path: /execute$/ });
    const { path, method } = startRun(id.agent);
    const { text } = await exchange(emulator, { path, method, body: '{"stream":true,"input":{"message":"a b c"}}' });
    expect(text).toContain('data: {');
    expect(text).not.toContain('[DONE]');
    await emulator.waitFor('status', ({ status }) => status === 'cancelled');
  });
});

describe('answers that do not come', () => {
  it('hang: nothing, until the client gives up', async () => {
    const emulator = await start();
    emulator.addFault({ kind: 'hang', path: '/api/health' });
    const client = new AbortController();
    const asked = call(emulator, 'GET', '/api/health', { signal: client.signal });
    await emulator.waitFor('request');
    client.abort();
    await expect(asked).rejects.toThrow();
    const { request, run } = await emulator.waitFor('abort');
    expect([request.path, run]).toEqual(['/api/health', null]);
  });

  it('delay: the proper answer, later; a client that does not wait for it is noticed', async () => {
    const emulator = await start();
    emulator.addFault({ kind: 'delay', ms: 5, times: 1 });
    expect((await call(emulator, 'GET', '/api/health')).json.status).toBe('ok');
    emulator.addFault({ kind: 'delay', ms: 600_000, times: 1 });
    const client = new AbortController();
    const received = once(emulator, 'request');
    const asked = call(emulator, 'GET', '/api/health', { signal: client.signal });
    await received;
    client.abort();
    await expect(asked).rejects.toThrow();
    await emulator.waitFor('abort');
  });

  it('reset: the request is read, then the connection is reset before any byte', async () => {
    const emulator = await start();
    emulator.addFault({ kind: 'reset' });
    expect(await exchange(emulator)).toEqual({ text: '', error: 'ECONNRESET' });
    expect(emulator.requests).toHaveLength(1);
  });

  it('refuse: a new connection is reset unread', async () => {
    const emulator = await start();
    emulator.addFault({ kind: 'refuse', times: 1 });
    expect((await exchange(emulator)).text).toBe('');
    expect(emulator.requests).toEqual([]);
    expect((await call(emulator, 'GET', '/api/health')).status).toBe(200);
  });

  it('refuse with a path: reset after the head, before the body is read', async () => {
    const { emulator, id } = await startWith(['echo']);
    const run = startRun(id.echo);
    emulator.addFault({ kind: 'refuse', path: run.path });
    expect((await exchange(emulator, run)).text).toBe('');
    expect([emulator.requests, emulator.runs]).toEqual([[], []]);
    expect((await call(emulator, 'GET', '/api/health')).status).toBe(200);
  });

  it('refuse on a connection that is in use already', async () => {
    const emulator = await start();
    const socket = connect(emulator.port, '127.0.0.1');
    const ended = exchange(emulator, { socket });
    await emulator.waitFor('request');
    emulator.addFault({ kind: 'refuse' });
    socket.write('GET /api/health HTTP/1.1\r\nhost: sim\r\n\r\n');
    await ended;
    expect(emulator.requests).toHaveLength(1);
  });
});

describe('whether the request takes effect', () => {
  const kinds = {
    'cut-head': 1,
    'cut-body': 1,
    truncated: 1,
    delay: 1,
    status: 0,
    empty: 0,
    html: 0,
    reset: 0,
    refuse: 0,
  };

  it.each(Object.entries(kinds))('%s: starts %i runs unless the rule says otherwise', async (kind, runs) => {
    const { emulator, id } = await startWith(['echo']);
    emulator.addFault({ kind, path: /execute$/, ms: 1 });
    const socket = connect(emulator.port, '127.0.0.1');
    const ended = exchange(emulator, { ...startRun(id.echo), socket });
    socket.end();
    await ended;
    expect(emulator.runs).toHaveLength(runs);
  });

  it.each(['status', 'reset'])('%s with apply: the run starts although its answer is lost', async (kind) => {
    const { emulator, id } = await startWith(['echo']);
    emulator.addFault({ kind, status: 503, apply: true, path: /execute$/, times: 1 });
    const path = `/api/v2/workflows/${id.echo}/execute`;
    const options = { body: { async: true }, headers: { 'x-run-id': 'lost' } };
    await call(emulator, 'POST', path, options).catch(() => {});
    expect((await call(emulator, 'POST', path, options)).json.error.details.code).toBe('RUN_ID_CONFLICT');
  });

  it('cut-head without apply: the answer is lost and the run did not start', async () => {
    const { emulator, id } = await startWith(['echo']);
    emulator.addFault({ kind: 'cut-head', apply: false, times: 1 });
    await exchange(emulator, startRun(id.echo));
    expect(emulator.runs).toEqual([]);
  });
});

describe('which requests meet a fault', () => {
  const statuses = async (emulator, paths) => {
    const found = [];
    for (const [method, path] of paths) {
      found.push((await call(emulator, method, path)).status);
    }
    return found;
  };

  it('those of its method and path, without the query', async () => {
    const emulator = await start();
    emulator.addFault({ kind: 'status', status: 418, method: 'GET', path: '/api/health' });
    const paths = [
      ['GET', '/api/health?x=1'],
      ['POST', '/api/health'],
      ['GET', '/api/healthy'],
    ];
    expect(await statuses(emulator, paths)).toEqual([418, 405, 404]);
  });

  it('so many times, then no more; the first rule that matches counts', async () => {
    const emulator = await start({ faults: [{ kind: 'status', status: 500, times: 2 }] });
    emulator.addFault({ kind: 'status', status: 503, times: 1 });
    const health = Array(4).fill(['GET', '/api/health']);
    expect(await statuses(emulator, health)).toEqual([500, 500, 503, 200]);
  });

  it('with a probability, the same ones for the same seed', async () => {
    const sequence = async (seed) => {
      const emulator = await start();
      emulator.addFault({ kind: 'status', status: 500, probability: 0.5, seed });
      return statuses(emulator, Array(20).fill(['GET', '/api/health']));
    };
    const [one, same, other] = [await sequence(7), await sequence(7), await sequence(8)];
    expect(new Set(one)).toEqual(new Set([200, 500]));
    expect(same).toEqual(one);
    expect(other).not.toEqual(one);
  });

  it('none after the rule is removed, or all are cleared', async () => {
    const emulator = await start();
    const remove = emulator.addFault({ kind: 'status' });
    expect(await statuses(emulator, [['GET', '/api/health']])).toEqual([500]);
    remove();
    expect(await statuses(emulator, [['GET', '/api/health']])).toEqual([200]);
    emulator.addFault({ kind: 'status' });
    emulator.clearFaults();
    expect(await statuses(emulator, [['GET', '/api/health']])).toEqual([200]);
  });

  it('a kind that there is not is refused', async () => {
    const emulator = await start();
    expect(() => emulator.addFault({ kind: 'gremlin' })).toThrow('gremlin');
  });
});
