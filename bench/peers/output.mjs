// What every peer written in JavaScript makes of a request: signed headers for Sim (RFC 9421, RFC 9530), run handles with
// their MAC, answers in the adapter's form. It must not know which HTTP client or framework carries them.

import { createHmac, createSecretKey, hash, randomUUID } from 'node:crypto';

const LIFETIME_S = 60;
const COVERED = '"@method" "@authority" "@path" "@query" "content-digest" "x-request-id" "x-sim-user"';

/**
 * The headers of a call to Sim, signed. What can be made once is made here.
 * @param {{ upstream: string, apiKey: string, signingSecret: string }} settings
 */
export function outgoing({ upstream, apiKey, signingSecret }) {
  const { host } = new URL(upstream);
  const key = createSecretKey(Buffer.from(signingSecret));
  const mac = (text, encoding) => createHmac('sha256', key).update(text).digest(encoding);
  const keyid = mac('sim-adapter keyid/1').subarray(0, 9).toString('base64url');

  /** @param {{ method: string, path: string, body?: string, user: string, requestId: string, runId?: string }} call */
  return function headersOf({ method, path, body, user, requestId, runId, stream }) {
    const digest = `sha-256=:${hash('sha256', body ?? '', 'base64')}:`;
    const simUser = Buffer.from(`\0${user}`).toString('base64url');
    const created = Math.floor(Date.now() / 1000);
    let covered = COVERED;
    let base =
      `"@method": ${method}\n"@authority": ${host}\n"@path": ${path}\n"@query": ?\n` +
      `"content-digest": ${digest}\n"x-request-id": ${requestId}\n"x-sim-user": ${simUser}\n`;
    const headers = {
      'x-api-key': apiKey,
      accept: stream ? 'text/event-stream' : 'application/json',
      'x-request-id': requestId,
      'x-sim-user': simUser,
      'content-digest': digest,
    };
    if (body !== undefined) {
      headers['content-type'] = 'application/json';
      covered += ' "content-type"';
      base += '"content-type": application/json\n';
    }
    if (runId !== undefined) {
      headers['x-run-id'] = runId;
      covered += ' "x-run-id"';
      base += `"x-run-id": ${runId}\n`;
    }
    if (stream) headers['x-sim-stream-protocol'] = 'agent-events-v1';
    const parameters =
      `(${covered});created=${created};expires=${created + LIFETIME_S};` +
      `nonce="${randomUUID()}";keyid="${keyid}";alg="hmac-sha256"`;
    headers['signature-input'] = `sim=${parameters}`;
    headers.signature = `sim=:${mac(`${base}"@signature-params": ${parameters}`, 'base64')}:`;
    return headers;
  };
}

/** Mints run handles: flow and run, and a MAC that binds them to the user. */
export function handles({ handleSecret }) {
  const key = createSecretKey(Buffer.from(handleSecret));
  return function mint(user, flow, run) {
    const names = `${flow}\0${run}`;
    const tag = createHmac('sha256', key).update(`${user}\0${names}`).digest();
    return Buffer.concat([Buffer.from(`\x01${names}`, 'latin1'), tag.subarray(0, 16)]).toString('base64url');
  };
}

/** A run that goes on. */
export function receipt(mount, id, status) {
  const url = `${mount}/runs/${id}`;
  return { run: { id, status, statusUrl: `${url}/status`, eventsUrl: `${url}/events` } };
}

/** A run as Sim's record tells it. */
export function fullRun(id, flowId, data) {
  const { status, startedAt = null, endedAt = null, durationMs = null, output = null } = data;
  const { error = null, cost = null, paused = null } = data;
  return { run: { id, flowId, status, startedAt, endedAt, durationMs, output, error, cost, paused } };
}

/** The headers of every JSON answer. */
export function jsonHead(requestId) {
  return {
    'content-type': 'application/json; charset=utf-8',
    'cache-control': 'no-store',
    'x-request-id': requestId,
  };
}

/** Writes a whole JSON answer past Express's `res.json`, which would look at it again. */
export function sendJson(res, status, requestId, value) {
  const json = JSON.stringify(value);
  res.writeHead(status, { ...jsonHead(requestId), 'content-length': Buffer.byteLength(json) });
  res.end(json);
}

export function sendError(res, status, code, message, requestId, details) {
  sendJson(res, status, requestId, { error: { code, message, details, requestId } });
}

/** What a request that is refused by the limit is told. */
export const exceeded = (limit, resetsAtMs) => ({
  plan: 'default',
  limit: 'rate',
  value: limit,
  resetsAt: new Date(resetsAtMs).toISOString(),
});
