#!/usr/bin/env node
'use strict';

// The command line: one subcommand, `guard`. Reads arguments and signals; the work is in guard/.

const { USAGE, UsageError, guardOptions } = require('../guard/options.js');

async function main([command, ...args]) {
  if (command === undefined || command === '--help' || command === '-h' || args.includes('--help')) {
    process.stdout.write(USAGE);
    return;
  }
  if (command !== 'guard') throw new UsageError(`unknown command: ${command}`);
  const options = guardOptions(args, process.env);
  // Loaded late, so that usage can be shown on a machine without the addon.
  const { startGuard } = require('../guard/server.js');
  const guard = await startGuard(options);
  const stop = () => guard.close();
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
}

main(process.argv.slice(2)).catch((error) => {
  process.stderr.write(`sim-adapter: ${error.message}\n`);
  if (error instanceof UsageError) process.stderr.write(`\n${USAGE}`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
});
