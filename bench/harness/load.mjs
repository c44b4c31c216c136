// The load: what to send, and the program that sends it. It must not know what the figures are compared with.

import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import path from 'node:path';
import { finished } from 'node:stream/promises';

import { StepError } from '../../scripts/steps.mjs';
import { FOLDER, program } from './processes.mjs';

/** Writes the requests of a scenario, one for each of its users, to a file; returns its path. */
export async function writeRequests(name, { path: target, body, tokens }) {
  const file = path.join(FOLDER, `${name}.requests`);
  const stream = createWriteStream(file);
  for (const token of tokens) {
    const head = `POST ${target} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n`;
    const request = `${head}authorization: Bearer ${token}\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    stream.write(`${request.length}\n${request}`);
  }
  await finished(stream.end());
  return file;
}

/**
 * Sends requests for `ms` milliseconds.
 * @returns {Promise<{ requests: number, us: number, bytes: number, broken: number, refused: number, p50: number,
 *   p99: number }>} times in µs
 */
export async function load(url, requests, connections, ms) {
  const child = spawn(await program('load'), [new URL(url).port, `${connections}`, `${ms}`, requests]);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
  }
  const code = await new Promise((resolve, reject) => child.on('error', reject).on('close', resolve));
  if (code !== 0) throw new StepError(`the load ended with exit code ${code}:\n${output}`);
  return JSON.parse(output);
}
