// The Kubernetes side of the kit: objects that Kubernetes knows, values that Sim's chart knows, and both of one mind. No cluster is
// asked.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { beforeAll, expect, test } from 'vitest';

import { kubernetes, parseYaml } from '../../scripts/release/lint-tools.mjs';
import { root } from './support.mjs';

const read = (file) => readFileSync(path.join(root, file), 'utf8');

/** The keys of Sim's chart, as its helm/sim/values.yaml has them; null: whatever is below is not the chart's. */
const CHART = JSON.parse(read('__test__/deploy/helm-chart-keys.json'));

/** The oldest Kubernetes that Sim's chart takes, and the newest there is a schema of. */
const VERSIONS = ['1.25.0', '1.37.0'];

let values;
let manifests;
/** Version → the validator of a schema by its name. */
const validators = {};

// The schemas are fetched once; that may take a while.
beforeAll(() => {
  [values] = parseYaml(read('deploy/helm-values.yaml'));
  manifests = parseYaml(read('deploy/guard-kubernetes.yaml'));
  for (const version of VERSIONS) {
    const { definitions, schema } = kubernetes(version);
    const ajv = new Ajv2020({ strict: false, allErrors: true, validateFormats: false, validateSchema: false });
    ajv.addSchema(definitions, '_definitions.json');
    validators[version] = (name) => ajv.getSchema(name) ?? ajv.addSchema(schema(name), name).getSchema(name);
  }
}, 180_000);

/** What Kubernetes would say of `value`. */
function complaints(version, name, value) {
  const validate = validators[version](name);
  validate(value);
  return (validate.errors ?? []).map(({ instancePath, message, params }) => [instancePath, message, params]);
}

/** `apps/v1` and `Deployment` → `deployment-apps-v1`. */
function schemaName({ apiVersion, kind }) {
  const [version, group] = apiVersion.split('/').reverse();
  return [kind.toLowerCase(), ...(group ? [group.split('.', 1)[0]] : []), version].join('-');
}

/** The paths of `given` that the chart does not know. */
function unknown(given, known, at = '') {
  if (known === null) return [];
  return Object.entries(given).flatMap(([key, value]) =>
    key in known ? unknown(value, known[key], `${at}${key}.`) : [`${at}${key}`],
  );
}

test.each(VERSIONS)('Kubernetes %s knows every object and every field of it', (version) => {
  expect(manifests.map(({ kind }) => kind)).toEqual(['Service', 'Deployment', 'NetworkPolicy']);
  for (const manifest of manifests) expect(complaints(version, schemaName(manifest), manifest)).toEqual([]);
  for (const rule of values.networkPolicy.ingress) {
    expect(complaints(version, 'networkpolicyingressrule-networking-v1', rule)).toEqual([]);
  }
  for (const rule of values.networkPolicy.egress) {
    expect(complaints(version, 'networkpolicyegressrule-networking-v1', rule)).toEqual([]);
  }
  for (const variable of values.extraEnvVars) expect(complaints(version, 'envvar-v1', variable)).toEqual([]);
});

test('a field that Kubernetes does not know is found', () => {
  const [, deployment] = structuredClone(manifests);
  deployment.spec.template.spec.containers[0].readynessProbe = {};
  expect(complaints(VERSIONS.at(-1), schemaName(deployment), deployment)).not.toEqual([]);
});

test("every value is one of the chart's", () => {
  expect(unknown(values, CHART)).toEqual([]);
  const misspelt = { ...values, realtime: { ...values.realtime, image: { tags: 'v0.8.9' } }, networkpolicy: {} };
  expect(unknown(misspelt, CHART)).toEqual(['realtime.image.tags', 'networkpolicy']);
});

test('the guard answers where the values let it in, and reaches what it leads to', () => {
  const [service, deployment, policy] = manifests;
  const labels = deployment.spec.template.metadata.labels;
  expect(service.spec.selector).toEqual(labels);
  expect(deployment.spec.selector.matchLabels).toEqual(labels);
  expect(values.networkPolicy.ingress[0].from[0].podSelector.matchLabels).toEqual(labels);
  expect(values.ingress.enabled).toBe(false);
  const variables = Object.fromEntries(values.extraEnvVars.map(({ name, value }) => [name, value]));
  expect(variables).toMatchObject({ V2_API: 'true', INTERNAL_API_BASE_URL: 'http://sim-app:3000' });
  expect(variables.NEXT_PUBLIC_SOCKET_URL).toBe(variables.NEXT_PUBLIC_APP_URL);
  const [{ args, ports }] = deployment.spec.template.spec.containers;
  expect(args).toEqual(['--upstream', 'http://sim-app:3000', '--realtime', 'http://sim-realtime:3002']);
  // The chart's policy for realtime lets only the app in, whatever `networkPolicy.ingress` says.
  expect(policy).toMatchObject({
    kind: 'NetworkPolicy',
    spec: {
      podSelector: { matchLabels: { 'app.kubernetes.io/name': 'sim', 'app.kubernetes.io/component': 'realtime' } },
      policyTypes: ['Ingress'],
      ingress: [{ from: [{ podSelector: { matchLabels: labels } }], ports: [{ protocol: 'TCP', port: 3002 }] }],
    },
  });
  expect(service.spec.ports.map(({ targetPort }) => targetPort)).toEqual(ports.map(({ name }) => name));
  // The app calls itself through its service. The chart's policy for it lets only realtime and cron in, and out only Postgres, realtime,
  // DNS and port 443.
  const app = {
    'app.kubernetes.io/name': 'sim',
    'app.kubernetes.io/instance': 'sim',
    'app.kubernetes.io/component': 'app',
  };
  const itself = [{ podSelector: { matchLabels: app } }];
  const ports3000 = [{ protocol: 'TCP', port: 3000 }];
  expect(values.networkPolicy.ingress).toContainEqual({ from: itself, ports: ports3000 });
  expect(values.networkPolicy.egress).toEqual([{ to: itself, ports: ports3000 }]);
  for (const { image } of [values.app, values.realtime, values.migrations]) expect(image.tag).toBe('v0.8.9');
});
