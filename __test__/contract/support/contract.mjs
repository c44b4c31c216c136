// Holds what the adapter sent to Sim against our own schemas and, where they are at hand, Sim's OpenAPI documents.
// It must not know why something was sent.

import { readFileSync } from 'node:fs';
import Ajv2020 from 'ajv/dist/2020.js';
import { expect } from 'vitest';
import { ourApi } from './api.mjs';
import { simApis } from './shared.mjs';

export const GENERATIONS = ['v2', 'v1', 'flows'];

/** Our own descriptions, by generation. */
export const ourApis = Object.fromEntries(GENERATIONS.map((name) => [name, ourApi(name)]));

const commonHeaders = new Ajv2020({ allErrors: true }).compile(
  JSON.parse(readFileSync(new URL('../schemas/headers.json', import.meta.url), 'utf8')),
);

/** Which operations have been seen, as `v2 listFlows`. */
export const seen = new Set();

/**
 * The generation whose request this is. A few routes serve several: then it is the asking one's. While it finds out which
 * one Sim speaks, the adapter asks the others too.
 */
const generationOf = ({ method, path }, asking) =>
  [asking, ...GENERATIONS].find((name) => ourApis[name].find(method, path) !== undefined);

function headerFaults({ headers, rawHeaders }, operation, api) {
  const names = rawHeaders.filter((_, index) => index % 2 === 0).map((name) => name.toLowerCase());
  const twice = names.filter((name, index) => names.indexOf(name) !== index).map((name) => `${name} is sent twice`);
  const declared = api.headerNames(operation);
  const rest = Object.fromEntries(Object.entries(headers).filter(([name]) => !declared.includes(name)));
  commonHeaders(rest);
  return [
    ...twice,
    ...(commonHeaders.errors ?? []).map(({ message, params }) => `headers ${message} ${JSON.stringify(params)}`),
  ];
}

/** What is wrong with one request; `asking` is the generation that the adapter is set to. */
export function requestFaults(request, asking) {
  const generation = generationOf(request, asking);
  if (generation === undefined) return [`${request.method} ${request.path} is no request of the adapter's`];
  const ours = ourApis[generation];
  const found = ours.find(request.method, request.path);
  seen.add(`${generation} ${found.operation.name}`);
  const typed = request.body.length === 0 || request.headers['content-type'] === 'application/json';
  return [
    ...ours.requestFaults(request),
    ...headerFaults(request, found.operation, ours),
    ...(typed ? [] : ['a body without a content type']),
    ...(request.method === 'GET' || request.headers['content-length'] ? [] : ['a write without a length']),
    ...simFaults(request),
  ];
}

/** Sim's own word. Of v1 it describes only a part, and older forks not at all. */
function simFaults(request) {
  const isV2 = request.path.startsWith('/api/v2/');
  const sim = isV2 ? simApis.v2 : simApis.v1;
  const isDescribed = sim !== undefined && (isV2 || sim.find(request.method, request.path) !== undefined);
  return isDescribed ? sim.requestFaults(request).map((fault) => `Sim's OpenAPI: ${fault}`) : [];
}

/** Fails unless every request is one that Sim documents. */
export function expectContract(requests, asking) {
  for (const request of requests) {
    const shown = `${request.method} ${request.path} ${request.body.toString().slice(0, 300)}`;
    expect(requestFaults(request, asking), shown).toEqual([]);
  }
}
