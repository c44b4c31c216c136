'use strict';

/**
 * Bytes on a socket: reads a request body, writes a reply, and says when the client went away.
 * It knows nothing of Sim: a reply is a status, headers and either a body or a sequence of text frames.
 */

const { once } = require('node:events');

/** Sim refuses bodies above this many bytes (10 MiB); the rest is read and dropped, so that the client sees the answer. */
const BODY_LIMIT = 10 * 1024 * 1024;

/** Reads a whole body. `tooLarge` says that it passed the limit; `body` then holds the part that was kept. */
async function readBody(req) {
  const parts = [];
  let length = 0;
  let tooLarge = false;
  for await (const part of req) {
    length += part.length;
    if (length > BODY_LIMIT) {
      tooLarge = true;
    } else {
      parts.push(part);
    }
  }
  return { body: parts.length === 1 ? parts[0] : Buffer.concat(parts), tooLarge };
}

/** A JSON reply. */
function json(status, value, headers) {
  return { status, headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(value) };
}

/** An HTML reply, as a web framework or a proxy in front of Sim gives. */
function html(status, title) {
  const page = `<!DOCTYPE html><html><head><title>${status}: ${title}</title></head><body><h1>${status}</h1><h2>${title}</h2></body></html>`;
  return { status, headers: { 'content-type': 'text/html; charset=utf-8' }, body: page };
}

/** A reply that is an event stream; `frames` is an async iterable of text. */
function eventStream(frames, headers) {
  return {
    status: 200,
    headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-cache', ...headers },
    frames,
  };
}

/** Ends with the client's departure (an aborted signal) or with the last frame, whichever comes first. */
async function writeFrames(res, frames, signal) {
  for await (const frame of frames) {
    if (signal.aborted) {
      return;
    }
    if (!res.write(frame)) {
      await once(res, 'drain', { signal }).catch(() => {});
    }
  }
  res.end();
}

/** Writes a reply; bodies are chunked, as Sim's are. */
async function send(res, reply, signal) {
  if (res.destroyed) {
    return;
  }
  res.writeHead(reply.status, { ...reply.headers, 'transfer-encoding': 'chunked' });
  if (reply.frames) {
    res.flushHeaders();
    await writeFrames(res, reply.frames, signal);
  } else {
    res.end(reply.body);
  }
}

module.exports = { readBody, json, html, eventStream, send };
