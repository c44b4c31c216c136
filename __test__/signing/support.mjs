// What the signing tests share: real servers on loopback, the guard as a child process, and signed requests.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import { createRequire } from 'node:module';
import net from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const require = createRequire(import.meta.url);
export const { signRequest } = require('../../native.js');

export const SECRET = 'signing-test-secret-0123456789abcdef';
export const OLDER_SECRET = 'older-signing-secret-0123456789abcdef';
const COMMAND = fileURLToPath(new URL('../../bin/sim-adapter.js', import.meta.url));

/** Listens on a free loopback port; `stop` ends every connection. */
export async function serve(handler) {
  const server = http.createServer(handler);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const stop = async () => {
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
  };
  return { server, port: server.address().port, stop };
}

/** Starts `sim-adapter guard` and waits until both listeners are there. `lines` are its log lines, parsed. */
export async function startGuard(upstreamPort, ...extra) {
  const args = ['guard', '--upstream', `http://127.0.0.1:${upstreamPort}`, '--host', '127.0.0.1'];
  const child = spawn(process.execPath, [COMMAND, ...args, '--api-port', '0', '--editor-port', '0', ...extra], {
    env: { PATH: process.env.PATH, SIM_SIGNING_SECRET: `${SECRET},${OLDER_SECRET}` },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = [];
  const ports = {};
  let output = '';
  const reader = createInterface({ input: child.stdout });
  await new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the guard ended with ${code}`)));
    reader.on('line', (line) => {
      output += `${line}\n`;
      const entry = JSON.parse(line);
      lines.push(entry);
      if (entry.event === 'listening') ports[entry.listener] = entry.port;
      if (ports.api && ports.editor) resolve();
      reader.emit('entry', entry);
    });
  });
  return {
    child,
    ...ports,
    lines,
    output: () => output,
    /** The next log line that `matches`, or the first that already did. */
    async logged(matches) {
      for (;;) {
        const found = lines.find(matches);
        if (found) return found;
        await once(reader, 'entry');
      }
    },
    /** Asks it to stop; resolves to its exit code. */
    async stop(signal = 'SIGTERM') {
      if (child.exitCode !== null) return child.exitCode;
      child.kill(signal);
      const [code] = await once(child, 'exit');
      return code;
    },
  };
}

/** The headers of a signed request, as the adapter would send them. */
export function signedHeaders({ port, method = 'POST', target, body = '', secrets = [SECRET], host, ...rest }) {
  const authority = host ?? `127.0.0.1:${port}`;
  const request = { method, authority, target, requestId: 'req-1', tenant: 'acme', user: 'user-1', ...rest };
  const signed = signRequest(secrets, request, Buffer.from(body));
  const headers = {
    'x-request-id': request.requestId,
    'x-sim-user': signed.xSimUser,
    'content-digest': signed.contentDigest,
    'signature-input': signed.signatureInput,
    signature: signed.signature,
  };
  if (request.contentType) headers['content-type'] = request.contentType;
  if (request.runId) headers['x-run-id'] = request.runId;
  return headers;
}

/** One request on a connection of its own; resolves to status, headers and text. `body` may be a function that writes. */
export function send({ port, method = 'POST', target, headers = {}, body, agent = false }) {
  return new Promise((resolve, reject) => {
    const request = http.request({ host: '127.0.0.1', port, method, path: target, headers, agent });
    request.on('error', reject);
    request.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, text }));
    });
    if (typeof body === 'function') body(request);
    else request.end(body);
  });
}

/** Signs and sends in one go. */
export function sendSigned({ port, target, method = 'POST', body, headers, ...rest }) {
  const own = signedHeaders({ port, method, target, body, ...rest });
  return send({ port, method, target, body, headers: { ...own, ...headers } });
}

/** Writes `text` to a bare socket and resolves to all that comes back: for requests that no HTTP client would send. */
export async function sendRaw(port, text) {
  const socket = net.connect(port, '127.0.0.1');
  socket.end(text, 'latin1');
  let answer = '';
  socket.setEncoding('latin1');
  for await (const chunk of socket) answer += chunk;
  return answer;
}

export function reasonOf({ text }) {
  const { error } = JSON.parse(text);
  return error.details?.reason ?? error.code;
}
