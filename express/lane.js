'use strict';

// The adapter's routes on the `http.Server` itself, ahead of Express and of whatever the host has mounted in it.

const { Connections } = require('./connections.js');
const { createHandler } = require('./handler.js');

/** Where the client's address is found in a request. */
function addressOf(clientIp, ipHeader) {
  if (typeof clientIp === 'function') return clientIp;
  return ipHeader === undefined ? (req) => req.socket.remoteAddress : (req) => req.headers[ipHeader];
}

/** Whether `url` is at the mount point or below; what follows it then. */
function below(mount, url) {
  if (!url.startsWith(mount)) return undefined;
  const rest = url.slice(mount.length);
  return rest === '' || rest[0] === '/' || rest[0] === '?' ? rest : undefined;
}

/**
 * @param {import('node:http').Server} server
 * @param {string} mount
 * @param {import('./adapter.js').SimAdapter} adapter
 * @param {string | ((req: import('node:http').IncomingMessage) => string | undefined)} [clientIp]
 */
function createLane(server, mount, adapter, clientIp) {
  if (!/^(\/[\w.~-]+)+$/.test(mount)) throw new TypeError("the mount point must be a path such as '/api/sim'");
  if (!adapter.bridge.verifiesTokens) {
    throw new TypeError("the fast lane needs an adapter with auth: 'jwt': nobody else checks who asks there");
  }
  const ipHeader = typeof clientIp === 'string' && /^[\w-]+$/.test(clientIp) ? clientIp.toLowerCase() : undefined;
  if (clientIp !== undefined && typeof clientIp !== 'function' && ipHeader === undefined) {
    throw new TypeError("clientIp must be a function, or a header's name such as 'x-real-ip'");
  }
  const addressIn = addressOf(clientIp, ipHeader);
  const handle = createHandler(adapter);
  const { limitsIps } = adapter.bridge;
  const others = server.listeners('request');

  function onRequest(req, res) {
    const url = below(mount, req.url);
    if (url === undefined) {
      for (const listener of others) listener.call(server, req, res);
      return;
    }
    handle(req, res, { url, mount, ip: limitsIps ? addressIn(req) : undefined }, () => res.destroy());
  }

  server.removeAllListeners('request').on('request', onRequest);
  const connections = new Connections(server, mount, adapter.bridge, ipHeader);
  // Who finds the address in a request needs Node's.
  if (typeof clientIp !== 'function' || !limitsIps) connections.attach();
  return {
    adapter,
    detach() {
      connections.detach();
      server.off('request', onRequest);
      for (const listener of others) server.on('request', listener);
    },
  };
}

module.exports = { createLane };
