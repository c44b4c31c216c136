'use strict';

/**
 * From a request to a reply: finds the route, lets the gate decide, parses the body. It knows the routes' names only.
 */

const { html, json } = require('./http');
const { v1Error, v2Error } = require('./gate');

/** A reply that ends a handler early. */
class Refusal extends Error {
  constructor(reply) {
    super('refused');
    this.reply = reply;
  }
}

/** `route('POST', '/api/x/:id', 'v1', handle)`; the dialect is that of its errors, null needs no key. */
function route(method, path, dialect, handle) {
  const source = path.replace(/:(\w+)/g, '(?<$1>[^/]+)');
  return { method, pattern: new RegExp(`^${source}$`), dialect, handle };
}

function decode(params) {
  try {
    return Object.fromEntries(Object.entries(params ?? {}).map(([key, value]) => [key, decodeURIComponent(value)]));
  } catch {
    return null;
  }
}

/** The body as a value; `undefined` when there is none. A body that is too large or no JSON is refused. */
function parseBody(request, dialect) {
  const fail = dialect === 'v2' ? v2Error : (status, _code, message) => v1Error(status, message);
  if (request.tooLarge) {
    throw new Refusal(fail(413, 'PAYLOAD_TOO_LARGE', 'Request body is too large'));
  }
  if (request.body.length === 0) {
    return undefined;
  }
  try {
    return JSON.parse(request.body.toString('utf8'));
  } catch {
    throw new Refusal(fail(400, 'BAD_REQUEST', 'Invalid JSON in request body'));
  }
}

class Router {
  #routes;
  #gate;
  #versions;

  /** `versions` is the list of API generations that are switched on. */
  constructor({ routes, gate, versions }) {
    this.#routes = routes;
    this.#gate = gate;
    this.#versions = versions;
  }

  /** Answers a request `{method, path, query, headers, body, tooLarge, signal, requestId}`. */
  async answer(request) {
    const reply = await this.#answer(request);
    // Sim's health route is the one that names no request.
    const named = request.path === '/api/health' ? {} : { 'x-request-id': request.requestId };
    return { ...reply, headers: { ...reply.headers, ...named } };
  }

  async #answer(request) {
    const { path } = request;
    if (path.startsWith('/api/v2/') && !this.#versions.includes('v2')) {
      return this.#switchedOff(request);
    }
    const onPath = this.#routes.filter(({ pattern }) => pattern.test(path));
    const found = onPath.find(({ method }) => method === request.method);
    if (!found) {
      return onPath.length > 0 ? { status: 405, headers: {}, body: '' } : html(404, 'This page could not be found.');
    }
    return this.#admitted(found, request);
  }

  /** v2 on a server without it: the key is looked at first. */
  #switchedOff(request) {
    const { refusal, headers } = this.#gate.admit('v2', request.headers);
    return refusal ?? v2Error(404, 'NOT_FOUND', 'Not found', undefined, headers);
  }

  async #admitted({ dialect, pattern, handle }, request) {
    const admitted = dialect === null ? { headers: {} } : this.#gate.admit(dialect, request.headers);
    if (admitted.refusal) {
      return admitted.refusal;
    }
    const params = decode(pattern.exec(request.path).groups);
    if (params === null) {
      return json(400, { error: 'Bad request' });
    }
    let reply;
    try {
      reply = await handle({ ...request, params, json: () => parseBody(request, dialect) });
    } catch (error) {
      if (!(error instanceof Refusal)) {
        throw error;
      }
      reply = error.reply;
    }
    return { ...reply, headers: { ...admitted.headers, ...reply.headers } };
  }
}

module.exports = { Refusal, Router, route };
