// `npm test`: from a fresh clone to the sum of all tests. Arguments go to vitest, and then only vitest runs:
// `npm test -- __test__/errors.test.mjs`.

import { existsSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';

import { hostTriple, prepare } from './prepare.mjs';
import { main, root, run, step } from './steps.mjs';
import { installPrograms } from './system.mjs';

const REPORT = path.join(root, '.build/vitest.json');

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

/** Adds the numbers of vitest's own report. A run that failed without a failed test counts as one. */
async function vitest(args) {
  rmSync(REPORT, { force: true });
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${REPORT}`];
  const { code } = await run('node_modules/.bin/vitest', ['run', ...reporters, ...args]);
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
}

function add({ passed, failed, skipped }) {
  sum.passed += passed;
  sum.failed += failed;
  sum.skipped += skipped;
}

main(async () => {
  const args = process.argv.slice(2);
  await prepare('ci');
  await installPrograms();
  if (args.length === 0) await step('cargo test', cargoTest);
  await step('vitest', () => vitest(args));
  if (sum.failed > 0 || sum.passed === 0) process.exitCode = 1;
  console.log(`\n${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`);
});
