// The body of a request reaches the adapter whole, whatever the host did to it before, under Express 4 and 5; and a body
// that is too large, or that never ends, is refused without harm.

import { once } from 'node:events';
import net from 'node:net';
import { describe, expect, it } from 'vitest';
import { TOKENS, tokenOf } from '../contract/support/doors.mjs';
import {
  call,
  express4,
  express5,
  fieldPaths,
  refusal,
  startAdapter,
  startAll,
  startHost,
  startSim,
} from './support.mjs';

const INPUT = { name: 'Ada', nested: { list: [1, 'ü'] } };

const drained = (req, _res, next) => req.on('end', next).resume();

/** A client by hand: what it sends is sent as it is. */
async function rawClient({ port }) {
  const socket = net.connect(port, '127.0.0.1');
  await once(socket, 'connect');
  return socket;
}

const head = ({ mount }, lines) =>
  [`POST ${mount}/flows/echo/run HTTP/1.1`, 'Host: x', 'x-test-user: ann', ...lines, '', ''].join('\r\n');

for (const [version, express] of [
  ['Express 5', express5],
  ['Express 4', express4],
]) {
  describe(version, () => {
    const json = express.json();
    const mounts = {
      'parsed by express.json': [json],
      'not parsed': [],
      'kept as a Buffer by express.raw': [express.raw({ type: '*/*' })],
      'kept as a string by express.text': [express.text({ type: '*/*' })],
      'passed by parsers for other types': [express.urlencoded({ extended: false }), express.text()],
    };
    for (const [how, before] of Object.entries(mounts)) {
      it(`a body ${how} arrives in Sim as it was sent`, async () => {
        const { sim, call } = await startAll(['echo'], { host: { express, before } });
        const { status } = await call('POST', '/flows/echo/run', { body: { input: INPUT } });
        expect(status).toBe(202);
        expect((await sim.waitFor('run')).input).toEqual(INPUT);
      });

      it(`an empty body ${how} starts a run without input`, async () => {
        const { sim, call } = await startAll(['echo'], { host: { express, before } });
        const headers = { 'content-type': 'application/json' };
        expect((await call('POST', '/flows/echo/run')).status).toBe(202);
        expect((await call('POST', '/flows/echo/run', { headers })).status).toBe(202);
        expect(sim.runs.map(({ input }) => input)).toEqual([{}, {}]);
      });

      it(`a body ${how} of the wrong type is refused`, async () => {
        const { sim, call } = await startAll(['echo'], { host: { express, before } });
        expect(fieldPaths(await call('POST', '/flows/echo/run', { body: [] }))).toEqual(['']);
        expect(fieldPaths(await call('POST', '/flows/echo/run', { body: { input: [1], stray: 1 } }))).toEqual([
          'input',
          'stray',
        ]);
        expect(sim.requests).toEqual([]);
      });
    }

    it('JSON values that are no objects are refused, also behind a parser that takes them', async () => {
      const { sim, call } = await startAll(['echo'], { host: { express, before: [express.json({ strict: false })] } });
      for (const body of ['5', 'true', '"text"', 'null']) {
        expect(refusal(await call('POST', '/flows/echo/run', { body })), body).toEqual([400, 'invalid_request']);
      }
      expect(sim.requests).toEqual([]);
    });

    it('a stream that a middleware drained is an empty body, not a wait without end', async () => {
      const { sim, call } = await startAll(['echo'], { host: { express, before: [drained] } });
      expect((await call('POST', '/flows/echo/run', { body: { input: INPUT } })).status).toBe(202);
      expect((await sim.waitFor('run')).input).toEqual({});
    });

    it('works under a sub-path of a sub-router, and links to itself there', async () => {
      const sim = await startSim();
      const host = await startHost(startAdapter(sim), { express, mount: '/chat/api/v9/sim' });
      const { json } = await call(host, 'POST', '/flows/echo/run', { body: {} });
      expect(json.run.statusUrl).toBe(`/chat/api/v9/sim/runs/${json.run.id}/status`);
      const status = await call(host, 'GET', json.run.statusUrl.slice(host.mount.length));
      expect(status.json.run.id).toBe(json.run.id);
    });
  });
}

