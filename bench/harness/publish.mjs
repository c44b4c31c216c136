// Puts the figures of one run where they are read: JSON for programs, the chart, and the tables of docs/performance.md
// between their two marks.

import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import { root } from '../../scripts/steps.mjs';
import { chart } from './chart.mjs';
import { FOLDER } from './processes.mjs';
import { barRows, markdown, medians, rows } from './report.mjs';

const PAGE = path.join(root, 'docs/performance.md');
const MARKS = ['<!-- figures -->', '<!-- end of figures -->'];
/** What the chart shows, a panel each; axios and http-proxy-middleware have a scenario of their own. */
const CHARTED = ['run', 'proxy'];

/** @typedef {{ machine: object, pace: object, bars: object[], scenarios: { name: string, title: string, figures: object }[] }} Result */

function svg({ scenarios }) {
  const figuresOf = (name) => scenarios.find((scenario) => scenario.name === name)?.figures;
  const panels = scenarios
    .filter(({ name }) => CHARTED.includes(name))
    .map(({ name, title, figures }) => {
      // The package was measured in both.
      const all = { ...figures, ...figuresOf(`${name}-axios`), ...figures };
      return {
        title: `${title}: requests/s`,
        values: Object.entries(all).map(([peer, rounds]) => [peer, medians(rounds).rate]),
      };
    });
  return panels.length > 0 ? chart(panels) : undefined;
}

/** Writes the result and its chart under .build/bench. */
export function keep(result) {
  writeFileSync(path.join(FOLDER, 'result.json'), `${JSON.stringify(result, null, 2)}\n`);
  const picture = svg(result);
  if (picture !== undefined) writeFileSync(path.join(FOLDER, 'performance.svg'), picture);
}

/** Writes the result into the documentation. */
export function publish(result) {
  const { date, processor, cores, node, load, tcp, awake } = result.machine;
  const { sliceMs } = result.pace;
  const measured =
    `Measured ${date.slice(0, 10)} on ${cores} cores (${processor}), Node ${node}, load average ${load} at the start, ` +
    `idle processors ${awake ? 'kept awake' : 'free to sleep'}, TCP's congestion control ${tcp}; medians of rounds of ${sliceMs / 1000} s, ` +
    'as many as each table says (see Method).';
  const tables = result.scenarios.map(({ title, figures }) => `### ${title}\n\n${markdown(rows(figures))}`);
  const text = [
    '## Figures',
    measured,
    '![Requests per second](performance.svg)',
    markdown(barRows(result.bars)),
    ...tables,
  ];
  const page = readFileSync(PAGE, 'utf8');
  const [from, to] = [page.indexOf(MARKS[0]) + MARKS[0].length, page.indexOf(MARKS[1])];
  writeFileSync(PAGE, `${page.slice(0, from)}\n\n${text.join('\n\n')}\n\n${page.slice(to)}`);
  writeFileSync(path.join(root, 'docs/performance.svg'), svg(result));
}
