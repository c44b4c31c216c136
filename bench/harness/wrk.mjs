// The load: wrk, one thread, told in Lua what to send. Installs it where it is missing. It must not know what the figures
// are compared with.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';

import { must, run, StepError } from '../../scripts/steps.mjs';
import { FOLDER } from './processes.mjs';

export async function installWrk() {
  // Without arguments wrk prints its usage and ends with 1; 127 is a program that is not there.
  if ((await run('wrk', [], { quiet: true })).code !== 127) return;
  await must('apt-get', ['update'], { quiet: true });
  await must('apt-get', ['install', '-y', '--no-install-recommends', 'wrk'], { quiet: true });
}

/** JSON of plain ASCII is a string of Lua too. */
const lua = (text) => JSON.stringify(text);

/** Writes the script for a request, sent by its users in turn; returns its path. */
export function writeScript(name, { path: target, body, tokens }) {
  const file = path.join(FOLDER, `${name}.lua`);
  const start = `POST ${target} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n`;
  const rest = `content-length: ${body.length}\r\n`;
  writeFileSync(
    file,
    `local body = ${lua(body)}
local requests = {}
for _, token in ipairs({ ${tokens.map(lua).join(', ')} }) do
  requests[#requests + 1] = ${lua(start)} .. 'authorization: Bearer ' .. token .. ${lua(`\r\n${rest}\r\n`)} .. body
end
function init()
  io.write('started\\n')
  io.flush()
end
local next = 0
function request()
  next = next % #requests + 1
  return requests[next]
end
function done(summary, latency)
  local errors = summary.errors
  local form = '\\n{"requests":%d,"us":%d,"bytes":%d,"broken":%d,"refused":%d,"p50":%d,"p99":%d}\\n'
  local broken = errors.connect + errors.read + errors.write + errors.timeout
  io.write(form:format(summary.requests, summary.duration, summary.bytes, broken, errors.status,
    latency:percentile(50), latency:percentile(99)))
end
`,
  );
  return file;
}

/** wrk counts whole seconds only, so it is told to run for long and stopped by signal, upon which it reports. */
const LONG = '600s';
/** A signal that comes just before wrk falls asleep does not wake it: it is repeated. */
const AGAIN_MS = 200;

/**
 * Sends requests for `ms` milliseconds.
 * @returns {Promise<{ requests: number, us: number, bytes: number, broken: number, refused: number, p50: number,
 *   p99: number }>} times in µs
 */
export async function load(url, script, connections, ms) {
  const wrk = spawn('wrk', ['-t', '1', '-c', `${connections}`, '-d', LONG, '--timeout', '30s', '-s', script, url]);
  let output = '';
  wrk.stdout.setEncoding('utf8').on('data', (text) => {
    output += text;
  });
  const ended = once(wrk, 'close');
  await Promise.race([once(wrk.stdout, 'data'), ended]);
  await Promise.race([setTimeout(ms), ended]);
  const stop = setInterval(() => wrk.kill('SIGINT'), AGAIN_MS);
  wrk.kill('SIGINT');
  await ended;
  clearInterval(stop);
  const line = output.split('\n').find((text) => text.startsWith('{'));
  if (line === undefined) throw new StepError(`wrk gave no figures:\n${output}`);
  return JSON.parse(line);
}
