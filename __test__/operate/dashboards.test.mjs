// The dashboard and the alert rules can be loaded, and ask only for what the adapter tells: names, labels, values.

import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { SimAdapter } from '@sigmacode/sim-adapter';
import { Ajv } from 'ajv';
import { expect, it } from 'vitest';

import { parseYaml, yamllint } from '../../scripts/release/lint-tools.mjs';
import { root } from '../deploy/support.mjs';
import { atEnd, SECRET } from '../http/support.mjs';
import { read } from './prometheus.mjs';
import { groupings, selectors } from './promql.mjs';

const RULES_FILE = 'deploy/prometheus/alerts.yml';
const file = (name) => readFileSync(path.join(root, name), 'utf8');

const dashboard = JSON.parse(file('deploy/grafana/sim-adapter.json'));
const panels = dashboard.panels.filter(({ type }) => type !== 'row');

/** Grafana's variables as something that PromQL takes. */
const filled = (expression) => expression.replaceAll('$__rate_interval', '5m').replaceAll(/\$\w+/g, '.*');

/** Labels that Prometheus adds to each series. */
const TARGET_LABELS = ['job', 'instance'];

/** Of each series that an adapter with everything configured has: its labels and their values. */
function known() {
  const adapter = new SimAdapter({
    baseUrl: 'http://127.0.0.1:1',
    apiKey: 'key',
    handleSecret: SECRET,
    redisUri: 'redis://127.0.0.1:1',
  });
  atEnd(() => adapter.close({ drainMs: 0 }));
  const names = new Map();
  for (const { name, type, metrics } of read(adapter.metrics()).values()) {
    const labels = {};
    for (const metric of metrics) {
      for (const [label, value] of Object.entries(metric.labels ?? {})) {
        labels[label] ??= new Set();
        labels[label].add(value);
      }
    }
    const parts = type === 'HISTOGRAM' ? ['_bucket', '_sum', '_count'] : [''];
    for (const part of parts) names.set(name + part, labels);
  }
  return names;
}

/** Labels of series that are not there before something was counted. */
const LATER = {
  sim_adapter_upstream_requests_total: ['operation', 'generation', 'status'],
  sim_adapter_request_duration_seconds_bucket: ['operation', 'le'],
  sim_adapter_upstream_request_duration_seconds_bucket: ['operation', 'le'],
};

function expectKnown(expression, more = []) {
  const names = known();
  const asked = selectors(expression);
  expect(asked.length, expression).toBeGreaterThan(0);
  for (const { metric, matchers } of asked) {
    expect([...names.keys()], expression).toContain(metric);
    const labels = names.get(metric);
    const allowed = [...Object.keys(labels), ...(LATER[metric] ?? []), ...TARGET_LABELS];
    for (const { label, operator, value } of matchers) {
      expect(allowed, `${label} in ${expression}`).toContain(label);
      if (operator === '=' && labels[label] && !TARGET_LABELS.includes(label)) {
        expect([...labels[label]], `${label}="${value}" in ${expression}`).toContain(value);
      }
    }
    for (const label of [...groupings(expression), ...more])
      expect(allowed, `by ${label} in ${expression}`).toContain(label);
  }
}

it.each(panels.map(({ title, targets }) => [title, targets]))(
  'the panel "%s" asks for what there is',
  (_title, targets) => {
    for (const { expr, legendFormat } of targets) {
      const shown = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label);
      expectKnown(filled(expr));
      expect(groupings(filled(expr))).toEqual(expect.arrayContaining(shown));
    }
  },
);

it('the dashboard shows each metric', () => {
  const asked = new Set(
    panels.flatMap(({ targets }) => targets.flatMap(({ expr }) => selectors(filled(expr)))).map(({ metric }) => metric),
  );
  const families = [...known().keys()].filter((name) => !/_(sum|count)$/.test(name));
  // Openings and states of the circuit, and so on: nothing is counted that nobody can see.
  expect(families.filter((name) => !asked.has(name))).toEqual([]);
});

