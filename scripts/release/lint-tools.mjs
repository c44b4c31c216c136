// What the tests read YAML with: a parser, linters and schemas from PyPI, in the versions that lint-tools.txt pins. Gets
// them once, into .build/tools. Knows nothing of the files that are looked at.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';

import { root, StepError } from '../steps.mjs';

const PINNED = path.join(root, 'scripts/release/lint-tools.txt');
const VERSION = createHash('sha256').update(readFileSync(PINNED)).digest('hex').slice(0, 12);
const TOOLS = path.join(root, '.build/tools');
const FOLDER = path.join(TOOLS, `lint-${VERSION}`);

/** Python 3.11 or newer with these packages; the folder appears whole or not at all, also when two processes do this. */
function install() {
  if (existsSync(FOLDER)) return;
  mkdirSync(TOOLS, { recursive: true });
  const work = mkdtempSync(path.join(TOOLS, 'lint-'));
  const options = ['--quiet', '--no-deps', '--require-hashes', '--only-binary', ':all:', '--root-user-action=ignore'];
  const { status, stderr, error } = spawnSync(
    'python3',
    ['-m', 'pip', 'install', ...options, '--target', work, '-r', PINNED],
    { encoding: 'utf8' },
  );
  if (status !== 0) {
    rmSync(work, { recursive: true });
    throw new StepError(`The YAML tools need Python 3.11 or newer with pip: ${error?.message ?? stderr}`);
  }
  try {
    renameSync(work, FOLDER);
  } catch (cause) {
    rmSync(work, { recursive: true });
    if (!existsSync(FOLDER)) throw cause;
  }
}

function python(args, input) {
  install();
  const env = { ...process.env, PYTHONPATH: FOLDER, NO_COLOR: '1' };
  const { status, stdout, stderr } = spawnSync('python3', args, { cwd: root, env, input, encoding: 'utf8' });
  return { status, output: stdout + stderr, stdout };
}

// PyYAML reads YAML 1.1, where `on` is a truth value; GitHub and Docker read 1.2, where only true and false are.
const TO_JSON = `
import json, re, sys, yaml

class Loader(yaml.SafeLoader):
    pass

BOOL = 'tag:yaml.org,2002:bool'
Loader.yaml_implicit_resolvers = {
    first: [rule for rule in rules if rule[0] != BOOL] for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Loader.add_implicit_resolver(BOOL, re.compile('^(?:true|True|TRUE|false|False|FALSE)$'), list('tTfF'))
json.dump(list(yaml.load_all(sys.stdin, Loader)), sys.stdout, default=str)
`;

/** The documents of a YAML text. */
export function parseYaml(text) {
  const { status, output, stdout } = python(['-c', TO_JSON], text);
  if (status !== 0) throw new Error(`no YAML: ${output}`);
  return JSON.parse(stdout);
}

/** What yamllint finds in these files, as text; '' when nothing. */
export const yamllint = (config, files) => python(['-m', 'yamllint', '--strict', '-d', config, ...files]).output;

/** What zizmor finds in these workflows: `{status, output}`; status 0 when nothing. */
export function zizmor(files) {
  install();
  const options = ['--offline', '--persona=pedantic', '--no-progress', '--color=never', '--format=plain'];
  const program = path.join(FOLDER, 'bin/zizmor');
  const { status, stdout, stderr } = spawnSync(program, [...options, ...files], { cwd: root, encoding: 'utf8' });
  return { status, output: stdout + stderr };
}

/** A JSON schema by the name of its file: `compose-spec` or `github-workflows`. */
export function schema(name) {
  install();
  const file = path.join(FOLDER, 'check_jsonschema/builtin_schemas/vendor', `${name}.json`);
  return JSON.parse(readFileSync(file, 'utf8'));
}
