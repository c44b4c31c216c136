'use strict';

// The command line and environment of `sim-adapter guard`, checked before anything listens. Shows no secret in an error.

const { parseArgs } = require('node:util');

const { UsageError } = require('../bin/usage.js');

const USAGE = `Usage: sim-adapter guard --upstream URL [options]

Stands in front of Sim with two listeners: api (signed requests only) and editor (browsers, no API keys).
SIM_SIGNING_SECRET holds the secrets, newest first, separated by commas; 32 bytes or more each.

  --upstream URL                where Sim listens, e.g. http://simstudio:3000
  --realtime URL                where Sim's realtime server listens, for /socket.io of the editor (default: the upstream)
  --host ADDRESS                address to listen on (default: all)
  --api-port PORT               signed requests, and /healthz (default: 8080)
  --editor-port PORT            browsers (default: 8081)
  --max-body-bytes N            largest request body (default: 10485760)
  --max-age-seconds N           oldest signature that is accepted (default: 60)
  --upstream-timeout-seconds N  longest silence of Sim (default: 300)
`;

const OPTIONS = {
  upstream: { type: 'string' },
  realtime: { type: 'string' },
  host: { type: 'string' },
  'api-port': { type: 'string', default: '8080' },
  'editor-port': { type: 'string', default: '8081' },
  'max-body-bytes': { type: 'string', default: '10485760' },
  'max-age-seconds': { type: 'string', default: '60' },
  'upstream-timeout-seconds': { type: 'string', default: '300' },
};

function guardOptions(args, environment) {
  let values;
  try {
    ({ values } = parseArgs({ args, options: OPTIONS, strict: true, allowPositionals: false }));
  } catch (error) {
    throw new UsageError(error.message);
  }
  const number = (name, least, most) => {
    const value = Number(values[name]);
    if (/^\d+$/.test(values[name]) && value >= least && value <= most) return value;
    throw new UsageError(`--${name} must be a whole number from ${least} to ${most}`);
  };
  if (values.upstream === undefined) throw new UsageError('--upstream is missing');
  return {
    upstream: serverUrl('upstream', values.upstream),
    realtime: serverUrl('realtime', values.realtime ?? values.upstream),
    host: values.host,
    apiPort: number('api-port', 0, 65_535),
    editorPort: number('editor-port', 0, 65_535),
    maxBodyBytes: number('max-body-bytes', 0, 2 ** 30),
    maxAgeSeconds: number('max-age-seconds', 1, 86_400),
    upstreamTimeoutMs: number('upstream-timeout-seconds', 1, 86_400) * 1000,
    secrets: secretsOf(environment.SIM_SIGNING_SECRET),
  };
}

function serverUrl(name, text) {
  const url = URL.canParse(text) ? new URL(text) : null;
  const bare = url && url.pathname === '/' && !url.search && !url.hash && !url.username && !url.password;
  if (!bare || !['http:', 'https:'].includes(url.protocol)) {
    throw new UsageError(`--${name} must be an http or https URL without path, query or credentials`);
  }
  return url;
}

function secretsOf(text = '') {
  const secrets = text.split(',').map((secret) => secret.trim());
  const short = secrets.findIndex((secret) => Buffer.byteLength(secret) < 32);
  if (short !== -1) throw new UsageError(`SIM_SIGNING_SECRET: secret ${short + 1} has fewer than 32 bytes`);
  return secrets;
}

module.exports = { GUARD_USAGE: USAGE, guardOptions };
