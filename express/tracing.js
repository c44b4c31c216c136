'use strict';

// One span for each request, through the host's own @opentelemetry/api. Where no tracer provider is registered it loads
// nothing and costs one look at a global. It must not know what a request does.

const { readHead } = require('./head.js');
const { name, version } = require('../package.json');

/** Where version 1 of the API keeps what is registered, shared by all copies of it. */
const REGISTRY = Symbol.for('opentelemetry.js.api.1');

/** The routes of the HTTP contract; whatever else is asked for has none. */
const ROUTES = new Set([
  '/health',
  '/config',
  '/flows',
  '/flows/create',
  '/flows/:flowId',
  '/flows/:flowId/run',
  '/runs/:runId/status',
  '/runs/:runId/events',
  '/runs/:runId/cancel',
  '/runs/:runId/resume',
  '/proxy',
]);

/** Methods that may be a span's name: a client can invent others without end. */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

let api;

function loadApi() {
  try {
    return require('@opentelemetry/api');
  } catch {
    // A host that has the API where this package cannot see it has no spans of ours.
    return null;
  }
}

/** Whether spans go anywhere. */
const isTracing = () => globalThis[REGISTRY]?.trace !== undefined;

/** The route's template, without ids, or undefined. */
function routeOf(url) {
  const path = url
    .split('?', 1)[0]
    .replace(/(.)\/$/, '$1')
    .replace(/^\/flows\/(?!create$)[^/]+/, '/flows/:flowId')
    .replace(/^\/runs\/[^/]+/, '/runs/:runId');
  return ROUTES.has(path) ? path : undefined;
}

/** Passes an answer on and ends the span with it. */
class TracedSink {
  #span;
  #sink;
  #api;
  #opened = false;

  constructor(span, sink, api) {
    this.#span = span;
    this.#sink = sink;
    this.#api = api;
  }

  answer(status, head, bytes, from, to) {
    if (!this.#opened) this.#answered(status, head);
    if (status >= 400) this.#failed(status, errorCode(bytes.toString('utf8', from, to)) ?? String(status));
    this.#span.end();
    this.#sink.answer(status, head, bytes, from, to);
  }

  open(status, head, giveUp) {
    this.#opened = true;
    this.#answered(status, head);
    this.#sink.open(status, head, giveUp);
  }

  lend(take) {
    this.#sink.lend?.(take);
  }

  piece(bytes, written, done) {
    this.#sink.piece(bytes, written, done);
  }

  end() {
    this.#span.end();
    this.#sink.end();
  }

  /** The client went away. That is how most streams end. */
  abandoned() {
    if (!this.#opened) this.#span.setAttribute('error.type', 'abandoned');
    this.#span.end();
  }

  #answered(status, head) {
    this.#span.setAttribute('http.response.status_code', status);
    const requestId = readHead(head)['x-request-id'];
    if (requestId !== undefined) this.#span.setAttribute('sim_adapter.request_id', requestId);
  }

  #failed(status, type) {
    this.#span.setAttribute('error.type', type);
    if (status >= 500) this.#span.setStatus({ code: this.#api.SpanStatusCode.ERROR });
  }
}

function errorCode(body) {
  try {
    return JSON.parse(body).error?.code;
  } catch {
    return undefined;
  }
}

/**
 * Begins a span for `request`, below the host's active one or else the caller's, and makes it the parent of the call to
 * Sim.
 * @param {{ method: string, url: string, traceparent?: string, tracestate?: string }} request is changed
 * @param {import('./bridge.js').Sink} sink
 * @returns {import('./bridge.js').Sink} `sink` itself where nothing is traced
 */
function traced(request, sink) {
  if (!isTracing()) return sink;
  api ??= loadApi() ?? false;
  if (!api) return sink;
  const { context, isSpanContextValid, propagation, SpanKind, trace } = api;
  const active = context.active();
  const { traceparent, tracestate } = request;
  const parent = trace.getSpanContext(active) ? active : propagation.extract(active, { traceparent, tracestate });
  const method = METHODS.has(request.method) ? request.method : '_OTHER';
  const route = routeOf(request.url);
  const attributes = { 'http.request.method': method, 'http.route': route };
  const options = { kind: SpanKind.INTERNAL, attributes };
  const span = trace.getTracer(name, version).startSpan(route ? `${method} ${route}` : method, options, parent);
  const own = span.spanContext();
  if (isSpanContextValid(own)) {
    request.traceparent = `00-${own.traceId}-${own.spanId}-${own.traceFlags.toString(16).padStart(2, '0')}`;
    request.tracestate = own.traceState?.serialize() || undefined;
  }
  return new TracedSink(span, sink, api);
}

module.exports = { traced, isTracing, routeOf };
