// Runs commands one after the other and prints the seconds of each step. Knows nothing of what the commands do.

import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The repository's top folder, with a trailing slash. */
export const root = fileURLToPath(new URL('..', import.meta.url));

/** A step that failed for a reason that the reader can act on: its message is printed without a stack. */
export class StepError extends Error {}

// The commands write into pipes, so they cannot see for themselves whether a terminal reads them. rustfmt asks TERM.
const COLOUR = process.stdout.isTTY
  ? { FORCE_COLOR: '1', CARGO_TERM_COLOR: 'always' }
  : { NO_COLOR: '1', TERM: 'dumb' };

/**
 * Runs a command from the top folder with no standard input and shows its output as it comes.
 *
 * @param {string} command
 * @param {string[]} args
 * @param {{env?: Record<string, string>, quiet?: boolean, timeoutMs?: number}} [options] `quiet` collects the output
 *   without showing it.
 * @returns {Promise<{code: number, output: string}>} `code` is 127 when there is no such command and 124 after a time-out.
 */
export function run(command, args, { env = {}, quiet = false, timeoutMs } = {}) {
  return new Promise((resolve) => {
    let output = '';
    const child = spawn(command, args, {
      cwd: root,
      env: { ...process.env, ...COLOUR, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: timeoutMs,
    });
    const collect = (stream, shown) => {
      stream.setEncoding('utf8');
      stream.on('data', (text) => {
        output += text;
        if (!quiet) shown.write(text);
      });
    };
    collect(child.stdout, process.stdout);
    collect(child.stderr, process.stderr);
    child.on('error', () => resolve({ code: 127, output }));
    child.on('close', (code) => resolve({ code: code ?? 124, output }));
  });
}

/** Like `run`, but an exit code other than 0 throws. */
export async function must(command, args, options) {
  const { code, output } = await run(command, args, options);
  if (code === 0) return output;
  if (options?.quiet) process.stderr.write(output);
  throw new StepError(`${[command, ...args].join(' ')} ended with exit code ${code}`);
}

/** Names a step, does it and prints its seconds, also when it fails. */
export async function step(name, work) {
  const started = performance.now();
  console.log(`\n--- ${name}`);
  let ended = 'failed';
  try {
    const result = await work();
    ended = 'done';
    return result;
  } finally {
    console.log(`--- ${name}: ${ended} in ${((performance.now() - started) / 1000).toFixed(1)} s`);
  }
}

/** Runs a script's main function; an error ends the process with exit code 1. */
export async function main(work) {
  try {
    await work();
  } catch (error) {
    console.error(error instanceof StepError ? `\n${error.message}` : error);
    process.exitCode = 1;
  }
}
