// docs/operate.md and docs/configure.md say what is so: names, events, checks, settings; their examples run. README.de.md keeps
// step with README.md.

import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import * as adapter from '@sigmacode/sim-adapter';
import express from 'express';
import { expect, it } from 'vitest';

import { root } from '../deploy/support.mjs';
import { SECRET, startAdapter, startSim } from '../http/support.mjs';
import { read as readMetrics } from './prometheus.mjs';

const require = createRequire(import.meta.url);
const read = (name) => readFileSync(path.join(root, name), 'utf8');
const matches = (text, pattern) => [...text.matchAll(pattern)].map(([, match]) => match);
const sources = (folder, ending) =>
  readdirSync(path.join(root, folder), { recursive: true })
    .filter((name) => name.endsWith(ending))
    .map((name) => read(path.join(folder, name)))
    .join('\n');

const operate = read('docs/operate.md');
const configure = read('docs/configure.md');
const readme = read('README.md');
const german = read('README.de.md');

/** The rows of the table below a heading. */
const section = (page, heading) => page.split(`\n## ${heading}\n`)[1].split('\n## ')[0];

it('the table of metrics has each name, with its type and its labels', async () => {
  const sim = await startSim(['echo']);
  const made = startAdapter(sim, { redisUri: 'redis://127.0.0.1:1' });
  await made.getFlow('echo');
  const told = [...readMetrics(made.metrics()).values()].map(({ name, type }) => `${name} ${type.toLowerCase()}`);
  const rows = [...section(operate, 'Metrics').matchAll(/^\| `(sim_adapter_\w+)` \| (\w+) \|(.*?)\|/gm)];
  expect(rows.map(([, name, type]) => `${name} ${type}`).sort()).toEqual(told.sort());
  for (const [, name, , cell] of rows) {
    const labels = matches(cell, /`(\w+)`/g);
    const lines = made
      .metrics()
      .split('\n')
      .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name}_bucket{`));
    const seen = new Set(lines.flatMap((line) => matches(line, /[{,](\w+)="/g)));
    seen.delete('le');
    expect([...seen].sort(), name).toEqual([...labels].sort());
  }
});

it('the page names each operation', () => {
  const operations = matches(read('src/metrics/mod.rs').split('operations! {')[1].split('\n}')[0], /= "(\w+)"/g);
  expect(operations.length).toBeGreaterThan(10);
  for (const name of operations) expect(section(operate, 'Metrics')).toContain(`\`${name}\``);
});

it('the table of events has each that the sources log, with its level', () => {
  const rust = sources('src', '.rs').matchAll(/log(?:_about)?\(\s*Level::(\w+),\s*"(\w+)"/g);
  const script = sources('express', '.js').matchAll(/level: '(\w+)', event: '(\w+)'/g);
  const logged = [...rust, ...script].map(([, level, event]) => `${event} ${level.toLowerCase()}`);
  const rows = section(operate, 'Log lines').matchAll(/^\| `(\w+)` \| (\w+) \|/gm);
  expect([...rows].map(([, event, level]) => `${event} ${level}`).sort()).toEqual([...new Set(logged)].sort());
});

it('the table of checks has each that the doctor makes', () => {
  const told = section(operate, 'Doctor')
    .split('\n')
    .filter((line) => line.startsWith('| `'));
  const names = told.flatMap((line) => matches(line.split('|')[1], /`(\w+)`/g));
  const made = matches(read('doctor/doctor.js'), /(?:note\(|\[)'(\w+)',/g);
  expect([...names].sort()).toEqual([...made].sort());
});

it('the examples of the page run', async () => {
  const blocks = matches(operate, /```js\n([\s\S]*?)```/g);
  const sim = await startSim(['echo']);
  const made = startAdapter(sim);
  const app = express();
  const simRouter = (options) => adapter.simRouter({ adapter: made, ...(options.logger ? {} : options) });
  const shared = { ...adapter, metrics: () => made.metrics(), simProbes: () => adapter.simProbes({ adapter: made }) };
  for (const block of blocks) {
    new Function('require', 'app', 'simRouter', 'logger', block)(
      (name) => (name === '@sigmacode/sim-adapter' ? shared : require(name)),
      app,
      simRouter,
      console,
    );
  }
  expect(blocks).toHaveLength(3);
  const server = app.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  try {
    const url = `http://127.0.0.1:${server.address().port}`;
    expect(await (await fetch(`${url}/metrics`)).text()).toContain('sim_adapter_info');
    expect((await fetch(`${url}/probes/sim/ready`)).status).toBe(200);
  } finally {
    server.close();
  }
});

it('docs/configure.md has a section for each setting of the README, and its example names what is wrong', () => {
  const settings = matches(readme, /^\| `([A-Z_]+)` \|/gm);
  expect(matches(configure, /^### `([A-Z_]+)`$/gm).sort()).toEqual([...settings].sort());
  for (const part of configure.split('\n### ').slice(1)) expect(part.split('\n')[2].length, part).toBeGreaterThan(30);
  const [example] = matches(configure, /```js\n([\s\S]*?)```/g);
  const problems = new Function('require', `${example}\nreturn problems;`)(require);
  const good = { baseUrl: 'http://127.0.0.1:1', apiKey: 'key', handleSecret: SECRET };
  expect(problems(good)).toEqual([]);
  expect(problems({ ...good, timeoutMs: 0 })).toEqual([expect.stringContaining('SIM_TIMEOUT_MS')]);
});

it('docs/configure.md names each option that has no variable', () => {
  const options = read('index.d.ts').split('export interface AdapterOptions {')[1].split('\n}')[0];
  const all = matches(options, /^ {2}(\w+)\??[:(]/gm);
  const withVariable = matches(readme, /^\| `[A-Z_]+` \| `(\w+)` \|/gm);
  const [, last] = configure.split('## Options without a variable');
  const bare = all.filter((name) => !withVariable.includes(name));
  expect(bare.length).toBeGreaterThan(5);
  expect(matches(last, /`(\w+)`/g).sort()).toEqual(bare.sort());
});

const cells = (page, column) =>
  page
    .split('\n')
    .filter((line) => /^\| `[A-Z_]+` \|/.test(line))
    .map((line) => line.split(' | ')[column]);
const headings = (page) => matches(page, /^(#+) /gm);
const code = (page) => matches(page, /```(?:js|sh)\n([\s\S]*?)```/g).map((block) => block.replace(/ +# .*$/gm, ''));
const links = (page) => matches(page, /\]\(([^)]+)\)/g).filter((link) => !link.startsWith('README'));
const inline = (page) => new Set(matches(page.replace(/```[\s\S]*?```/g, ''), /`([^`]+)`/g));

it('README.de.md keeps step with README.md: headings, commands, variables, options, defaults, links', () => {
  expect(headings(german)).toEqual(headings(readme));
  expect(code(german)).toEqual(code(readme));
  for (const column of [0, 1]) expect(cells(german, column)).toEqual(cells(readme, column));
  const defaults = (page) => cells(page, 2).map((cell) => cell.replace('ein zufälliges', 'a random one'));
  expect(defaults(german)).toEqual(defaults(readme));
  expect(links(german)).toEqual(links(readme));
  expect([...inline(german)].sort()).toEqual([...inline(readme)].sort());
});
