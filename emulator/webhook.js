'use strict';

/**
 * Sim's Webhook block: one signed POST in the middle of a run. It sends to this machine only, whatever the document says.
 */

const { createHmac, randomUUID } = require('node:crypto');
const { resolveJson, resolveText } = require('./references');

const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);

/** The settings with their references resolved: `{url, payload, secret, headers}`; the payload is text, or undefined. */
function read(block, outputs) {
  const setting = (key) => block.subBlocks?.[key]?.value;
  const text = (value) => resolveText(String(value ?? ''), outputs);
  const body = setting('body');
  const headers = {};
  const rows = setting('headers');
  for (const { cells } of Array.isArray(rows) ? rows : []) {
    if (cells?.Key) {
      headers[cells.Key] = text(cells.Value);
    }
  }
  return {
    url: text(setting('url')),
    secret: text(setting('secret')),
    payload: body ? resolveJson(typeof body === 'string' ? body : JSON.stringify(body), outputs) : undefined,
    headers,
  };
}

/** Sim's own headers; signed only if there is a secret. An empty payload is signed as `{}`. */
function deliveryHeaders({ payload = '{}', secret, headers }) {
  const time = Date.now();
  const id = randomUUID();
  const own = {
    'Content-Type': 'application/json',
    'X-Webhook-Timestamp': String(time),
    'X-Delivery-ID': id,
    'Idempotency-Key': id,
  };
  if (secret) {
    const mac = createHmac('sha256', secret).update(`${time}.${payload}`).digest('hex');
    own['X-Webhook-Signature'] = `t=${time},v1=${mac}`;
  }
  return { ...own, ...headers };
}

/** Sends it. Answers the block's output, or throws an `Error` in Sim's words. */
async function deliver(block, outputs, signal) {
  const settings = read(block, outputs);
  const { hostname } = URL.canParse(settings.url) ? new URL(settings.url) : { hostname: '' };
  if (!LOOPBACK.has(hostname)) {
    throw new Error('url resolves to a blocked IP address');
  }
  const headers = deliveryHeaders(settings);
  const response = await fetch(settings.url, { method: 'POST', headers, body: settings.payload, signal });
  const text = await response.text();
  if (!response.ok) {
    throw new Error(`Request failed with status ${response.status}`);
  }
  const isJson = response.headers.get('content-type')?.includes('application/json');
  const data = isJson ? JSON.parse(text) : text;
  return { data, status: response.status, headers: Object.fromEntries(response.headers) };
}

module.exports = { deliver };
