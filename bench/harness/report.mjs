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

/** The ratios, round by round: two slices of one round met the same machine. */
function ratios(figures, metric, peer) {
  // A delay may be too short to be measured.
  return figures[PACKAGE].map((round, index) => round[metric] / Math.max(figures[peer][index][metric], 1e-3));
}

/** What a bar is held against, round by round: for each peer the ratios to it, or else the package's own figure. */
function compared({ metric, against }, figures) {
  if (against === undefined) return [figures[PACKAGE].map((round) => round[metric])];
  return against.map((peer) => ratios(figures, metric, peer));
}

/**
 * The bars of a scenario, held against its figures.
 * @returns {{ scenario: string, text: string, value: number, met: boolean, stretched?: boolean }[]}
 */
export function judge(scenario, figures) {
  return scenario.bars.map((bar) => {
    const { metric, against, least, most, stretch } = bar;
    // The best of several peers is the one that makes the ratio look worst.
    const worst = least === undefined ? Math.max : Math.min;
    const value = worst(...compared(bar, figures).map(median));
    const reaches = (limit) => (least === undefined ? value <= limit : value >= limit);
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

/** By how many standard deviations of a fair coin's the rounds must be for one side. */
const CLEAR = 2;

/**
 * Whether it is no accident on which side of each bar a scenario's medians lie: so many more rounds lie on one side than on the other
 * that it would be rare if both were as likely and no round had to do with another. Those of one process do (V8's collector
 * has its habits), so it says when to stop, and proves nothing. That asks few rounds of a quiet machine or a bar that is far away, and many otherwise.
 */
export function isClear({ bars }, figures) {
  return bars.every((bar) => {
    const { least = Number.NEGATIVE_INFINITY, most = Number.POSITIVE_INFINITY } = bar;
    const leads = compared(bar, figures).map((values) => {
      const met = values.filter((value) => value >= least && value <= most).length;
      return (2 * met - values.length) / Math.sqrt(values.length);
    });
    return leads.every((lead) => lead >= CLEAR) || leads.some((lead) => lead <= -CLEAR);
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
  const { length } = figures[PACKAGE];
  const head = [`${length} round${length === 1 ? '' : 's'}`, ...COLUMNS.map(([title]) => title), 'rate, ours / theirs'];
  const body = Object.entries(figures).map(([name, rounds]) => {
    const values = medians(rounds);
    const beside = name === PACKAGE ? '' : median(ratios(figures, 'rate', name)).toFixed(2);
    return [name, ...COLUMNS.map(([, key, digits]) => values[key].toFixed(digits)), beside];
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
