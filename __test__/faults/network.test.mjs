// TLS and outgoing proxies on real sockets.

import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { selfSigned } from '../emulator/certificate.mjs';
import { atEnd, startAdapter, startSim } from '../http/support.mjs';

afterEach(() => vi.unstubAllEnvs());

/** A file that the test's end removes. */
function file(text) {
  const folder = mkdtempSync(path.join(tmpdir(), 'sim-adapter-'));
  atEnd(() => rmSync(folder, { recursive: true }));
  const name = path.join(folder, 'ca.pem');
  writeFileSync(name, text);
  return name;
}

describe('TLS', () => {
  it('with a certificate of one’s own works when its file is named', async () => {
    const tls = selfSigned();
    const sim = await startSim(['echo'], { tls });
    const adapter = startAdapter(sim, { caFile: file(tls.cert) });
    expect((await adapter.runFlow('echo', { mode: 'sync' })).run.status).toBe('completed');
    expect(await adapter.health()).toMatchObject({ ok: true });
  });

  it('takes the same file from SIM_CA_FILE and from NODE_EXTRA_CA_CERTS', async () => {
    const tls = selfSigned();
    const sim = await startSim(['echo'], { tls });
    for (const name of ['SIM_CA_FILE', 'NODE_EXTRA_CA_CERTS']) {
      vi.stubEnv(name, file(tls.cert));
      expect((await startAdapter(sim).getFlow('echo')).flow.id).toBe('echo');
      vi.unstubAllEnvs();
    }
  });

  it('without it is upstream_unreachable, and Sim gets nothing', async () => {
    const sim = await startSim(['echo'], { tls: selfSigned() });
    const other = file(selfSigned().cert);
    for (const caFile of [undefined, other]) {
      const error = await startAdapter(sim, { caFile })
        .getFlow('echo')
        .catch((error) => error);
      expect([error.code, error.message]).toEqual(['upstream_unreachable', 'Sim cannot be reached']);
    }
    expect(sim.requests).toEqual([]);
  });

  it('of another name is upstream_unreachable', async () => {
    const tls = selfSigned();
    const sim = await startSim(['echo'], { tls, host: '127.0.0.2' });
    const adapter = startAdapter(sim, { caFile: file(tls.cert) });
    await expect(adapter.getFlow('echo')).rejects.toMatchObject({ code: 'upstream_unreachable' });
    expect(sim.requests).toEqual([]);
  });

  it('spoken to by a server that has none is upstream_unreachable', async () => {
    const sim = await startSim(['echo']);
    const adapter = startAdapter(sim, { baseUrl: sim.url.replace('http:', 'https:') });
    await expect(adapter.getFlow('echo')).rejects.toMatchObject({ code: 'upstream_unreachable' });
  });
});