it('the dashboard is one that Grafana can import: ids, places, one data source that can be chosen', () => {
  const all = dashboard.panels;
  expect(new Set(all.map(({ id }) => id)).size).toBe(all.length);
  expect(dashboard).toMatchObject({ uid: 'sim-adapter', title: 'Sim adapter', schemaVersion: expect.any(Number) });
  for (const { title, gridPos, description, datasource, type, fieldConfig, options, targets } of panels) {
    const { x, y, w, h } = gridPos;
    expect(x + w, title).toBeLessThanOrEqual(24);
    const overlaps = all.filter(
      ({ gridPos: other }) => other.x < x + w && x < other.x + other.w && other.y < y + h && y < other.y + other.h,
    );
    expect(overlaps.map(({ title }) => title)).toEqual([title]);
    expect(description, title).toMatch(/\.$/);
    expect(['stat', 'timeseries']).toContain(type);
    expect(datasource).toEqual({ type: 'prometheus', uid: '$' + '{datasource}' });
    expect(fieldConfig.defaults.unit, title).toBeTypeOf('string');
    expect(options).toBeTypeOf('object');
    expect(new Set(targets.map(({ refId }) => refId)).size).toBe(targets.length);
  }
  const variables = dashboard.templating.list;
  expect(variables.map(({ name }) => name)).toEqual(['datasource', 'job', 'instance']);
  const used = new Set([...JSON.stringify(panels).matchAll(/\$\{?(\w+)/g)].map(([, name]) => name));
  used.delete('__rate_interval');
  expect([...used].sort()).toEqual(['datasource', 'instance', 'job']);
});

/** What Prometheus reads of a rules file; anything else in it is an error there. */
const RULES_SCHEMA = {
  type: 'object',
  additionalProperties: false,
  required: ['groups'],
  properties: {
    groups: {
      type: 'array',
      items: {
        type: 'object',
        additionalProperties: false,
        required: ['name', 'rules'],
        properties: {
          name: { type: 'string' },
          rules: {
            type: 'array',
            items: {
              type: 'object',
              additionalProperties: false,
              required: ['alert', 'expr', 'for', 'labels', 'annotations'],
              properties: {
                alert: { type: 'string', pattern: '^Sim[A-Za-z]+$' },
                expr: { type: 'string' },
                for: { type: 'string', pattern: '^[1-9][0-9]*m$' },
                labels: {
                  type: 'object',
                  additionalProperties: false,
                  required: ['severity'],
                  properties: { severity: { enum: ['critical', 'warning', 'info'] } },
                },
                annotations: {
                  type: 'object',
                  additionalProperties: false,
                  required: ['summary', 'description', 'runbook'],
                  properties: {
                    summary: { type: 'string' },
                    description: { type: 'string' },
                    runbook: { type: 'string' },
                  },
                },
              },
            },
          },
        },
      },
    },
  },
};

it('the alert rules are rules, each asks for what there is, and its section of the runbook is there', () => {
  const [rules] = parseYaml(file(RULES_FILE));
  const validate = new Ajv().compile(RULES_SCHEMA);
  validate(rules);
  expect(validate.errors).toBeNull();
  const alerts = rules.groups.flatMap(({ rules: list }) => list);
  expect(new Set(alerts.map(({ alert }) => alert)).size).toBe(alerts.length);
  const sections = [...file('docs/operate.md').matchAll(/^### (\w+)$/gm)].map(([, name]) => name);
  expect(sections).toEqual(alerts.map(({ alert }) => alert));
  for (const { alert, expr, annotations } of alerts) {
    expectKnown(expr);
    const shown = [...JSON.stringify(annotations).matchAll(/\$labels\.(\w+)/g)].map(([, label]) => label);
    expect(groupings(expr), alert).toEqual(expect.arrayContaining(shown));
    const [page, anchor] = annotations.runbook.split('#');
    expect(existsSync(path.join(root, page))).toBe(true);
    expect(anchor).toBe(alert.toLowerCase());
  }
});

it('one rule fires when nothing is told at all, as no other does', () => {
  const [{ groups }] = parseYaml(file(RULES_FILE));
  const absent = groups.flatMap(({ rules }) => rules).filter(({ expr }) => /^absent\(/.test(expr));
  expect(absent.map(({ alert, expr }) => [alert, expr])).toEqual([['SimAdapterAbsent', 'absent(sim_adapter_info)']]);
});

it('yamllint finds nothing in the alert rules', () => {
  expect(yamllint('{extends: default, rules: {document-start: disable, line-length: {max: 140}}}', [RULES_FILE])).toBe(
    '',
  );
});

it('an expression with a name that nobody tells, or that is no PromQL, is found out', () => {
  expect(() => expectKnown('rate(sim_adapter_nothing_total[5m])')).toThrow();
  expect(() => expectKnown('sim_adapter_breaker_state{state="ajar"}')).toThrow();
  expect(() => expectKnown('sim_adapter_breaker_state{mood="good"}')).toThrow();
  expect(() => selectors('rate(sim_adapter_requests_total[5m)')).toThrow(SyntaxError);
});
