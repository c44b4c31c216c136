// A whole answer leaves in one write where nobody is between it and the socket; byte for byte it is what Node would send.

import { once } from 'node:events';
import http, { OutgoingMessage, ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import net from 'node:net';
import { describe, expect, it } from 'vitest';
import { atEnd } from './support.mjs';

const { ResponseSink } = createRequire(import.meta.url)('../../express/response.js');

const BODY = Buffer.from('{"data":{"text":"Zoë, 東京, \u0000 and 🙂"}}');

/** Whoever wraps `end` is to see the body. */
function wrap(res) {
  res.seen = [];
  res.end = (...args) => {
    res.seen.push(...args);
    return OutgoingMessage.prototype.end.apply(res, args);
  };
}

/** As Node would do it by itself: it is told the head by `writeHead` and the body by `end`. */
function byNode(res) {
  const { writeHead } = res;
  res.writeHead = (...args) => writeHead.apply(res, args);
  wrap(res);
}

/** All that a client gets for `requests`, and what its server's responses were like; `before` meets each one first. */
async function exchange(requests, before, status = 200) {
  const responses = [];
  const writes = [];
  const server = http.createServer();
  const listener = (_req, res) => {
    res.sendDate = false;
    before(res);
    const handle = res.req.socket._handle;
    for (const name of ['writev', 'writeLatin1String', 'writeUtf8String', 'writeBuffer']) {
      handle[name] = (...args) => {
        writes.push(name);
        return Object.getPrototypeOf(handle)[name].apply(handle, args);
      };
    }
    responses.push(res);
    // A host's own header, of a byte that is no ASCII.
    new ResponseSink(res).answer(
      status,
      'x-name\nZo\u00eb\n',
      Buffer.concat([BODY, BODY]),
      BODY.length,
      2 * BODY.length,
    );
  };
  // A host may answer who asks whether to send at all.
  server.on('request', listener).on('checkContinue', listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEnd(() => server.close().closeAllConnections());
  const socket = net.connect(server.address().port, '127.0.0.1');
  socket.write(requests);
  const bytes = Buffer.concat(await socket.toArray());
  return { bytes, responses, writes };
}

const get = (method = 'GET', version = '1.1', connection = 'close') =>
  `${method} / HTTP/${version}\r\nHost: x\r\nConnection: ${connection}\r\n\r\n`;

/** What happens to a response on the way, and the requests. */
const CASES = [
  ['a plain one', get()],
  ['over HTTP/1.0', get('GET', '1.0')],
  ['over HTTP/1.0, kept open', get('GET', '1.0', 'keep-alive') + get('GET', '1.0')],
  ['to requests sent at once', get('GET', '1.1', 'keep-alive').repeat(3) + get()],
  ['to HEAD', get('HEAD')],
  ['of a status without a body', get(), () => {}, 204],
  [
    'whose length the host takes away',
    get(),
    (res) => {
      const { writeHead } = res;
      res.writeHead = (status) => {
        res.removeHeader('content-length');
        return writeHead.call(res, status);
      };
    },
  ],
  ['with headers of the host', get(), (res) => res.setHeader('x-host', 'a').setHeader('Date', 'today')],
  ['without a header that the host took away', get(), (res) => res.removeHeader('connection')],
  ['of a status that Node has no words for', get(), () => {}, 299],
  ['that is an error', get(), () => {}, 503],
  ['with words of the host for its status', get(), (res) => Object.assign(res, { statusMessage: 'Fine' })],
  ['where the host had another status in mind', get(), (res) => Object.assign(res, { statusCode: 404 })],
  [
    'whose client waits for leave to send',
    get().replace('close', 'keep-alive').replace('\r\n\r\n', '\r\nExpect: 100-continue\r\n\r\n'),
  ],
  ['whose length Node checks', get(), (res) => Object.assign(res, { strictContentLength: true })],
  [
    'whose head is on its way already',
    get(),
    (res) => {
      const { writeHead } = res;
      res.writeHead = (...args) => {
        writeHead.apply(res, args).flushHeaders();
        return res;
      };
    },
  ],
];

describe('a whole answer', () => {
  it.each(CASES)('%s: is what Node sends', async (_what, requests, before = () => {}, status = 200) => {
    const [ours, nodes] = await Promise.all([
      exchange(requests, before, status),
      exchange(requests, (res) => byNode(before(res) ?? res), status),
    ]);
    expect(ours.bytes.toString('latin1')).toBe(nodes.bytes.toString('latin1'));
    expect(ours.responses.every((res) => res.writableFinished)).toBe(true);
  });

  it('is one write', async () => {
    const { writes, bytes } = await exchange(get(), () => {});
    expect(bytes.includes(BODY)).toBe(true);
    expect(writes).toEqual(['writeLatin1String']);
  });

  it('passes whoever wraps `end`', async () => {
    const { responses } = await exchange(get(), wrap);
    expect(responses[0].seen).toEqual([BODY.toString('latin1'), 'latin1']);
  });

  it('has no member more than before, where nobody asks for one', async () => {
    const { responses } = await exchange(get(), () => {});
    // Where the two names are no longer one, nobody can tell whether somebody wraps all responses.
    const { writeHead, writeHeader } = ServerResponse.prototype;
    expect(Object.hasOwn(responses[0], 'statusCode')).toBe(writeHead !== writeHeader);
    expect(Object.hasOwn(responses[0], 'statusMessage')).toBe(writeHead !== writeHeader);
  });

  it('tells its headers to whoever has set some, also if those are gone', async () => {
    const { responses } = await exchange(get(), (res) => res.setHeader('x-host', 'a').removeHeader('x-host'));
    expect(responses[0].getHeader('content-length')).toBe(String(BODY.length));
  });

  it('has its status, for logs', async () => {
    for (const status of [200, 202, 404]) {
      const { responses } = await exchange(get(), () => {}, status);
      expect(responses[0].statusCode).toBe(status);
    }
  });

  it('passes whoever wraps `writeHead` for all responses', async () => {
    const { writeHead } = ServerResponse.prototype;
    const seen = [];
    ServerResponse.prototype.writeHead = function (...args) {
      seen.push(args[0]);
      return writeHead.apply(this, args);
    };
    atEnd(() => {
      ServerResponse.prototype.writeHead = writeHead;
    });
    await exchange(get(), () => {});
    expect(seen).toEqual([200]);
  });

  it('leaves its head as it was, for logs', async () => {
    const { responses } = await exchange(get(), () => {});
    expect(responses[0]._header).toMatch(/^HTTP\/1\.1 200 OK\r\n[^{]*\r\n\r\n$/);
  });
});
