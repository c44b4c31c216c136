// The router that the JavaScript peers have in common: guards, then the two routes, and the answer to whatever is thrown.
// It must not know the HTTP client: a peer brings `run`, `stream` and `proxy`.

import { randomUUID } from 'node:crypto';

import express from 'express';

import { Refusal, readProxy, readRun } from './input.mjs';
import { sendError } from './output.mjs';

/**
 * @typedef {{ req: object, res: object, flow: string, path: string, body: string, runId: string, user: string,
 *   requestId: string }} RunCall
 * @param {import('express').RequestHandler[]} before guards, and what reads the body where nobody did
 * @param {{ run: (call: RunCall) => unknown, stream?: (call: RunCall) => unknown,
 *   proxy: (call: { req: object, res: object, path: string, user: string, requestId: string }) => unknown }} client
 */
export function routes(before, { run, stream, proxy }) {
  const router = express.Router();
  router.use(...before);
  router.post('/flows/:id/run', (req, res) => {
    const { path, body, stream: streams } = readRun(req.params.id, req.body);
    const common = { req, res, user: req.user.id, requestId: req.requestId };
    return (streams ? stream : run)({ ...common, flow: req.params.id, path, body, runId: randomUUID() });
  });
  router.post('/proxy', (req, res) => {
    return proxy({ req, res, path: readProxy(req.body), user: req.user.id, requestId: req.requestId });
  });
  router.use((error, req, res, _next) => failed(res, req.requestId, error));
  return router;
}

/** Answers what went wrong; what is no refusal of ours happened on the way to Sim. */
export function failed(res, requestId, error) {
  if (res.headersSent) return res.destroy();
  if (error instanceof Refusal) {
    return sendError(res, error.status, error.code, error.message, requestId, error.details);
  }
  sendError(res, 502, 'upstream_unreachable', 'Sim cannot be reached', requestId);
}
