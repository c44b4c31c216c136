// What every peer written in JavaScript checks of a request: bearer token's claims, body, allow-list. It must not know how
// requests are answered or forwarded.

const FLOW_ID = /^(?!\.\.?$)[A-Za-z0-9._:-]{1,128}$/;
const ALLOWED_PATH = /^\/api\/(?:v[12]\/workflows|flows)(?:\/(?!\.\.?$)[A-Za-z0-9._:-]{1,128})?$/;
const MODES = ['async', 'sync', 'stream'];
const RUN_FIELDS = ['input', 'mode', 'timeoutMs', 'selectedOutputs'];
const PROXY_FIELDS = ['method', 'path', 'query', 'body'];

/** A request that is not carried out, and what its answer says. */
export class Refusal extends Error {
  constructor(status, code, message, details) {
    super(message);
    Object.assign(this, { status, code, details });
  }
}

const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);

/** @param {Record<string, string | undefined>} headers */
export function bearer({ authorization }) {
  return authorization?.startsWith('Bearer ') ? authorization.slice(7) : undefined;
}

/** LibreChat signs other tokens than those of users with the same secret. */
export function userOf({ id, exp, twoFAPending, scope }) {
  return typeof id === 'string' && id !== '' && exp !== undefined && !twoFAPending && scope === undefined
    ? { id }
    : undefined;
}

/** `POST /flows/:id/run`: Sim's body for it, and whether its events are wanted. */
export function readRun(flow, body) {
  const wrong = [];
  if (!FLOW_ID.test(flow)) wrong.push({ path: 'flowId', message: 'is no flow id' });
  if (isObject(body)) {
    const { input, mode } = body;
    for (const name of Object.keys(body)) {
      if (!RUN_FIELDS.includes(name)) wrong.push({ path: name, message: 'is unknown' });
    }
    if (input !== undefined && !isObject(input)) wrong.push({ path: 'input', message: 'must be an object' });
    if (mode !== undefined && !MODES.includes(mode)) wrong.push({ path: 'mode', message: 'must be a mode' });
  } else {
    wrong.push({ path: '', message: 'must be an object' });
  }
  if (wrong.length > 0) throw new Refusal(400, 'invalid_request', 'the request is invalid', { fields: wrong });
  const input = body.input ?? {};
  const stream = body.mode === 'stream';
  const sims = stream ? { input, stream: true, includeThinking: true, includeToolCalls: true } : { input, async: true };
  return { path: `/api/v2/workflows/${flow}/execute`, body: JSON.stringify(sims), stream };
}

/** `POST /proxy`: the path to read. Of the allow-list only what reads flows. */
export function readProxy(body) {
  const known = isObject(body) && Object.keys(body).every((name) => PROXY_FIELDS.includes(name));
  if (!known || typeof body.method !== 'string' || typeof body.path !== 'string') {
    throw new Refusal(400, 'invalid_request', 'the request is invalid', {
      fields: [{ path: '', message: 'is wrong' }],
    });
  }
  if (body.method !== 'GET' || !ALLOWED_PATH.test(body.path)) {
    throw new Refusal(403, 'path_not_allowed', 'the path is not on the allow-list');
  }
  return body.path;
}
