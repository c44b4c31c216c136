#!/usr/bin/env node
'use strict';

// The command line: `guard` and `doctor`. Reads arguments and signals; the work is in the folders of those names.

const { DOCTOR_USAGE, doctorOptions, loadEnvFile } = require('../doctor/options.js');
const { GUARD_USAGE, guardOptions } = require('../guard/options.js');
const { UsageError } = require('./usage.js');

// What does the work is loaded late, so that usage can be shown on a machine without the addon.
const COMMANDS = {
  guard: { usage: GUARD_USAGE, run: runGuard },
  doctor: { usage: DOCTOR_USAGE, run: runDoctor },
};

async function runGuard(args) {
  const options = guardOptions(args, process.env);
  const { startGuard } = require('../guard/server.js');
  const running = await startGuard(options);
  const stop = () => running.close();
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
}

async function runDoctor(args) {
  const { json, envFile } = doctorOptions(args);
  if (envFile !== undefined) loadEnvFile(envFile);
  const { doctor } = require('../doctor/doctor.js');
  const isFine = await doctor({ json }, process.env, (text) => process.stdout.write(text));
  if (!isFine) process.exitCode = 1;
}

/** The usage of one command, or of all. */
const usage = (command) =>
  command?.usage ??
  Object.values(COMMANDS)
    .map((each) => each.usage)
    .join('\n');

async function main([name, ...args]) {
  const command = Object.hasOwn(COMMANDS, name ?? '') ? COMMANDS[name] : undefined;
  if (name === undefined || name === '--help' || name === '-h' || args.includes('--help')) {
    process.stdout.write(usage(command));
    return;
  }
  try {
    if (command === undefined) throw new UsageError(`unknown command: ${name}`);
    await command.run(args);
  } catch (error) {
    process.stderr.write(`sim-adapter: ${error.message}\n`);
    if (error instanceof UsageError) process.stderr.write(`\n${usage(command)}`);
    process.exitCode = error instanceof UsageError ? 2 : 1;
  }
}

main(process.argv.slice(2));
