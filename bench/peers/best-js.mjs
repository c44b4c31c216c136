// As fast as JavaScript gets with kept libraries: fast-jwt and its cache, a limiter of a few lines, undici's `dispatch`
// without promises or streams between, bytes passed through.

import { Pool } from 'undici';

import { eventHead, Relay } from './events.mjs';
import { fastJwt, ownRateLimit } from './guards.mjs';
import { Refusal } from './input.mjs';
import { fullRun, handles, jsonHead, outgoing, receipt, sendJson } from './output.mjs';
import { bareRoutes, failed, routes } from './routes.mjs';

const MAX_BODY = 3 * 1024 * 1024;

/** Reads JSON where no express.json did. */
function readJson(req, _res, next) {
  if (req.body !== undefined) return next();
  const chunks = [];
  let size = 0;
  req.on('data', (chunk) => {
    size += chunk.length;
    if (size <= MAX_BODY) chunks.push(chunk);
  });
  req.on('end', () => {
    if (size > MAX_BODY) return next(new Refusal(413, 'payload_too_large', 'the body is too large'));
    try {
      req.body = JSON.parse(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks));
    } catch {
      return next(new Refusal(400, 'invalid_request', 'the body is no JSON'));
    }
    next();
  });
}

/** Collects an answer that is read as a whole. */
class Whole {
  #chunks = [];
  constructor(done, fail) {
    this.done = done;
    this.onError = fail;
  }
  onConnect() {}
  onHeaders(status) {
    this.status = status;
    return true;
  }
  onData(chunk) {
    this.#chunks.push(chunk);
    return true;
  }
  onComplete() {
    const [first] = this.#chunks;
    this.done(this.status, JSON.parse(this.#chunks.length === 1 ? first : Buffer.concat(this.#chunks)));
  }
}

/** Writes an answer on as it comes, no faster than the client reads. A client that goes away ends it. */
class Through {
  #waits = false;
  constructor(res, { head, piece, end, fail }) {
    Object.assign(this, { res, head, piece, end, onError: fail });
  }
  onConnect(abort) {
    // It waited for a connection, and its client did not.
    if (this.res.destroyed) return abort();
    this.res.once('close', () => {
      if (!this.res.writableFinished) abort();
    });
  }
  onHeaders(status, rawHeaders, resume) {
    this.resume = resume;
    this.head(status, rawHeaders);
    return true;
  }
  onData(chunk) {
    const bytes = this.piece(chunk);
    if (bytes.length === 0 || this.res.write(bytes)) return true;
    if (!this.#waits) {
      this.#waits = true;
      this.res.once('drain', () => {
        this.#waits = false;
        this.resume();
      });
    }
    return false;
  }
  onComplete() {
    this.end();
  }
}

function contentLength(rawHeaders) {
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i].length === 14 && rawHeaders[i].latin1Slice().toLowerCase() === 'content-length') {
      return rawHeaders[i + 1].latin1Slice();
    }
  }
  return undefined;
}

export function bestJs(settings) {
  const pool = new Pool(settings.upstream, { connections: 256 });
  const headersOf = outgoing(settings);
  const mint = handles(settings);

  function get(path, user, requestId, handler) {
    pool.dispatch({ method: 'GET', path, headers: headersOf({ method: 'GET', path, user, requestId }) }, handler);
  }

  const client = {
    run({ req, res, flow, path, body, runId, user, requestId }) {
      const fail = (error) => failed(res, requestId, error);
      const done = (_status, { data }) => {
        sendJson(res, 202, requestId, receipt(req.baseUrl, mint(user, flow, data.runId), 'queued'));
      };
      const headers = headersOf({ method: 'POST', path, body, user, requestId, runId });
      pool.dispatch({ method: 'POST', path, headers, body }, new Whole(done, fail));
    },

    stream({ req, res, flow, path, body, runId, user, requestId }) {
      const fail = (error) => failed(res, requestId, error);
      const id = mint(user, flow, runId);
      const relay = new Relay();
      const through = new Through(res, {
        head: () => {
          res.writeHead(200, eventHead(requestId));
          res.write(relay.event('run', receipt(req.baseUrl, id, 'running')));
        },
        piece: (chunk) => relay.feed(chunk),
        end: () => {
          const done = (_status, { data }) => res.end(relay.event('final', fullRun(id, flow, data)));
          get(`/api/v2/workflows/${flow}/runs/${runId}`, user, requestId, new Whole(done, fail));
        },
        fail,
      });
      const headers = headersOf({ method: 'POST', path, body, user, requestId, runId, stream: true });
      pool.dispatch({ method: 'POST', path, headers, body }, through);
    },

    proxy({ res, path, user, requestId }) {
      const through = new Through(res, {
        head: (status, rawHeaders) => {
          const length = contentLength(rawHeaders);
          res.writeHead(status, { ...jsonHead(requestId), ...(length && { 'content-length': length }) });
        },
        piece: (chunk) => chunk,
        end: () => res.end(),
        fail: (error) => failed(res, requestId, error),
      });
      get(path, user, requestId, through);
    },
  };
  const before = [fastJwt(settings), ownRateLimit(settings), readJson];
  return settings.mount.startsWith('lane') ? bareRoutes('/api/sim', before, client) : routes(before, client);
}
