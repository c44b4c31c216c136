'use strict';

// The command line of `sim-adapter doctor`. Settings come from the environment, as the adapter itself reads them.

const { parseArgs } = require('node:util');

const { UsageError } = require('../bin/usage.js');

const USAGE = `Usage: sim-adapter doctor [--json] [--env FILE]

Checks an installation step by step, with the environment that the adapter reads: settings, the way to Sim, TLS, the
signature guard, clocks, key, API generation, workspace, the right to deploy, Redis. Nothing is changed in Sim.
Ends with 0 when nothing is wrong, with 1 when something is.

  --env FILE  reads settings from there too; what the environment has already wins
  --json      {"ok": …, "checks": [{"name", "status", "message", "fix"}]}
`;

// Not `--env-file`: Node 20 takes that for its own, wherever it stands.
const OPTIONS = { json: { type: 'boolean', default: false }, env: { type: 'string' } };

function doctorOptions(args) {
  try {
    const { values } = parseArgs({ args, options: OPTIONS, strict: true, allowPositionals: false });
    return { json: values.json, envFile: values.env };
  } catch (error) {
    throw new UsageError(error.message);
  }
}

function loadEnvFile(file) {
  if (process.loadEnvFile === undefined) throw new UsageError('--env needs Node 20.12 or newer');
  try {
    process.loadEnvFile(file);
  } catch (error) {
    throw new UsageError(`--env cannot be read: ${error.code ?? error.message}`);
  }
}

module.exports = { DOCTOR_USAGE: USAGE, doctorOptions, loadEnvFile };
