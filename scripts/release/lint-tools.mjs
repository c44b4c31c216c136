// What the tests read YAML with: a parser, linters and schemas from PyPI, in the versions that lint-tools.txt and
// kubernetes-schemas.txt pin. Gets them once, into .build/tools. Knows nothing of the files that are looked at.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';

import { root } from '../steps.mjs';
import { pipInstall } from './pip.mjs';

const install = () => pipInstall('lint-tools');

function python(args, input) {
  const env = { ...process.env, PYTHONPATH: install(), NO_COLOR: '1' };
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
  const options = ['--offline', '--persona=pedantic', '--no-progress', '--color=never', '--format=plain'];
  const program = path.join(install(), 'bin/zizmor');
  const { status, stdout, stderr } = spawnSync(program, [...options, ...files], { cwd: root, encoding: 'utf8' });
  return { status, output: stdout + stderr };
}

/** A JSON schema by the name of its file: `compose-spec` or `github-workflows`. */
export function schema(name) {
  const file = path.join(install(), 'check_jsonschema/builtin_schemas/vendor', `${name}.json`);
  return JSON.parse(readFileSync(file, 'utf8'));
}

/**
 * Kubernetes' schemas of one version, which refuse what it does not know: `{definitions, schema(name)}`, a name such as
 * `deployment-apps-v1` for an object or a part of one. They point to `_definitions.json`.
 */
export function kubernetes(version) {
  const schemas = path.join(pipInstall('kubernetes-schemas'), 'kubernetes_validate/kubernetes-json-schema');
  const schema = (name) =>
    JSON.parse(readFileSync(path.join(schemas, `v${version}-local-strict`, `${name}.json`), 'utf8'));
  return { definitions: schema('_definitions'), schema };
}
