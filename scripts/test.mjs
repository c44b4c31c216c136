// `npm test`: from a fresh clone to the sum of all tests. What took longest and passed is not run again until something
// changes; `npm test -- --all` runs it all the same. Other arguments go to vitest, and then only vitest runs:
// `npm test -- __test__/errors.test.mjs`.

import { existsSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';

import { buildEnds } from '../bench/harness/processes.mjs';
import { packageProgram } from './npm.mjs';
import { hostTriple, prepare, rustVersion } from './prepare.mjs';
import { Memory, sumOfInputs } from './remember.mjs';
import { main, root, run, step } from './steps.mjs';
import { installPrograms, programs } from './system.mjs';

const REPORT = path.join(root, '.build/vitest.json');
const memory = new Memory(path.join(root, '.build/passed.json'));

const sum = { passed: 0, failed: 0, skipped: 0 };

/** Adds cargo's `test result:` lines. A run that failed without a failed test (it did not compile) counts as one. */
async function cargoTest() {
  const { code, output } = await run('cargo', ['test', '--locked', '--profile', 'ci', '--target', await hostTriple()]);
  const results = [...output.matchAll(/^test result: .*?(\d+) passed; (\d+) failed; (\d+) ignored;/gm)];
  const [passed, failed, skipped] = [1, 2, 3].map((group) =>
    results.reduce((all, result) => all + Number(result[group]), 0),
  );
  add({ passed, failed: code === 0 ? 0 : Math.max(failed, 1), skipped });
}

/** Adds the numbers of vitest's own report, and answers it. A run that failed without a failed test counts as one. */
async function vitest(args) {
  rmSync(REPORT, { force: true });
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${REPORT}`];
  const { code } = await run(process.execPath, [packageProgram('vitest'), 'run', ...reporters, ...args]);
  const report = existsSync(REPORT) ? JSON.parse(readFileSync(REPORT, 'utf8')) : {};
  const { numPassedTests = 0, numFailedTests = 0, numPendingTests = 0, numTodoTests = 0, testResults = [] } = report;
  // A file that fails before its first test has no failed test; it counts as one.
  const failedFiles = testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && assertionResults.every((test) => test.status !== 'failed'),
  );
  add({
    passed: numPassedTests,
    failed: code === 0 ? 0 : Math.max(numFailedTests + failedFiles.length, 1),
    skipped: numPendingTests + numTodoTests,
  });
  return report;
}

/** All of vitest's files but those that need not run again; answers how many tests those have. */
async function vitestChanged(all) {
  const inputs = async () =>
    process.env.CI ? undefined : sumOfInputs(root, { tools: [await rustVersion(), ...programs()] });
  const before = await inputs();
  const recalled = all ? [] : memory.recall(before);
  const count = recalled.reduce((sum, { tests }) => sum + tests, 0);
  await step('vitest', async () => {
    for (const { name, tests } of recalled) console.log(`${name}: unchanged since its ${tests} tests passed`);
    const report = await vitest(recalled.map(({ name }) => `--exclude=${name}`));
    memory.keep({ before, after: await inputs() }, recalled, report, root);
  });
  if (count > 0) {
    const files = `${count} tests in ${recalled.length} files`;
    console.log(
      `\nNot run and not counted below: ${files}, unchanged since they passed. \`npm test -- --all\` runs them again.`,
    );
  }
}

function add({ passed, failed, skipped }) {
  sum.passed += passed;
  sum.failed += failed;
  sum.skipped += skipped;
}

main(async () => {
  const [all, args] = [process.argv.includes('--all'), process.argv.slice(2).filter((arg) => arg !== '--all')];
  await prepare('ci');
  await installPrograms();
  // A test starts them: built here, since a compiler takes longer than a test may, and would slow the tests beside it. Where they cannot
  // be built, that test says so.
  await step('build bench/ends', () => buildEnds().catch(({ message }) => console.error(message)));
  if (args.length > 0) {
    await step('vitest', () => vitest(args));
  } else {
    await step('cargo test', cargoTest);
    await vitestChanged(all);
  }
  if (sum.failed > 0 || sum.passed === 0) process.exitCode = 1;
  console.log(`\n${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`);
});
