// One description of an API, ours or Sim's: finds the operation that a request is, and says what in the request or in
// an answer is not as described. It must not know who sent it.

import { readFileSync } from 'node:fs';
import Ajv2020 from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

const OPTIONS = { strict: false, allErrors: true };

const pointer = (...parts) =>
  parts.map((part) => `/${encodeURIComponent(String(part).replace(/~/g, '~0').replace(/\//g, '~1'))}`).join('');

const faultsOf = (where, { errors }) =>
  (errors ?? []).map(
    ({ instancePath, message, params }) => `${where}${instancePath} ${message} ${JSON.stringify(params)}`,
  );

/** The path without its query, and the query as an object; a name given twice is a list. */
function split(url) {
  const { pathname, searchParams } = new URL(url, 'http://sim');
  const query = {};
  for (const name of new Set(searchParams.keys())) {
    const values = searchParams.getAll(name);
    query[name] = values.length === 1 ? values[0] : values;
  }
  return { path: pathname, query };
}

/**
 * An API as a list of operations `{name, method, path, query?, headers?, body?, answers}`, each schema a `$ref` into
 * `document`.
 */
export class Api {
  #values;
  #texts;
  #operations;

  constructor(name, document, operations) {
    // Parameters are text: `limit=100` must count as a number.
    this.#values = addFormats(new Ajv2020(OPTIONS));
    this.#texts = addFormats(new Ajv2020({ ...OPTIONS, coerceTypes: true }));
    for (const ajv of [this.#values, this.#texts]) ajv.addSchema({ ...document, $id: name }, undefined, false, false);
    this.name = name;
    this.#operations = operations
      .map((one) => ({ ...one, pattern: new RegExp(`^${one.path.replace(/\{(\w+)\}/g, '(?<$1>[^/]+)')}$`) }))
      // `/workflows/import` is also a `/workflows/{id}`: the literal path goes first.
      .sort((a, b) => Number(a.path.includes('{')) - Number(b.path.includes('{')));
  }

  get operations() {
    return this.#operations;
  }

  /** The operation that this request is, with the ids in its path; undefined when it is none. */
  find(method, url) {
    const { path } = split(url);
    const operation = this.#operations.find((one) => one.method === method && one.pattern.test(path));
    return operation && { operation, params: { ...operation.pattern.exec(path).groups } };
  }

  /** The headers that an operation declares beside those that every request has. */
  headerNames({ headers }) {
    return Object.keys(headers === undefined ? {} : this.#schema(this.#texts, headers).schema.properties);
  }

  /** What is wrong with a request `{method, path, headers, body: Buffer}`, one line each. */
  requestFaults({ method, path, headers, body }) {
    const found = this.find(method, path);
    if (found === undefined) return [`${method} ${split(path).path} is no operation`];
    const { operation } = found;
    return [
      ...this.#check(this.#texts, operation.query, split(path).query, 'query'),
      ...this.#check(this.#texts, operation.headers, { ...headers }, 'headers'),
      ...this.#bodyFaults(operation, body),
    ];
  }

  /** What is wrong with an answer to `operation`, one line each. */
  answerFaults(operation, status, json) {
    const schema = operation.answers(status);
    if (schema === undefined) return [`${operation.name} does not answer ${status}`];
    return this.#check(this.#values, schema, json, 'answer');
  }

  #bodyFaults(operation, bytes) {
    if (bytes.length > 0 && operation.body === undefined) return ['a body, where none is expected'];
    if (bytes.length === 0) return operation.body === undefined || operation.mayBeEmpty ? [] : ['no body'];
    let json;
    try {
      json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    } catch {
      return ['the body is no JSON'];
    }
    return this.#check(this.#values, operation.body, json, 'body');
  }

  #check(ajv, schema, value, where) {
    if (schema === undefined) return Object.keys(value).length > 0 && where === 'query' ? ['an unexpected query'] : [];
    const validate = this.#schema(ajv, schema);
    validate(value);
    return faultsOf(where, validate);
  }

  #schema(ajv, schema) {
    return schema.$ref === undefined ? ajv.compile(schema) : ajv.getSchema(schema.$ref);
  }
}

/** Our own description: `schemas/<name>.json`. */
export function ourApi(name) {
  const document = JSON.parse(readFileSync(new URL(`../schemas/${name}.json`, import.meta.url), 'utf8'));
  const $id = `contract:${name}`;
  const at = (...parts) => ({ $ref: `${$id}#${pointer('operations', ...parts)}` });
  const operations = Object.entries(document.operations).map(([operation, { request, answers, ...parts }]) => {
    const [method, path] = request.split(' ');
    const schemas = Object.fromEntries(Object.keys(parts).map((part) => [part, at(operation, part)]));
    const refused = { $ref: `${$id}#/$defs/Error` };
    const answer = (status) =>
      status in answers ? at(operation, 'answers', status) : status >= 400 ? refused : undefined;
    return { name: operation, method, path, ...schemas, mayBeEmpty: parts.body?.anyOf !== undefined, answers: answer };
  });
  return new Api($id, document, operations);
}

/** One of Sim's OpenAPI documents. */
export function openApi(name, document) {
  const $id = `sim:${name}`;
  const at = (...parts) => ({ $ref: `${$id}#${pointer(...parts)}` });
  const parametersOf = (path, verb, where, list) => {
    const ours = list.map((one, index) => ({ ...one, index })).filter((one) => one.in === where);
    return {
      type: 'object',
      required: ours.filter(({ required }) => required).map((one) => one.name),
      properties: Object.fromEntries(
        ours.map((one) => [one.name, at('paths', path, verb, 'parameters', one.index, 'schema')]),
      ),
      // Every request has headers of HTTP's own.
      additionalProperties: where === 'header',
    };
  };
  const answersOf = (path, verb, responses) => (status) => {
    const answer = responses[status];
    if (answer === undefined) return undefined;
    const place = answer.$ref ? answer.$ref.slice(2).split('/') : ['paths', path, verb, 'responses', status];
    return at(...place, 'content', 'application/json', 'schema');
  };
  const operations = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([verb, { operationId, parameters = [], requestBody, responses }]) => ({
      name: operationId,
      method: verb.toUpperCase(),
      path,
      query: parametersOf(path, verb, 'query', parameters),
      headers: parametersOf(path, verb, 'header', parameters),
      body: requestBody && at('paths', path, verb, 'requestBody', 'content', 'application/json', 'schema'),
      mayBeEmpty: requestBody?.required !== true,
      answers: answersOf(path, verb, responses),
    })),
  );
  return new Api($id, document, operations);
}
