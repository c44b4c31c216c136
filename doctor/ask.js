'use strict';

// One request to Sim and its whole answer, through Node's own client, so that what fails can be told apart. It must not
// know what the answers mean.

const http = require('node:http');
const https = require('node:https');
const { randomUUID } = require('node:crypto');

const { signRequest } = require('../express/native.js');

/** More than this of an answer is not worth reading: all that is asked for is small. */
const MAX_BYTES = 1024 * 1024;

/**
 * @param {{ base: URL, key?: string, secrets: string[], ca?: string[], timeoutMs: number }} sim
 * @param {string} path with query
 * @param {{ method?: string, signed?: boolean, body?: string }} [options]
 * @returns {Promise<{ status: number, date: Date | null, json: any, sentAt: number, receivedAt: number }>}
 */
function ask(sim, path, { method = 'GET', signed = sim.secrets.length > 0, body = '' } = {}) {
  const { base, key, secrets, ca, timeoutMs } = sim;
  const target = `${base.pathname.replace(/\/$/, '')}${path}`;
  const headers = { accept: 'application/json', 'x-request-id': `doctor-${randomUUID()}` };
  if (key !== undefined) headers['x-api-key'] = key;
  if (body !== '') headers['content-type'] = 'application/json';
  if (method !== 'GET') headers['content-length'] = Buffer.byteLength(body);
  if (signed) Object.assign(headers, signature(secrets, method, base.host, target, headers, body));
  const { request } = base.protocol === 'https:' ? https : http;
  const hostname = base.hostname.replace(/^\[|\]$/g, '');
  const options = { hostname, port: base.port, path: target, method, headers, ca, agent: false, timeout: timeoutMs };
  return new Promise((resolve, reject) => {
    const sentAt = Date.now();
    const outgoing = request(options, (response) => {
      const receivedAt = Date.now();
      const chunks = [];
      let size = 0;
      response.on('data', (chunk) => {
        size += chunk.length;
        if (size <= MAX_BYTES) chunks.push(chunk);
      });
      response.on('error', reject);
      response.on('end', () => {
        const date = new Date(response.headers.date ?? Number.NaN);
        resolve({
          status: response.statusCode,
          date: Number.isNaN(date.getTime()) ? null : date,
          json: parsed(Buffer.concat(chunks)),
          sentAt,
          receivedAt,
        });
      });
    });
    outgoing.on('timeout', () => outgoing.destroy(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })));
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

/** What is not JSON was not Sim's. */
function parsed(bytes) {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return undefined;
  }
}

function signature(secrets, method, authority, target, headers, body) {
  const head = {
    method,
    authority,
    target,
    requestId: headers['x-request-id'],
    contentType: headers['content-type'],
  };
  const signed = signRequest(secrets, head, Buffer.from(body));
  return {
    'x-sim-user': signed.xSimUser,
    'content-digest': signed.contentDigest,
    'signature-input': signed.signatureInput,
    signature: signed.signature,
  };
}

module.exports = { ask };
