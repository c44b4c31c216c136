// The fast lane's connections that the adapter serves by itself: which those are, what it gives back to Node, and that a client
// sees no difference. What the answers are, the contract's tests say, over both.

import https from 'node:https';
import { availableParallelism } from 'node:os';
import { describe, expect, it } from 'vitest';
import { tokenOf } from '../contract/support/doors.mjs';
import { selfSigned } from '../emulator/certificate.mjs';
import { ANN, asking, connect, get, health, json, MOUNT, run, start } from './lane.mjs';
import { threads } from './support.mjs';

describe('a connection whose first request is the adapter’s', () => {
  it('is served past Node, request after request', async () => {
    const host = await start();
    const client = connect(host);
    for (let round = 0; round < 3; round++) {
      client.say(run('echo', '{"input":{"a":1}}'));
      const answer = await client.answer();
      expect(answer.status).toBe(202);
      client.say(get(`${MOUNT}/runs/${json(answer).run.id}/status`, ANN));
      expect(json(await client.answer()).run.id).toBe(json(answer).run.id);
    }
    expect(host.seen).toEqual([]);
  });

  it('has the heads that Node writes', async () => {
    const fields = async (set) => {
      const host = await start({ set });
      const client = connect(host);
      client.say(health());
      const { head } = await client.answer();
      return [host.seen.length, [...head.keys()], head.get('connection'), head.get('keep-alive')];
    };
    const [byUs, ...ours] = await fields();
    const [byNode, ...node] = await fields((server) => server.setTimeout(60_000));
    expect([byUs, byNode]).toEqual([0, 1]);
    expect(ours).toEqual(node);
  });

  it('is answered in the order of its requests, however many are sent at once', async () => {
    const host = await start();
    const client = connect(host);
    client.say(health('x-request-id: 1') + run('echo', '{}', 'x-request-id: 2') + health('x-request-id: 3'));
    const ids = [];
    for (let n = 0; n < 3; n++) ids.push((await client.answer()).head.get('x-request-id'));
    expect(ids).toEqual(['1', '2', '3']);
    expect(host.seen).toEqual([]);
  });

  it('may send a request in parts', async () => {
    const host = await start();
    const client = connect(host, { noDelay: true });
    client.say(health());
    await client.answer();
    const request = run('echo', '{"input":{"text":"abc"}}');
    for (const at of [1, 30, request.length - 5]) {
      client.say(request.slice(0, at));
      // Another client's whole round trip: the first part has come by then.
      await fetch(`http://127.0.0.1:${host.port}/`);
      client.say(request.slice(at));
      expect((await client.answer()).status).toBe(202);
    }
    expect(host.sim.runs.map(({ input }) => input.text)).toEqual(['abc', 'abc', 'abc']);
    expect(host.seen).toEqual(Array(3).fill('GET /'));
  });

  it('ends when its client asks for that', async () => {
    const host = await start();
    const client = connect(host);
    client.say(health('connection: close'));
    expect((await client.answer()).head.get('connection')).toBe('close');
    await client.ended;
    expect(host.seen).toEqual([]);
  });

  it('ends after the time that its answers name, with nothing asked', async () => {
    const host = await start({ set: (server) => Object.assign(server, { keepAliveTimeout: 1 }) });
    const client = connect(host);
    client.say(health());
    expect((await client.answer()).status).toBe(200);
    await client.ended;
  });

  it.each([null, -1, 0, Number.NaN, Number.POSITIVE_INFINITY])(
    'may be kept open for %s ms',
    async (keepAliveTimeout) => {
      const host = await start({ set: (server) => Object.assign(server, { keepAliveTimeout }) });
      const client = connect(host);
      for (let round = 0; round < 2; round++) {
        client.say(health());
        expect((await client.answer()).status).toBe(200);
      }
      expect(host.seen).toEqual([]);
    },
  );

  it('gives up what its client no longer waits for, whatever else that said', async () => {
    const host = await start();
    host.sim.addFault({ kind: 'hang', method: 'GET', times: 1 });
    const client = connect(host);
    const [asked, abort] = [asking(host), host.sim.waitFor('abort')];
    client.say(get(`${MOUNT}/flows/echo`, ANN));
    await asked;
    client.say(health().repeat(200));
    client.end();
    await abort;
  });

  it('gives up what its client no longer waits for', async () => {
    const host = await start();
    for (const leave of ['end', 'destroy']) {
      host.sim.addFault({ kind: 'hang', method: 'GET', times: 1 });
      const client = connect(host);
      const [asked, abort] = [asking(host), host.sim.waitFor('abort')];
      client.say(get(`${MOUNT}/flows/echo`, ANN));
      await asked;
      client[leave]();
      await abort;
    }
    expect(host.seen).toEqual([]);
  });

  it('is one user’s after another’s, as each request says', async () => {
    const host = await start();
    const client = connect(host);
    const bob = `authorization: Bearer ${tokenOf({ id: 'bob' })}`;
    client.say(run('echo'));
    const { id } = json(await client.answer()).run;
    const status = (...fields) => client.say(get(`${MOUNT}/runs/${id}/status`, ...fields));
    status(bob);
    expect((await client.answer()).status).toBe(404);
    status();
    expect((await client.answer()).status).toBe(401);
    status(ANN, bob);
    expect((await client.answer()).status).toBe(401);
    status(ANN);
    expect((await client.answer()).status).toBe(200);
    expect(host.seen).toEqual([]);
  });

  it('counts for the limit of its client’s address', async () => {
    const host = await start({ options: { ipMax: 1 } });
    const client = connect(host);
    const flows = () => client.say(get(`${MOUNT}/flows`, ANN));
    flows();
    expect((await client.answer()).status).toBe(200);
    flows();
    expect((await client.answer()).status).toBe(429);
    expect(host.seen).toEqual([]);
  });
});