describe('the limit of a body', () => {
  const LIMIT = 4096;
  const adapter = { maxBodyBytes: LIMIT };
  const bodyOf = (size) => `{"input":{"fill":"${'x'.repeat(size - 21)}"}}`;
  const chunked = (text) =>
    new ReadableStream({
      start(controller) {
        for (let at = 0; at < text.length; at += 1000) controller.enqueue(Buffer.from(text.slice(at, at + 1000)));
        controller.close();
      },
    });

  for (const [how, before] of [
    ['unparsed', []],
    ['parsed', [express5.json()]],
    ['raw', [express5.raw({ type: '*/*' })]],
  ]) {
    it(`is exact for a body that is ${how}, with and without Content-Length`, async () => {
      const { sim, call } = await startAll(['echo'], { adapter, host: { before } });
      const fits = bodyOf(LIMIT);
      const tooLarge = bodyOf(LIMIT + 1);
      expect([fits.length, tooLarge.length]).toEqual([LIMIT, LIMIT + 1]);
      const send = (body, more) => call('POST', '/flows/echo/run', { body, ...more });
      expect((await send(fits)).status).toBe(202);
      expect((await send(chunked(fits), { duplex: 'half' })).status).toBe(202);
      expect(refusal(await send(tooLarge))).toEqual([413, 'payload_too_large']);
      expect(refusal(await send(chunked(tooLarge), { duplex: 'half' }))).toEqual([413, 'payload_too_large']);
      expect(sim.runs).toHaveLength(2);
    });
  }

  it('is told to a client that announces too much before it has sent anything', async () => {
    const { host } = await startAll(['echo'], { adapter, host: { before: [] } });
    const socket = await rawClient(host);
    socket.write(head(host, [`Content-Length: ${LIMIT + 1}`]));
    expect((await once(socket, 'data'))[0].toString()).toMatch(/^HTTP\/1\.1 413 /);
    socket.destroy();
  });

  it('is told to a client that reads nothing until it has sent all, and the connection can be used again', async () => {
    const { host } = await startAll(['echo'], { adapter, host: { before: [] } });
    const socket = await rawClient(host);
    for (let round = 0; round < 5; round += 1) {
      const body = bodyOf(2 * LIMIT);
      socket.write(head(host, [`Content-Length: ${body.length}`]));
      await new Promise((resolve) => socket.write(body, resolve));
      socket.resume();
      expect((await once(socket, 'data'))[0].toString()).toMatch(/^HTTP\/1\.1 413 /);
      socket.pause();
    }
    socket.destroy();
  });

  it('ends the connection of a client that never stops sending', async () => {
    const { host } = await startAll(['echo'], { adapter, host: { before: [] } });
    const socket = await rawClient(host);
    const closed = new Promise((resolve) => socket.on('close', resolve));
    socket.on('error', () => {});
    socket.resume();
    socket.write(head(host, ['Transfer-Encoding: chunked']));
    const chunk = `400\r\n${'x'.repeat(1024)}\r\n`;
    const more = () => {
      while (socket.writable && socket.write(chunk));
    };
    socket.on('drain', more);
    more();
    await closed;
  });
});

describe('a client that goes away in the middle of its body', () => {
  for (const [how, before] of [
    ['unparsed', []],
    ['parsed', [express5.json()]],
  ]) {
    it(`starts nothing (${how}), and the next one is served`, async () => {
      const { sim, host, call } = await startAll(['echo'], { host: { before } });
      const socket = await rawClient(host);
      socket.end(`${head(host, ['Content-Type: application/json', 'Content-Length: 100'])}{"input":`);
      socket.resume();
      await once(socket, 'close');
      expect((await call('POST', '/flows/echo/run', { body: {} })).status).toBe(202);
      expect(sim.runs).toHaveLength(1);
    });
  }
});

describe('who is nobody', () => {
  const BODY = `{"input":{"fill":"${'x'.repeat(100_000)}"}}`;
  const LENGTHS = [
    ['Content-Length', [`Content-Length: ${BODY.length}`]],
    ['chunks', ['Transfer-Encoding: chunked']],
  ];
  for (const auth of ['host', 'jwt']) {
    it.each(LENGTHS)(`(auth: '${auth}') hears so before a long body has come, with %s`, async (_how, lengths) => {
      const { sim, host } = await startAll(['echo'], { adapter: auth === 'jwt' ? TOKENS : {}, host: { before: [] } });
      const forged = `Authorization: Bearer ${tokenOf({ id: 'ann' }, 'a secret that is not the host’s')}`;
      const socket = await rawClient(host);
      socket.write(head(host, [...lengths, forged]).replace('x-test-user: ann\r\n', ''));
      expect((await once(socket, 'data'))[0].toString()).toMatch(/^HTTP\/1\.1 401 /);
      socket.destroy();
      expect(sim.requests).toEqual([]);
    });
  }

  it.each(LENGTHS)('is not who bears a good token: a long body is read, with %s', async (_how, lengths) => {
    const { sim, host } = await startAll(['echo'], { adapter: TOKENS, host: { before: [] } });
    const socket = await rawClient(host);
    const authorization = `Authorization: Bearer ${tokenOf({ id: 'ann' })}`;
    socket.write(head(host, [...lengths, authorization]).replace('x-test-user: ann\r\n', ''));
    const [body, end] = lengths[0].startsWith('T')
      ? [`${BODY.length.toString(16)}\r\n${BODY}\r\n`, '0\r\n\r\n']
      : [BODY, ''];
    socket.write(body + end);
    expect((await once(socket, 'data'))[0].toString()).toMatch(/^HTTP\/1\.1 202 /);
    socket.destroy();
    expect((await sim.waitFor('run')).input.fill).toHaveLength(100_000);
  });
});
