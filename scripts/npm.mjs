// Where npm and the programs of installed packages are, as JavaScript files for `process.execPath`. Their commands (`npm`,
// `node_modules/.bin/x`) are shell scripts on Windows, which cannot be started without a shell.

import { existsSync, readFileSync, realpathSync } from 'node:fs';
import path from 'node:path';

import { root, StepError } from './steps.mjs';

/** npm's own file: that of the npm that runs this, else that of this Node, else the first on PATH. */
export function npmProgram(env = process.env) {
  const folder = path.dirname(process.execPath);
  const beside = ['../lib/node_modules', 'node_modules', '../share/nodejs'].map((place) =>
    path.join(folder, place, 'npm/bin/npm-cli.js'),
  );
  const onPath = (env.PATH ?? '').split(path.delimiter).map((place) => path.join(place, 'npm'));
  const found = [env.npm_execpath, ...beside, ...onPath]
    .filter((file) => file && existsSync(file))
    .map((file) => realpathSync(file))
    .find((file) => path.basename(file) === 'npm-cli.js');
  if (found === undefined) throw new StepError('npm is missing: it comes with Node (nodejs.org).');
  return found;
}

/** A program that the installed package `name` brings; `program` where it brings several. */
export function packageProgram(name, program) {
  const folder = path.join(root, 'node_modules', name);
  const { bin } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'));
  return path.join(folder, typeof bin === 'string' ? bin : bin[program ?? name]);
}
