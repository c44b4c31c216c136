// docs/openapi.json, as something to hold answers against. It must not know the adapter.

import { readFileSync } from 'node:fs';
import Ajv2020 from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

export const openapi = JSON.parse(readFileSync(new URL('../../docs/openapi.json', import.meta.url), 'utf8'));

const ajv = addFormats(new Ajv2020({ strict: false, allErrors: true }));
ajv.addSchema(openapi, 'router');

const templates = Object.keys(openapi.paths).map((path) => ({
  path,
  // A name wins over a placeholder: /flows/create is no flow.
  pattern: new RegExp(`^${path.replace(/\{\w+\}/g, '[^/]+')}/?$`),
  placeholders: path.split('{').length,
}));
templates.sort((a, b) => a.placeholders - b.placeholders);

/** The operation of a request, and the name of its path; nothing for what is no route. */
export function operationOf(method, url) {
  const [pathname] = url.split('?');
  const found = templates.find(
    ({ path, pattern }) => pattern.test(pathname) && openapi.paths[path][method.toLowerCase()],
  );
  return found && { path: found.path, operation: openapi.paths[found.path][method.toLowerCase()] };
}

/** What is wrong with an answer, in words; empty when it is as documented. */
export function answerFaults(method, url, status, json) {
  const found = operationOf(method, url);
  if (found === undefined) return status === 404 || status === 401 ? [] : [`${method} ${url} is no route`];
  const { responses } = found.operation;
  const key = [String(status), `${Math.trunc(status / 100)}XX`].find((name) => responses[name]);
  if (key === undefined) return [`${status} is not documented for ${method} ${found.path}`];
  const name = responses[key].$ref?.split('/').at(-1);
  const base = name ? ['components', 'responses', name] : ['paths', found.path, method.toLowerCase(), 'responses', key];
  const pointer = [...base, 'content', 'application/json', 'schema'];
  const escaped = pointer.map((part) => encodeURIComponent(part.replace(/~/g, '~0').replace(/\//g, '~1')));
  const validate = ajv.getSchema(`router#/${escaped.join('/')}`);
  if (validate(json)) return [];
  return validate.errors.map(
    ({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`,
  );
}
