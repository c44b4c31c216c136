// The weekly merge of the fork kit: the shell lines of upstream.yml, run as GitHub's runner would, between two bare
// repositories on this disk, and a `gh` that knows pull requests by their head and state. What GitHub's does is for GitHub to show.

import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, expect, test } from 'vitest';

import { parseYaml } from '../../scripts/release/lint-tools.mjs';
import { addKit, FILES, MANIFEST, METADATA, write } from './sim-tree.mjs';
import { emptyFolder, root, run } from './support.mjs';

/** How GitHub's runner starts each shell on Linux; undefined is a step that names none. */
const SHELLS = { bash: ['--noprofile', '--norc', '-eo', 'pipefail'], undefined: ['-e'] };
const LINES = Array.from({ length: 20 }, (_, index) => `line ${index}\n`);
const readmeWith = (index, text) => LINES.with(index, `${text}\n`).join('');

let steps;
beforeAll(() => {
  const [workflow] = parseYaml(readFileSync(path.join(root, 'deploy/fork/upstream.yml'), 'utf8'));
  const find = (what) => workflow.jobs.sync.steps.find(what);
  steps = { merge: find(({ id }) => id === 'merge'), pull: find(({ name }) => name === 'Pull request') };
});

function git(tree, ...args) {
  const author = ['-c', 'user.name=somebody', '-c', 'user.email=somebody@example.com'];
  const { status, stdout, stderr } = run('git', [...author, ...args], { cwd: tree });
  expect({ args, status, stderr: status === 0 ? '' : stderr }).toEqual({ args, status: 0, stderr: '' });
  return stdout.trim();
}

function commit(tree, files, ...tags) {
  write(tree, files);
  git(tree, 'add', '--all');
  git(tree, 'commit', '--quiet', '--allow-empty', '--message', tags[0] ?? 'change');
  for (const tag of tags) git(tree, 'tag', tag);
}

/** Sim at v0.8.9, and a checkout of a branded fork that began there, with changes of its own. */
function start({ own = {}, brand } = {}) {
  const [sim, upstream, origin] = [emptyFolder(), emptyFolder(), emptyFolder()];
  git(sim, 'init', '--quiet', '--initial-branch=main');
  commit(sim, { ...FILES, 'README.md': LINES.join('') }, 'v0.8.9');
  git(upstream, 'clone', '--quiet', '--bare', sim, '.');
  git(origin, 'clone', '--quiet', '--bare', sim, '.');

  const fork = emptyFolder();
  git(fork, 'clone', '--quiet', origin, '.');
  addKit(fork);
  expect(run(process.execPath, ['branding/brand.mjs', '--strict'], { cwd: fork }).status).toBe(0);
  commit(fork, {});
  if (brand) addKit(fork, { brand });
  commit(fork, own);
  git(fork, 'push', '--quiet', 'origin', 'main');

  /** Sim's next releases. */
  const release = (files, ...tags) => {
    commit(sim, files, ...tags);
    git(sim, 'push', '--quiet', '--tags', upstream, 'main');
  };
  return { sim, upstream, fork, release };
}

/** The first step in that checkout: its exit code, what it said to later steps and to people. */
function merge({ fork, upstream }, runner = emptyFolder()) {
  const env = {
    UPSTREAM: upstream,
    RUNNER_TEMP: runner,
    GITHUB_OUTPUT: path.join(runner, 'output'),
    GITHUB_STEP_SUMMARY: path.join(runner, 'summary'),
  };
  for (const name of ['output', 'summary']) writeFileSync(path.join(runner, name), '');
  const told = shell(steps.merge, fork, env);
  const read = (name) => readFileSync(path.join(runner, name), 'utf8');
  return { ...told, output: read('output'), summary: read('summary'), log: () => read('branding.log') };
}

function shell(step, fork, env) {
  const script = path.join(emptyFolder(), 'step.sh');
  writeFileSync(script, step.run);
  return run('bash', [...SHELLS[step.shell], script], { cwd: fork, env });
}

// One line for each pull request: its state. `create` fails while there is a file `refused`.
const GH = `#!/bin/sh
cd "$PULLS"
case "$1 $2" in
  'auth setup-git') ;;
  'pr list')
    case "$*" in *'--head upstream-v0.9.0 '*) ;; *) exit 1 ;; esac
    case "$*" in *'--state all '*) cat pulls ;; *) grep open pulls || : ;; esac ;;
  'pr create')
    test ! -e refused || exit 1
    while [ $# -gt 1 ]; do
      if [ "$1" = --body-file ]; then cat "$2" > body; fi
      shift
    done
    echo open >> pulls ;;
  *) exit 1 ;;
esac
`;

