// Which test files need not run again: those that took long, passed, and whose every input is still the same. An input is
// whatever a result can come from: each file that git knows or would add, what is installed and built, the tools and the
// environment. It errs on the side of running: any change at all forgets everything, and in CI nothing is remembered.

import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import { run } from './steps.mjs';

/** What always runs: the quickest files, as many as took this share of all the time. A share, so that load does not matter. */
const ALWAYS = 0.08;

/** The environment variables that a test or a tool can hear of. */
const HEARD = /^(SIM_|NODE_|CARGO|RUST|TZ$|LANG$|LC_|PATH$|HTTPS?_PROXY$|ALL_PROXY$|NO_PROXY$)/i;

/**
 * The sum of all inputs; `undefined` where git cannot say what they are.
 *
 * @param {string} folder the checkout's top folder
 * @param {{tools?: string[], env?: Record<string, string>}} [options] `tools` are versions, or paths of programs
 */
export async function sumOfInputs(folder, { tools = [], env = process.env } = {}) {
  const listed = await run('git', ['-C', folder, 'ls-files', '-co', '--exclude-standard', '-z'], { quiet: true });
  if (listed.code !== 0) return undefined;
  const known = listed.output.split('\0').filter(Boolean);
  const built = readdirSync(folder).filter((name) => name.endsWith('.node'));
  const beside = below(path.join(folder, '../shared')).map((name) => path.join('../shared', name));
  const names = new Set([...known, ...built, 'node_modules/.package-lock.json', ...beside]);

  const sum = createHash('sha256');
  const add = (...parts) => sum.update(`${JSON.stringify(parts)}\n`);
  for (const name of [...names].sort()) add(name, ...file(path.join(folder, name)));
  add(process.version, process.platform, process.arch, os.release());
  for (const tool of tools) add(tool, ...(path.isAbsolute(tool) ? stamp(tool) : []));
  for (const name of Object.keys(env)
    .filter((name) => HEARD.test(name))
    .sort())
    add(name, env[name]);
  return sum.digest('hex');
}

function below(folder) {
  if (!existsSync(folder)) return [];
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return entries.map((entry) => path.relative(folder, path.join(entry.parentPath ?? entry.path, entry.name)));
}

/** Whether it can be executed, and its content's sum. Git still lists a file that was deleted. */
function file(name) {
  const found = statSync(name, { throwIfNoEntry: false });
  if (!found?.isFile()) return [];
  return [found.mode & 0o111, createHash('sha256').update(readFileSync(name)).digest('hex')];
}

/** A program is too large to read; a new one has another size or time. */
function stamp(name) {
  const { size, mtimeMs } = statSync(name);
  return [realpathSync(name), size, mtimeMs];
}

/** What one checkout remembers, in one file. */
export class Memory {
  #record;

  /** @param {string} record the path of the file */
  constructor(record) {
    this.#record = record;
  }

  /**
   * The files that need not run, with what they were: `[{name, tests, ms, passed}]`.
   *
   * @param {string | undefined} inputs as `sumOfInputs` gave them
   */
  recall(inputs) {
    if (inputs === undefined || !existsSync(this.#record)) return [];
    const record = JSON.parse(readFileSync(this.#record, 'utf8'));
    return record.inputs === inputs ? record.files : [];
  }

  /**
   * Keeps the longest of what passed as a whole, in this run of vitest's or in the one that was recalled.
   *
   * @param {{before?: string, after?: string}} inputs of the run; where they differ nothing is kept
   */
  keep({ before, after }, recalled, { testResults = [] }, folder) {
    rmSync(this.#record, { force: true });
    if (before === undefined || before !== after) return;
    const now = testResults.map(({ name, status, startTime, endTime, assertionResults: all }) => ({
      name: path.relative(folder, name),
      tests: all.length,
      ms: Math.round(endTime - startTime),
      passed: status === 'passed' && all.length > 0 && all.every((one) => one.status === 'passed'),
    }));
    const quickestFirst = [...recalled, ...now].sort((a, b) => a.ms - b.ms);
    let left = ALWAYS * quickestFirst.reduce((sum, { ms }) => sum + ms, 0);
    const files = quickestFirst.filter(({ ms, passed }) => {
      left -= ms;
      return left < 0 && passed;
    });
    mkdirSync(path.dirname(this.#record), { recursive: true });
    writeFileSync(this.#record, JSON.stringify({ inputs: before, files }));
  }
}
