// The router that the JavaScript peers have in common, in Express and ahead of it: guards, then the two routes, and the
// answer to whatever is thrown. It must not know the HTTP client: a peer brings `run`, `stream` and `proxy`.

import { randomUUID } from 'node:crypto';

import express from 'express';

import { Refusal, readProxy, readRun } from './input.mjs';
import { sendError } from './output.mjs';

/** What of a client's answers the two routes use. */
function handlers({ run, stream, proxy }) {
  return {
    run(req, res) {
      const { path, body, stream: streams } = readRun(req.params.id, req.body);
      const common = { req, res, user: req.user.id, requestId: req.requestId };
      return (streams ? stream : run)({ ...common, flow: req.params.id, path, body, runId: randomUUID() });
    },
    proxy(req, res) {
      return proxy({ req, res, path: readProxy(req.body), user: req.user.id, requestId: req.requestId });
    },
  };
}

/**
 * @typedef {{ req: object, res: object, flow: string, path: string, body: string, runId: string, user: string,
 *   requestId: string }} RunCall
 * @param {import('express').RequestHandler[]} before guards, and what reads the body where nobody did
 * @param {{ run: (call: RunCall) => unknown, stream?: (call: RunCall) => unknown,
 *   proxy: (call: { req: object, res: object, path: string, user: string, requestId: string }) => unknown }} client
 */
export function routes(before, client) {
  const { run, proxy } = handlers(client);
  const router = express.Router();
  router.use(...before);
  router.post('/flows/:id/run', run);
  router.post('/proxy', proxy);
  router.use((error, req, res, _next) => failed(res, req.requestId, error));
  return router;
}

const RUN = /^\/flows\/([^/]+)\/run$/;

/** The same for `http.Server` itself, without Express; `before` as for `routes`, `mount` is the path that it is mounted at. */
export function bareRoutes(mount, before, client) {
  const { run, proxy } = handlers(client);

  function route(req, res) {
    const path = req.url.slice(mount.length);
    const [, id] = RUN.exec(path) ?? [];
    if (id !== undefined) {
      req.params = { id };
      return run(req, res);
    }
    if (path === '/proxy') return proxy(req, res);
    sendError(res, 404, 'not_found', 'there is no such route', req.requestId);
  }

  return (req, res) => {
    if (req.method !== 'POST' || !req.url.startsWith(mount)) return res.writeHead(404).end();
    req.baseUrl = mount;
    let at = 0;
    const next = (error) => {
      try {
        if (error !== undefined) return failed(res, req.requestId, error);
        if (at < before.length) return before[at++](req, res, next);
        return route(req, res);
      } catch (thrown) {
        failed(res, req.requestId, thrown);
      }
    };
    next();
  };
}

/** Answers what went wrong; what is no refusal of ours happened on the way to Sim. */
export function failed(res, requestId, error) {
  if (res.headersSent) return res.destroy();
  if (error instanceof Refusal) {
    return sendError(res, error.status, error.code, error.message, requestId, error.details);
  }
  sendError(res, 502, 'upstream_unreachable', 'Sim cannot be reached', requestId);
}