/** GitHub's pull requests: their states, the body of the last one, and whether new ones are refused. */
function github(...states) {
  const folder = emptyFolder();
  const file = (name) => path.join(folder, name);
  writeFileSync(file('gh'), GH, { mode: 0o755 });
  writeFileSync(file('pulls'), states.map((state) => `${state}\n`).join(''));
  return {
    folder,
    refuse: () => writeFileSync(file('refused'), ''),
    allow: () => rmSync(file('refused')),
    states: () => readFileSync(file('pulls'), 'utf8').trim().split('\n').filter(Boolean),
    body: () => readFileSync(file('body'), 'utf8'),
  };
}

/** Both steps, as the runner would do them in a fresh checkout of main; answers the exit code of the last one. */
function week(all, hub) {
  git(all.fork, 'switch', '--quiet', 'main');
  git(all.fork, 'branch', '--list', 'upstream-*', '--format=%(refname:short)')
    .split('\n')
    .filter(Boolean)
    .forEach((name) => {
      git(all.fork, 'branch', '--quiet', '-D', name);
    });
  git(all.fork, 'fetch', '--quiet', '--prune', 'origin');
  const runner = emptyFolder();
  const { status, output } = merge(all, runner);
  const [, tag] = /^tag=(.+)$/m.exec(output) ?? [];
  if (status !== 0 || tag === undefined) return status;
  const env = { PATH: `${hub.folder}:${process.env.PATH}`, PULLS: hub.folder, RUNNER_TEMP: runner, TAG: tag };
  return shell(steps.pull, all.fork, env).status;
}

const pushed = ({ fork }) => git(fork, 'ls-remote', 'origin', 'refs/heads/upstream-v0.9.0').split('\t')[0];

const read = ({ fork }, file) => readFileSync(path.join(fork, file), 'utf8');
const branch = ({ fork }) => git(fork, 'branch', '--show-current');
const isClean = ({ fork }) => git(fork, 'status', '--porcelain') === '';

test('with the newest release merged already there is nothing to do', () => {
  const all = start();
  all.release({}, 'v0.9.0-rc.1', 'nightly');
  const { status, output, summary } = merge(all);
  expect({ status, output, summary }).toEqual({ status: 0, output: '', summary: 'Already at v0.8.9.\n' });
  expect(branch(all)).toBe('main');
});

test('the newest release is merged on a branch of its own, and what it brings is branded', () => {
  const all = start({ own: { 'README.md': readmeWith(0, 'ours') } });
  all.release({ 'README.md': readmeWith(19, 'old') }, 'v0.9.0');
  const manifest = FILES[MANIFEST].replace('return {', "return {\n    id: '/',");
  all.release({ 'README.md': readmeWith(19, 'theirs'), [MANIFEST]: manifest }, 'v0.10.0');
  const { status, stderr, output, log } = merge(all);
  expect({ status, stderr, output }).toEqual({ status: 0, stderr: expect.any(String), output: 'tag=v0.10.0\n' });
  expect(branch(all)).toBe('upstream-v0.10.0');
  expect(isClean(all)).toBe(true);
  expect(read(all, 'README.md')).toBe(LINES.with(0, 'ours\n').with(19, 'theirs\n').join(''));
  expect(read(all, MANIFEST)).toContain("id: '/'");
  expect(read(all, MANIFEST)).toContain("'Flows for everybody at Example'");
  expect(log()).toMatch(/ missed, 0 skipped$/m);
  expect(git(all.fork, 'merge-base', '--is-ancestor', 'v0.8.9', 'HEAD')).toBe('');
});

test("a branded text that Sim changed is Sim's new place with our text; other branded files keep changes of our own", () => {
  const all = start({ own: {} });
  const ours = `// ours\n${read(all, METADATA)}`;
  commit(all.fork, { [METADATA]: ours });
  all.release({ [MANIFEST]: FILES[MANIFEST].replace("'What Sim is.'", "'What Sim has become.'") }, 'v0.9.0');
  const { status, output } = merge(all);
  expect({ status, output }).toEqual({ status: 0, output: 'tag=v0.9.0\n' });
  expect(isClean(all)).toBe(true);
  expect(read(all, MANIFEST)).toBe(FILES[MANIFEST].replace("'What Sim is.'", "'Flows for everybody at Example'"));
  expect(read(all, METADATA)).toBe(ours);
  expect(git(all.fork, 'rev-list', '--parents', '--merges', 'main..HEAD').split(' ')).toHaveLength(3);
});

