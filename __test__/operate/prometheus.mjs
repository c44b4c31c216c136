// Reads Prometheus' text format with a parser that is not ours. It knows the format, not our names.

import parse from 'parse-prometheus-text-format';

/** The families of a page by name: `{name, help, type, metrics: [{labels, value | buckets, count, sum}]}`. */
export function read(text) {
  const families = parse(text);
  return new Map(families.map((family) => [family.name, family]));
}

/** The value of one series; undefined when it is not there. */
export function value(page, name, labels) {
  const same = (found = {}) => JSON.stringify(sorted(found)) === JSON.stringify(sorted(labels));
  const sample = page.get(name)?.metrics.find((metric) => same(metric.labels));
  return sample && Number(sample.value);
}

const sorted = (labels) => Object.entries(labels).sort(([a], [b]) => a.localeCompare(b));

/** The value of a family without labels. */
export const gauge = (page, name) => value(page, name, {});

/** A histogram's `{buckets, count, sum}` for one operation; undefined when there is none. */
export function histogram(text, name, operation) {
  // The parser takes histograms without labels only: it gets one at a time, without its label.
  const label = `operation="${operation}"`;
  const lines = text
    .split('\n')
    .filter((line) => line.startsWith(`# `) || (line.startsWith(name) && line.includes(label)));
  const bare = lines.map((line) => line.replace(`{${label}}`, '').replace(`${label},`, ''));
  const [found] = read(`${bare.join('\n')}\n`).get(name)?.metrics ?? [];
  return found?.buckets && { buckets: numbers(found.buckets), count: Number(found.count), sum: Number(found.sum) };
}

const numbers = (buckets) =>
  Object.fromEntries(Object.entries(buckets).map(([bound, count]) => [bound, Number(count)]));
