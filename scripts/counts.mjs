// `npm run counts`: how many instructions each part of a request's way takes (bench/micro.rs), counted by valgrind and held
// against bench/counts.json. Unlike times, they do not depend on what else the machine does.
//
//   --write   makes the present counts those to be held against

import { readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { plain } from '../bench/harness/report.mjs';
import { hostTriple, rustVersion } from './prepare.mjs';
import { main, must, root, StepError, step } from './steps.mjs';
import { installPrograms } from './system.mjs';

const BASELINE = path.join(root, 'bench/counts.json');

/** What is counted is the difference: the program's start, and what is done for the first time, are in both. */
const TIMES = [100, 1100];

/** How many times as many instructions pass. Hash maps and addresses differ from run to run by less than one in a hundred. */
const TOLERANCE = 1.05;
/** Another compiler makes other code. Twice the work is found all the same. */
const TOLERANCE_ELSEWHERE = 1.5;

async function build() {
  const options = ['--locked', '--profile', 'count', '--bench', 'micro', '--target', await hostTriple()];
  const output = await must('cargo', ['build', ...options, '--message-format=json-render-diagnostics'], {
    quiet: true,
  });
  const artifacts = output.split('\n').filter((line) => line.startsWith('{"reason":"compiler-artifact"'));
  return artifacts.map((line) => JSON.parse(line).executable).findLast(Boolean);
}

async function instructions(program, name, times) {
  const valgrind = ['--tool=callgrind', '--callgrind-out-file=/dev/null'];
  const output = await must('valgrind', [...valgrind, program, '--count', name, String(times)], { quiet: true });
  return collected(output);
}

/** What callgrind says at its end that it counted. */
export function collected(output) {
  const [, total] = /Collected : (\d+)/.exec(output) ?? [];
  if (total === undefined) throw new StepError(`valgrind named no count of instructions ("Collected : …"):\n${output}`);
  return Number(total);
}

async function count(program) {
  const names = (await must(program, ['--names'], { quiet: true })).trim().split('\n');
  const left = names.flatMap((name) => TIMES.map((times) => ({ name, times })));
  const totals = {};
  const worker = async () => {
    for (let one = left.pop(); one !== undefined; one = left.pop()) {
      totals[`${one.name} ${one.times}`] = await instructions(program, one.name, one.times);
    }
  };
  await Promise.all(Array.from({ length: os.availableParallelism() }, worker));
  const [few, many] = TIMES;
  return Object.fromEntries(
    names.map((name) => [name, Math.round((totals[`${name} ${many}`] - totals[`${name} ${few}`]) / (many - few))]),
  );
}

/**
 * @typedef {{ rustc: string, target: string, counts: Record<string, number> }} Counts
 * @param {Counts} before @param {Counts} now
 * @returns {{ rows: string[][], faults: string[], hints: string[] }}
 */
export function compare(before, now) {
  const same = before.rustc === now.rustc && before.target === now.target;
  const tolerance = same ? TOLERANCE : TOLERANCE_ELSEWHERE;
  const rows = [['', 'instructions', 'before', 'ratio']];
  const faults = [];
  const hints = [];
  for (const name of new Set([...Object.keys(before.counts), ...Object.keys(now.counts)])) {
    const [was, is] = [before.counts[name], now.counts[name]];
    if (was === undefined || is === undefined) {
      faults.push(`${name} is ${was === undefined ? 'new' : 'gone'}: write the counts anew`);
      continue;
    }
    rows.push([name, String(is), String(was), (is / was).toFixed(3)]);
    if (is > was * tolerance) faults.push(`${name} takes ${is} instructions, was ${was}`);
    if (same && is * tolerance < was) hints.push(`${name} takes ${is} instructions, was ${was}: write the counts anew`);
  }
  if (!same) {
    hints.push(
      `Counted with rustc ${before.rustc} for ${before.target}; this is ${now.rustc} for ${now.target}. Up to ` +
        `${tolerance} times as many pass here. Where this compiler is to stay: see that nothing else changed, then write the counts anew.`,
    );
  }
  return { rows, faults, hints };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  main(async () => {
    const { values } = parseArgs({ options: { write: { type: 'boolean' } } });
    await installPrograms({ valgrind: 'valgrind' });
    const program = await step('build bench/micro.rs', build);
    const counts = await step('count', () => count(program));
    const now = { rustc: /^release: (.+)$/m.exec(await rustVersion())[1], target: await hostTriple(), counts };
    if (values.write) {
      writeFileSync(BASELINE, `${JSON.stringify(now, null, 2)}\n`);
      return;
    }
    const { rows, faults, hints } = compare(JSON.parse(readFileSync(BASELINE, 'utf8')), now);
    console.log(`\n${plain(rows)}\n`);
    for (const hint of hints) console.log(hint);
    if (faults.length > 0) {
      throw new StepError(
        `${faults.join('\n')}\nWhere that is meant: npm run counts -- --write, and commit bench/counts.json.`,
      );
    }
  });
}