test('a branch of an earlier run is left alone, with whatever people did on it', () => {
  const all = start();
  all.release({ 'README.md': readmeWith(19, 'theirs') }, 'v0.9.0');
  git(all.fork, 'push', '--quiet', 'origin', 'main:upstream-v0.9.0');
  const { status, summary } = merge(all);
  expect(status).toBe(0);
  expect(summary).toContain('upstream-v0.9.0 is there already');
  expect(branch(all)).toBe('main');
});

test('the branch is pushed, and a pull request shows what the branding did; the next week does no more', () => {
  const all = start();
  const hub = github();
  all.release({ 'README.md': readmeWith(19, 'theirs') }, 'v0.9.0');
  expect(week(all, hub)).toBe(0);
  expect(hub.states()).toEqual(['open']);
  expect(hub.body()).toMatch(/ missed, 0 skipped$/m);
  const before = pushed(all);
  expect(before).toMatch(/^[0-9a-f]{40}$/);
  expect(week(all, hub)).toBe(0);
  expect([hub.states(), pushed(all)]).toEqual([['open'], before]);
});

test('where the pull request was refused after the push, a later week opens it and leaves the branch alone', () => {
  const all = start();
  const hub = github();
  hub.refuse();
  all.release({ 'README.md': readmeWith(19, 'theirs') }, 'v0.9.0');
  expect(week(all, hub)).not.toBe(0);
  const before = pushed(all);
  expect([hub.states(), before]).toEqual([[], expect.stringMatching(/^[0-9a-f]{40}$/)]);
  expect(week(all, hub)).not.toBe(0);
  hub.allow();
  expect(week(all, hub)).toBe(0);
  expect([hub.states(), pushed(all)]).toEqual([['open'], before]);
});

test('a pull request that people closed is not opened again, unless they delete the branch too', () => {
  const all = start();
  const hub = github('closed');
  all.release({ 'README.md': readmeWith(19, 'theirs') }, 'v0.9.0');
  git(all.fork, 'push', '--quiet', 'origin', 'main:upstream-v0.9.0');
  expect(week(all, hub)).toBe(0);
  expect(hub.states()).toEqual(['closed']);
  git(all.fork, 'push', '--quiet', 'origin', ':upstream-v0.9.0');
  expect(week(all, hub)).toBe(0);
  expect(hub.states()).toEqual(['closed', 'open']);
});

test('a branded file that Sim took away is gone', () => {
  const all = start();
  rmSync(path.join(all.sim, MANIFEST));
  all.release({}, 'v0.9.0');
  const { status, log } = merge(all);
  expect(status).toBe(0);
  expect(() => read(all, MANIFEST)).toThrow(/ENOENT/);
  expect(log()).toContain(`missed  ${MANIFEST}`);
});

test('a conflict that is no branding ends the run, and says so', () => {
  const all = start({ own: { 'README.md': readmeWith(3, 'ours') } });
  const manifest = FILES[MANIFEST].replace("'What Sim is.'", "'What Sim has become.'");
  all.release({ 'README.md': readmeWith(3, 'theirs'), [MANIFEST]: manifest }, 'v0.9.0');
  const { status, output, summary } = merge(all);
  expect({ status, output }).toEqual({ status: 1, output: '' });
  expect(summary).toContain('Sim v0.9.0 conflicts with changes of this fork that are no branding');
});

test('when the branding fails, so does the run, and the log says why', () => {
  const all = start({ brand: { name: undefined } });
  all.release({ 'README.md': readmeWith(19, 'theirs') }, 'v0.9.0');
  const { status, output, log } = merge(all);
  expect({ failed: status !== 0, output }).toEqual({ failed: true, output: '' });
  expect(log()).toContain('name: is missing');
});

test('when Sim cannot be reached, the run fails', () => {
  const all = start();
  const away = path.join(emptyFolder(), 'nowhere');
  mkdirSync(away);
  const { status, output } = merge({ ...all, upstream: away });
  expect({ failed: status !== 0, output }).toEqual({ failed: true, output: '' });
});