it.skipIf(process.platform !== 'linux')(
  'connections are shared by a thread for each processor, four at the most',
  async () => {
    const serving = () => threads('sim-clients').length;
    // Those of the tests before may still be on their way out.
    await expect.poll(serving).toBe(0);
    const host = await start();
    const most = Math.min(availableParallelism(), 4);
    for (const count of [1, 2, 3, 4, 5]) {
      const client = connect(host);
      client.say(run('echo', '{}'));
      expect((await client.answer()).status).toBe(202);
      expect(serving()).toBe(Math.min(count, most));
    }
    await host.adapter.close();
    await expect.poll(serving).toBe(0);
  },
);

describe('is Node’s again, with the request that is not plain:', () => {
  const cases = {
    'another path': [get('/other'), 418],
    'a path that only begins alike': [get('/api/simulate'), 418],
    'another method': [`HEAD ${MOUNT}/health HTTP/1.1\r\nhost: sim\r\n${ANN}\r\n\r\n`, 200],
    'a body in chunks': [
      `POST ${MOUNT}/flows/echo/run HTTP/1.1\r\nhost: sim\r\n${ANN}\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`,
      202,
    ],
    'a long body': [run('echo', JSON.stringify({ input: { text: 'x'.repeat(20_000) } })), 202],
    'a GET with a body': [`${get(`${MOUNT}/health`, ANN, 'content-length: 2')}{}`, 200],
    'a long head': [health(`x-long: ${'x'.repeat(9000)}`), 200],
    'many fields': [health(...Array.from({ length: 70 }, (_, n) => `x-${n}: ${n}`)), 200],
    'a value that is no ASCII': [health('x-request-id: \xe9'), 200],
    'two lengths': [run('echo', '{}', 'content-length: 3'), 400],
    'a length that is no number': [get(`${MOUNT}/health`, ANN, 'content-length: +2'), 400],
    'a length and chunks': [run('echo', '{}', 'transfer-encoding: chunked'), 400],
    'no host': [`GET ${MOUNT}/health HTTP/1.1\r\n${ANN}\r\n\r\n`, 400],
    'a field over two lines': [health('x-folded: a\r\n b'), 400],
    'a blank before a colon': [health('x-blank : a'), 400],
    'a line feed alone': [`GET ${MOUNT}/health HTTP/1.1\nhost: sim\n${ANN}\n\r\n\r\n`, 400],
    'what is no HTTP': ['\x16\x03\x01 hello\r\n\r\n', 400],
  };
  it.each(Object.entries(cases))('%s', async (_, [request, status]) => {
    const host = await start();
    const client = connect(host);
    client.say(health());
    expect((await client.answer()).status).toBe(200);
    const before = host.seen.length;
    client.say(request);
    const [, answered] = await client.until(/HTTP\/1\.1 (\d+) /);
    expect(Number(answered)).toBe(status);
    expect(host.seen.length - before).toBe(status === 400 ? 0 : 1);
  });

  it('HTTP/1.0, which ends it', async () => {
    const host = await start();
    const client = connect(host);
    client.say(`GET ${MOUNT}/health HTTP/1.0\r\nhost: sim\r\n${ANN}\r\n\r\n`);
    await client.ended;
    expect(client.text).toMatch(/^HTTP\/1\.1 200 /);
    expect(host.seen).toEqual([`GET ${MOUNT}/health`]);
  });

  it('what its client waits with: Expect', async () => {
    const host = await start();
    const client = connect(host);
    const [head, body] = run('echo', '{}', 'expect: 100-continue').split('{');
    client.say(head);
    await client.until(/HTTP\/1\.1 100 Continue\r\n\r\n/);
    client.say(`{${body}`);
    expect((await client.answer()).status).toBe(202);
  });

  it('what takes too long to come', async () => {
    const host = await start();
    const client = connect(host);
    const request = health();
    client.say(request.slice(0, -2));
    // Node has it when it knows of the connection.
    await expect.poll(() => host.sockets[0].parser, { timeout: 5000 }).toBeTruthy();
    client.say(request.slice(-2));
    expect((await client.answer()).status).toBe(200);
    expect(host.seen).toEqual([`GET ${MOUNT}/health`]);
  });

  it('and stays so, with all that follows', async () => {
    const host = await start();
    const client = connect(host);
    client.say(health() + get('/other') + health() + get('/last'));
    expect((await client.answer()).status).toBe(200);
    await client.until(/418[\s\S]*?\/other/);
    expect((await client.answer()).status).toBe(200);
    await client.until(/418[\s\S]*?\/last/);
    expect(host.seen).toEqual(['GET /other', `GET ${MOUNT}/health`, 'GET /last']);
  });
});

