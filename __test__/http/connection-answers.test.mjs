// Answers that take long, over connections that the adapter serves by itself: event streams and large bodies.

import { EventEmitter, once } from 'node:events';
import http from 'node:http';
import { describe, expect, it } from 'vitest';
import { TOKENS } from '../contract/support/doors.mjs';
import { begin, FINAL, frame, playSim, runIs } from '../live/support.mjs';
import { sign } from '../security/tokens.mjs';
import { ANN, connect, get, health, json, MOUNT, post, run, start } from './lane.mjs';
import { atEnd } from './support.mjs';

describe('a stream', () => {
  /** The events of a stream, as they come. */
  const events = (client) => client.until(/HTTP\/1\.1 200 OK\r\n[\s\S]*?transfer-encoding: chunked\r\n\r\n/);

  it('comes whole, and the connection goes on', async () => {
    const host = await start();
    const client = connect(host);
    client.say(run('echo', '{"mode":"stream","input":{"a":1}}'));
    await events(client);
    await client.until(/event: final\ndata: [^\n]*\n\n[\s\S]*?\r\n0\r\n\r\n/);
    client.say(health());
    expect((await client.answer()).status).toBe(200);
    expect(host.seen).toEqual([]);
  });

  it('that breaks off says why', async () => {
    const host = await start({ flows: ['wait'] });
    const client = connect(host);
    client.say(run('wait', '{"mode":"stream"}'));
    await client.until(/event: run\n/);
    await host.adapter.close({ drainMs: 0 });
    const [, error] = await client.until(/event: error\ndata: ([^\n]*)\n\n\r\n0\r\n\r\n/);
    expect(JSON.parse(error).error.code).toBe('shutting_down');
    expect(host.seen).toEqual([]);
  });

  it('is given up when its client leaves', async () => {
    const host = await start({ flows: ['wait'] });
    const client = connect(host);
    client.say(run('wait'));
    const { id } = json(await client.answer()).run;
    client.say(get(`${MOUNT}/runs/${id}/events`, ANN));
    await client.until(/event: status\n/);
    expect(host.adapter.metrics()).toMatch(/^sim_adapter_watchers 1$/m);
    client.destroy();
    await expect.poll(() => host.adapter.metrics()).toMatch(/^sim_adapter_watchers 0$/m);
  });

  /** A token that ends within two seconds. */
  const short = () => {
    const exp = Math.floor(Date.now() / 1000) + 2;
    return `authorization: Bearer ${sign({ id: 'short', user: { id: 'ann' }, exp }, TOKENS.jwtSecret)}`;
  };

  it('ends with its token, also one that ended before it began, and with what its client asked for', async () => {
    const host = await start({ flows: ['wait'] });
    host.sim.addFault({ kind: 'delay', ms: 2500, method: 'POST', path: /execute$/, times: 1 });
    const client = connect(host);
    client.say(post(`${MOUNT}/flows/wait/run`, '{"mode":"stream"}', short(), 'connection: close'));
    await client.until(/event: reauth\ndata: \{\}\n\n\r\n0\r\n\r\n/);
    await client.ended;
  });

  it('ends with its token, and what it started goes on', async () => {
    const host = await start({ flows: ['wait'] });
    const ends = short();
    const started = connect(host);
    started.say(post(`${MOUNT}/flows/wait/run`, '{"mode":"stream"}', ends));
    const [, id] = await started.until(/event: run\ndata: \{"run":\{"id":"([^"]+)"/);
    const watching = connect(host);
    watching.say(get(`${MOUNT}/runs/${id}/events`, ends));
    await started.until(/event: reauth\ndata: \{\}\n\n\r\n0\r\n\r\n/);
    await started.ended;
    await watching.until(/event: reauth\ndata: \{\}\n\n\r\n0\r\n\r\n/);
    watching.say(get(`${MOUNT}/runs/${id}/status`, ANN));
    expect(json(await watching.answer()).run.status).toBe('running');
    expect(host.seen).toEqual([]);
    expect(host.sim.requests.filter(({ path }) => path.includes('cancel'))).toEqual([]);
  });

  it('that its client does not read holds nothing up when its token ends', async () => {
    let sent = 0;
    const text = 'x'.repeat(8000);
    const all = new EventEmitter();
    const sim = await playSim({
      status: runIs('completed'),
      async execute(_req, res) {
        begin(res);
        for (; sent < 4000 && !res.destroyed; sent++) {
          if (!res.write(frame({ blockId: 'a', chunk: text }))) await once(res, 'drain').catch(() => {});
        }
        res.end(FINAL, () => all.emit('sent'));
      },
    });
    const host = await start({ sim });
    const done = once(all, 'sent');
    const client = connect(host);
    client.pause();
    client.say(post(`${MOUNT}/flows/a/run`, '{"mode":"stream"}', short()));
    await done;
    expect(sent).toBe(4000);
    client.resume();
    await client.closed;
  });
});

describe('a large body', () => {
  /** A lane before a Sim whose flows are `bytes` long. */
  async function large(bytes, end = (res, body) => res.end(body)) {
    const body = JSON.stringify({ data: { list: 'x'.repeat(bytes) } });
    const sim = http.createServer((_req, res) => end(res.setHeader('content-type', 'application/json'), body));
    sim.listen(0, '127.0.0.1');
    await once(sim, 'listening');
    atEnd(() => new Promise((resolve) => sim.close(resolve).closeAllConnections()));
    const baseUrl = `http://127.0.0.1:${sim.address().port}`;
    return start({ options: { baseUrl, apiKey: 'key', workspaceId: undefined, maxAnswerBytes: 64 * 2 ** 20 } });
  }
  const flow = JSON.stringify({ method: 'GET', path: '/api/v2/workflows/f' });

  it('waits for a client that is slow to read, whole, and the next answer follows it', async () => {
    const host = await large(16 * 2 ** 20);
    const client = connect(host);
    client.pause();
    client.say(post(`${MOUNT}/proxy`, flow, ANN) + health());
    // Others are served meanwhile.
    const other = connect(host);
    other.say(health());
    await other.answer();
    client.resume();
    expect(await client.count(/"\}\}/)).toBeGreaterThan(16 * 2 ** 20);
    await client.answer();
    expect(host.seen).toEqual([]);
  });

  it('is never followed by a request that is lost', async () => {
    const host = await large(50_000);
    const client = connect(host);
    for (let round = 0; round < 100; round++) {
      client.say(post(`${MOUNT}/proxy`, flow, ANN) + health(`x-request-id: ${round}`));
      await client.count(/"\}\}/);
      expect((await client.answer()).head.get('x-request-id')).toBe(`${round}`);
    }
    expect(host.seen).toEqual([]);
  });

  it('that Sim breaks off ends the connection, and nothing follows it', async () => {
    const host = await large(2 ** 20, (res, body) => {
      res.writeHead(200, { 'content-length': body.length });
      res.write(body.slice(0, -10), () => res.destroy());
    });
    const client = connect(host);
    client.say(post(`${MOUNT}/proxy`, flow, ANN) + health());
    await client.until(/HTTP\/1\.1 200 OK\r\n/);
    await client.closed;
    expect(client.text).not.toMatch(/"\}\}|\r\n0\r\n\r\n|HTTP\/1\.1/);
    expect(host.seen).toEqual([]);
  });
});