/** A forward proxy: CONNECT for https, absolute URLs for http. It notes what it was asked for. */
async function startProxy({ refuse } = {}) {
  const seen = [];
  const server = http.createServer((req, res) => {
    seen.push({ method: req.method, target: req.url, authorization: req.headers['proxy-authorization'] });
    if (refuse) return res.writeHead(407).end();
    const { 'proxy-authorization': _own, ...headers } = req.headers;
    const onward = http.request(req.url, { method: req.method, headers }, (answer) => {
      res.writeHead(answer.statusCode, answer.headers);
      answer.pipe(res);
    });
    req.pipe(onward);
  });
  const sockets = new Set();
  server.on('connection', (socket) => sockets.add(socket));
  server.on('connect', (req, socket) => {
    seen.push({ method: 'CONNECT', target: req.url, authorization: req.headers['proxy-authorization'] });
    if (refuse) return socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
    const { hostname, port } = new URL(`http://${req.url}`);
    const onward = net.connect(port, hostname, () => socket.write('HTTP/1.1 200 OK\r\n\r\n'));
    sockets.add(onward);
    for (const end of [socket, onward]) end.on('error', () => {});
    socket.pipe(onward).pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEnd(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return { seen, url: `http://127.0.0.1:${server.address().port}` };
}

describe('an outgoing proxy', () => {
  it.each(['PROXY', 'HTTP_PROXY', 'http_proxy'])('named by %s is used for http', async (name) => {
    const [sim, proxy] = [await startSim(['echo']), await startProxy()];
    vi.stubEnv(name, proxy.url);
    expect((await startAdapter(sim).runFlow('echo', { mode: 'sync' })).run.status).toBe('completed');
    expect(proxy.seen.length).toBe(sim.requests.length);
    expect(proxy.seen[0].target).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/api\/v2\//);
  });

  it.each(['PROXY', 'HTTPS_PROXY', 'https_proxy'])(
    'named by %s is used for https, and sees nothing of it',
    async (name) => {
      const tls = selfSigned();
      const [sim, proxy] = [await startSim(['echo'], { tls }), await startProxy()];
      vi.stubEnv(name, proxy.url);
      const adapter = startAdapter(sim, { caFile: file(tls.cert) });
      expect((await adapter.getFlow('echo')).flow.id).toBe('echo');
      expect(proxy.seen).toEqual([{ method: 'CONNECT', target: `127.0.0.1:${sim.port}`, authorization: undefined }]);
    },
  );

  it('of the other scheme is not used', async () => {
    const [sim, proxy] = [await startSim(['echo']), await startProxy()];
    vi.stubEnv('HTTPS_PROXY', proxy.url);
    expect((await startAdapter(sim).getFlow('echo')).flow.id).toBe('echo');
    expect(proxy.seen).toEqual([]);
  });

  it('is told its own password, and Sim is not', async () => {
    const [sim, proxy] = [await startSim(['echo']), await startProxy()];
    vi.stubEnv('PROXY', proxy.url.replace('//', '//user:p%40ss@'));
    await startAdapter(sim).getFlow('echo');
    expect(proxy.seen[0].authorization).toBe(`Basic ${Buffer.from('user:p@ss').toString('base64')}`);
    expect(sim.requests[0].headers['proxy-authorization']).toBeUndefined();
  });

  it.each(['127.0.0.1', '127.0.0.0/8', 'example.com, 127.0.0.1', '*'])(
    'is passed by for NO_PROXY=%s',
    async (exceptions) => {
      const [sim, proxy] = [await startSim(['echo']), await startProxy()];
      vi.stubEnv('PROXY', proxy.url);
      vi.stubEnv('NO_PROXY', exceptions);
      expect((await startAdapter(sim).getFlow('echo')).flow.id).toBe('echo');
      expect(proxy.seen).toEqual([]);
    },
  );

  it.each(['example.com', '10.0.0.0/8', '127.0.0.2'])('is used in spite of NO_PROXY=%s', async (exceptions) => {
    const [sim, proxy] = [await startSim(['echo']), await startProxy()];
    vi.stubEnv('PROXY', proxy.url);
    vi.stubEnv('no_proxy', exceptions);
    await startAdapter(sim).getFlow('echo');
    expect(proxy.seen).toHaveLength(1);
  });

  it('that refuses is upstream_error or upstream_unreachable, and its address stays private', async () => {
    const tls = selfSigned();
    const proxy = await startProxy({ refuse: true });
    vi.stubEnv('PROXY', proxy.url);
    for (const sim of [await startSim(['echo']), await startSim(['echo'], { tls })]) {
      const error = await startAdapter(sim, { caFile: file(tls.cert) })
        .getFlow('echo')
        .catch((error) => error);
      expect(['upstream_error', 'upstream_unreachable']).toContain(error.code);
      expect(error.message).not.toContain(new URL(proxy.url).port);
      expect(sim.requests).toEqual([]);
    }
  });

  it('that is gone is upstream_unreachable', async () => {
    const sim = await startSim(['echo']);
    vi.stubEnv('PROXY', 'http://127.0.0.1:1');
    await expect(startAdapter(sim).getFlow('echo')).rejects.toMatchObject({ code: 'upstream_unreachable' });
    expect(sim.requests).toEqual([]);
  });
});