describe('is Node’s from the beginning', () => {
  const servers = {
    'where the server has a timeout': { set: (server) => server.setTimeout(60_000) },
    'where the server counts requests': { set: (server) => Object.assign(server, { maxRequestsPerSocket: 9 }) },
    'where the host limits its time': {
      set: (server) => server.on('connection', (socket) => socket.setTimeout(60_000)),
    },
    'where somebody else listens to requests': { attached: (server) => server.on('request', () => {}) },
  };
  it.each(Object.entries(servers))('%s', async (_, options) => {
    const host = await start(options);
    const client = connect(host);
    client.say(health());
    expect((await client.answer()).status).toBe(200);
    expect(host.seen).toEqual([`GET ${MOUNT}/health`]);
  });

  it('over TLS', async () => {
    const tls = selfSigned();
    const host = await start({ tls });
    const status = await new Promise((resolve, reject) => {
      const headers = { authorization: ANN.slice('authorization: '.length) };
      const options = { port: host.port, path: `${MOUNT}/health`, headers, rejectUnauthorized: false };
      https.get(options, (res) => resolve(res.resume().statusCode)).on('error', reject);
    });
    expect([status, host.seen.length]).toEqual([200, 1]);
  });

  it('when its client says nothing, and one that leaves disturbs nobody', async () => {
    const host = await start();
    const client = connect(host);
    await expect.poll(() => host.sockets[0]?.parser, { timeout: 5000 }).toBeTruthy();
    client.say(health());
    expect((await client.answer()).status).toBe(200);
    const silent = connect(host);
    await expect.poll(() => host.sockets.length).toBe(2);
    silent.end();
    await silent.closed;
    expect(host.seen).toEqual([`GET ${MOUNT}/health`]);
  });
});
