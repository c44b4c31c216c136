// What the figures say: medians, ratios, bars met or missed, as text for a terminal and as Markdown. It must not know how
// they were measured.

import { PACKAGE } from './scenarios.mjs';

const NAMES = {
  rate: 'requests/s',
  megabytes: 'MB/s',
  main: 'main-thread CPU per request',
  cpu: 'CPU per request',
  rss: 'memory, MB',
  delay: 'event-loop delay p99',
};

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The median of each figure over the rounds. */
export function medians(rounds) {
  return Object.fromEntries(Object.keys(rounds[0]).map((name) => [name, median(rounds.map((round) => round[name]))]));
}

/** The median of the ratios, round by round: two slices of one round met the same machine. */
function ratio(figures, metric, peer) {
  // A delay may be too short to be measured.
  const ratios = figures[PACKAGE].map((round, index) => round[metric] / Math.max(figures[peer][index][metric], 1e-3));
  return median(ratios);
}

/**
 * The bars of a scenario, held against its figures.
 * @returns {{ scenario: string, text: string, value: number, met: boolean, stretched?: boolean }[]}
 */
export function judge(scenario, figures) {
  return scenario.bars.map(({ metric, against, least, most, stretch }) => {
    const ratios = against?.map((peer) => ratio(figures, metric, peer));
    // The best of several peers is the one that makes the ratio look worst.
    const worst = least === undefined ? Math.max : Math.min;
    const value = ratios === undefined ? medians(figures[PACKAGE])[metric] : worst(...ratios);
    const reaches = (bar) => (least === undefined ? value <= bar : value >= bar);
    const sign = least === undefined ? '≤' : '≥';
    const than = against === undefined ? '' : ` / ${against.length > 1 ? 'best of ' : ''}${against.join(', ')}`;
    return {
      scenario: scenario.name,
      text: `${NAMES[metric]}${than}`,
      bar: `${sign} ${least ?? most}`,
      stretch: stretch === undefined ? '' : `${sign} ${stretch}`,
      value,
      met: reaches(least ?? most),
      stretched: stretch === undefined ? undefined : reaches(stretch),
    };
  });
}

const COLUMNS = [
  ['requests/s', 'rate', 0],
  ['MB/s', 'megabytes', 1],
  ['CPU µs', 'cpu', 0],
  ['main µs', 'main', 0],
  ['p50 ms', 'p50', 1],
  ['p99 ms', 'p99', 1],
  ['loop p99 ms', 'delay', 1],
  ['RSS MB', 'rss', 0],
];

/** Rows of medians, one for each peer, the head first. */
export function rows(figures) {
  const head = ['', ...COLUMNS.map(([title]) => title), 'rate, ours / theirs'];
  const body = Object.entries(figures).map(([name, rounds]) => {
    const values = medians(rounds);
    const compared = name === PACKAGE ? '' : ratio(figures, 'rate', name).toFixed(2);
    return [name, ...COLUMNS.map(([, key, digits]) => values[key].toFixed(digits)), compared];
  });
  return [head, ...body];
}

/** Rows of bars, the head first. */
export function barRows(bars) {
  const head = ['', 'figure', 'bar', 'stretch', 'measured', ''];
  const verdict = ({ bar, met, stretched }) => {
    if (bar === '') return '';
    return met ? (stretched ? 'beyond stretch' : 'met') : 'MISSED';
  };
  const body = bars.map((bar) => [bar.scenario, bar.text, bar.bar, bar.stretch, bar.value.toFixed(2), verdict(bar)]);
  return [head, ...body];
}

/** Columns for a terminal. */
export function plain(table) {
  const widths = table[0].map((_, column) => Math.max(...table.map((row) => row[column].length)));
  const numeric = (text) => /^[\d.]+$/.test(text);
  const cell = (text, column) => (numeric(text) ? text.padStart(widths[column]) : text.padEnd(widths[column]));
  return table.map((row) => row.map(cell).join('  ').trimEnd()).join('\n');
}

export function markdown([head, ...body]) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...body.map(line)].join('\n');
}
