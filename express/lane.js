'use strict';

// The adapter's routes on the `http.Server` itself, ahead of Express and of whatever the host has mounted in it.

const { createHandler } = require('./handler.js');

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
 * @param {(req: import('node:http').IncomingMessage) => string | undefined} clientIp
 */
function createLane(server, mount, adapter, clientIp) {
  if (!/^(\/[\w.~-]+)+$/.test(mount)) throw new TypeError("the mount point must be a path such as '/api/sim'");
  if (!adapter.bridge.verifiesTokens) {
    throw new TypeError("the fast lane needs an adapter with auth: 'jwt': nobody else checks who asks there");
  }
  const handle = createHandler(adapter);
  const { limitsIps } = adapter.bridge;
  const others = server.listeners('request');

  function onRequest(req, res) {
    const url = below(mount, req.url);
    if (url === undefined) {
      for (const listener of others) listener.call(server, req, res);
      return;
    }
    handle(req, res, { url, mount, ip: limitsIps ? clientIp(req) : undefined }, () => res.destroy());
  }

  server.removeAllListeners('request').on('request', onRequest);
  return {
    adapter,
    detach() {
      server.off('request', onRequest);
      for (const listener of others) server.on('request', listener);
    },
  };
}

module.exports = { createLane };
