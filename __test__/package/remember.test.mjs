// `npm test` leaves out only what it may: whatever could change a result makes it run again.

import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { Memory, sumOfInputs } from '../../scripts/remember.mjs';

let outer;
let folder;

beforeEach(() => {
  outer = mkdtempSync(path.join(os.tmpdir(), 'remember-'));
  folder = path.join(outer, 'checkout');
  write('.gitignore', 'node_modules\n*.node\n.build\n');
  for (const name of [
    'a.js',
    'b.js',
    'addon.node',
    'node_modules/.package-lock.json',
    '../shared/facts.json',
    '../tool',
  ]) {
    write(name, 'as it was');
  }
  execFileSync('git', ['init', '-q'], { cwd: folder });
  execFileSync('git', ['add', '.gitignore', 'a.js', 'b.js'], { cwd: folder });
});

afterEach(() => rmSync(outer, { recursive: true }));

function write(name, text) {
  const file = path.join(folder, name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text);
}

const sum = (env = { PATH: '/bin' }) => sumOfInputs(folder, { tools: ['rustc 1.95.0', path.join(outer, 'tool')], env });

describe('the inputs are others when', () => {
  it.each([
    ['a tracked file changes', () => write('a.js', 'otherwise')],
    ['a tracked file is deleted', () => rmSync(path.join(folder, 'b.js'))],
    ['a file may be executed', () => chmodSync(path.join(folder, 'a.js'), 0o755)],
    ['a file is added', () => write('c.js', '')],
    ['two files change places', () => [write('a.js', ''), write('b.js', 'as it wasas it was')]],
    ['the addon is built anew', () => write('addon.node', 'another')],
    ['other packages are installed', () => write('node_modules/.package-lock.json', '{}')],
    ['a shared document changes', () => write('../shared/facts.json', '{}')],
    ['a tool is another', () => write('../tool', 'another one')],
  ])('%s', async (_what, change) => {
    const before = await sum();
    expect(await sum()).toBe(before);
    change();
    expect(await sum()).not.toBe(before);
  });

  it('a tool says another version, or a variable says something else', async () => {
    const before = await sum();
    expect(await sum({ PATH: '/bin', SIM_BASE_URL: 'http://localhost' })).not.toBe(before);
    expect(await sum({ PATH: '/usr/bin' })).not.toBe(before);
    expect(await sumOfInputs(folder, { tools: ['rustc 1.96.0'], env: {} })).not.toBe(
      await sumOfInputs(folder, { tools: ['rustc 1.95.0'], env: {} }),
    );
  });
});

it('the inputs are the same when something changes that git ignores and no test reads', async () => {
  const before = await sum();
  write('.build/report.json', 'new');
  expect(await sum({ PATH: '/bin', SHLVL: '7' })).toBe(before);
});

it('without git nothing is known', async () => {
  rmSync(path.join(folder, '.git'), { recursive: true });
  expect(await sumOfInputs(folder)).toBeUndefined();
});

describe('what is remembered', () => {
  const passed = { status: 'passed' };
  const result = (name, more) => ({
    name: path.join(folder, name),
    status: 'passed',
    startTime: 0,
    endTime: 5000,
    assertionResults: [passed, passed],
    ...more,
  });
  const remembered = () => new Memory(path.join(folder, '.build/passed.json'));
  const keep = (inputs, testResults, recalled = []) => remembered().keep(inputs, recalled, { testResults }, folder);
  const same = { before: 'x', after: 'x' };
  const long = { name: 'long.test.mjs', tests: 2, ms: 5000, passed: true };

  it('took longest and passed as a whole', () => {
    keep(same, [
      result('long.test.mjs'),
      result('short.test.mjs', { endTime: 100 }),
      result('failed.test.mjs', { status: 'failed', assertionResults: [passed, { status: 'failed' }] }),
      result('skipped.test.mjs', { assertionResults: [passed, { status: 'pending' }] }),
      result('empty.test.mjs', { assertionResults: [] }),
    ]);
    expect(remembered().recall('x')).toEqual([long]);
  });

  it('stays until the inputs change, and is then forgotten for good', () => {
    keep(same, [result('long.test.mjs')]);
    expect(remembered().recall('y')).toEqual([]);
    expect(remembered().recall(undefined)).toEqual([]);
    keep(same, [result('other.test.mjs')], remembered().recall('x'));
    expect(remembered().recall('x')).toEqual([long, { ...long, name: 'other.test.mjs' }]);
    keep({ before: 'y', after: 'y' }, []);
    expect(remembered().recall('x')).toEqual([]);
  });

  it('is nothing of a run during which something changed, or of which the inputs are not known', () => {
    for (const inputs of [{ before: 'x', after: 'y' }, {}]) {
      keep(same, [result('long.test.mjs')]);
      keep(inputs, [result('long.test.mjs')]);
      expect(remembered().recall('x')).toEqual([]);
    }
  });
});
