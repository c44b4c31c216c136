'use strict';

/**
 * A small Sim in this process, for tests: real sockets, real state, three generations of Sim's API, and faults on demand.
 * This file puts the rooms together; the behaviour is theirs.
 */

const { EventEmitter } = require('node:events');
const documents = require('./documents');
const { Faults } = require('./faults');
const { flowsRoutes } = require('./flows');
const { Gate, v1Error } = require('./gate');
const { json } = require('./http');
const { seedBases, v1KnowledgeRoutes, v2KnowledgeRoutes } = require('./knowledge');
const { logRoutes } = require('./logs');
const { Router, route } = require('./router');
const { Runs } = require('./runs');
const { Server } = require('./server');
const { v1Routes } = require('./v1');
const { v2RunRoutes } = require('./v2-runs');
const { v2WorkflowRoutes } = require('./v2-workflows');
const { Workflows } = require('./workflows');

const WORKSPACE_ID = '5f0c2b9e-6a7d-4e1f-8b3c-2d4a6e8f0c1b';
const GENERATIONS = ['v2', 'v1', 'flows'];

const runView = ({ id, flowId, status, input }) => ({ id, flowId, status, input });

function flowView({ id, name, description, active, state }) {
  return { id, name, description, deployed: active !== null, state };
}

/** All routes of the generations that are switched on; v1 that is off still answers, with its own JSON 404. */
function routesOf(sim, versions) {
  const health = () => json(200, { status: 'ok', timestamp: new Date().toISOString() });
  const v1 = [...v1Routes(sim), ...logRoutes(sim), ...v1KnowledgeRoutes(sim)];
  const absent = () => v1Error(404, 'Not found');
  return [
    route('GET', '/api/health', null, health),
    ...(versions.includes('v1') ? v1 : v1.map((one) => ({ ...one, handle: absent }))),
    ...(versions.includes('v2') ? [...v2WorkflowRoutes(sim), ...v2RunRoutes(sim), ...v2KnowledgeRoutes(sim)] : []),
    ...(versions.includes('flows') ? flowsRoutes(sim) : []),
  ];
}

class Emulator extends EventEmitter {
  #options;
  #faults = new Faults();
  #server;
  #sim;
  #gate;
  #aborts = [];

  constructor(options) {
    super();
    // A test may wait for as many runs at once as it likes.
    this.setMaxListeners(0);
    this.#options = options;
    const { apiKey, workspaceId, apiVersions, runMs, deployMs, rateLimit, latency, tls } = options;
    this.apiKey = apiKey;
    this.workspaceId = workspaceId;
    this.#gate = new Gate({ apiKey, rateLimit });
    this.#sim = {
      workspaceId,
      url: '',
      knowledge: [],
      workflows: new Workflows({ deployMs, notify: (flow) => this.emit('deploy', flowView(flow)) }),
      runs: new Runs({
        runMs,
        notify: (event, run) => this.emit(event, runView(run)),
        linksOf: (run, contextId) => this.#links(run, contextId),
      }),
    };
    const router = new Router({ routes: routesOf(this.#sim, apiVersions), gate: this.#gate, versions: apiVersions });
    this.#server = new Server({
      tls,
      latency,
      faults: this.#faults,
      answer: (request) => router.answer(request),
      notify: (event, value) => this.#notice(event, value),
    });
    this.#seed();
  }

  async listen() {
    const { port, host, tls } = this.#options;
    this.port = await this.#server.listen(port, host);
    this.url = `${tls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${this.port}`;
    this.#sim.url = this.url;
    return this;
  }

  get requests() {
    return this.#server.requests;
  }

  get runs() {
    return this.#sim.runs.list().map(runView);
  }

  get flows() {
    return this.#sim.workflows.list().map(flowView);
  }

  addFlow({ deployed = true, ...seed }) {
    const flow = this.#sim.workflows.add(seed);
    if (deployed) {
      this.#sim.workflows.deploy(flow, 0);
    }
    return flowView(flow);
  }

  addFault(rule) {
    return this.#faults.add(rule);
  }

  clearFaults() {
    this.#faults.clear();
  }

  reset() {
    this.#sim.runs.clear();
    this.#sim.workflows.clear();
    this.#faults.clear();
    this.#gate.rate.clear();
    this.requests.length = 0;
    this.#aborts.length = 0;
    this.#seed();
  }

  /** Resolves with what has happened already, if it has, else with what happens next. */
  waitFor(event, matches = () => true) {
    const found = this.#past(event).find(matches);
    if (found !== undefined) {
      return Promise.resolve(found);
    }
    return new Promise((resolve) => {
      const listener = (value) => {
        if (matches(value)) {
          this.off(event, listener);
          resolve(value);
        }
      };
      this.on(event, listener);
    });
  }

  async close() {
    this.#sim.runs.clear();
    this.#sim.workflows.clear();
    await this.#server.close();
  }

  #past(event) {
    const runs = this.#sim.runs.list();
    const past = {
      request: () => this.requests,
      abort: () => this.#aborts,
      run: () => runs.map(runView),
      deploy: () => this.flows.filter(({ deployed }) => deployed),
      status: () => runs.flatMap((run) => run.history.map(({ status }) => ({ ...runView(run), status }))),
    };
    if (!Object.hasOwn(past, event)) {
      throw new TypeError(`unknown event: ${event}`);
    }
    return past[event]();
  }

  #notice(event, value) {
    if (event === 'request') {
      this.emit('request', value);
      return;
    }
    const abort = { request: value.request, run: value.run && runView(value.run) };
    this.#aborts.push(abort);
    this.emit('abort', abort);
  }

  #seed() {
    const { flows, faults, knowledge } = this.#options;
    this.#sim.knowledge = seedBases(knowledge);
    for (const seed of flows) {
      this.addFlow(seed);
    }
    for (const rule of faults) {
      this.addFault(rule);
    }
  }

  #links({ id, flowId }, contextId) {
    return {
      apiUrl: `${this.url}/api/resume/${flowId}/${id}/${contextId}`,
      uiUrl: `${this.url}/resume/${flowId}/${id}`,
      contextId,
      executionId: id,
      workflowId: flowId,
    };
  }
}

/** Starts an emulator; see `index.d.ts` for the options. */
async function startEmulator({
  port = 0,
  host = '127.0.0.1',
  apiVersions = ['v2', 'v1'],
  apiKey = 'sim-emulator-key',
  workspaceId = WORKSPACE_ID,
  latency = 0,
  runMs = 20,
  deployMs = 20,
  flows = [],
  knowledge = [],
  faults = [],
  rateLimit,
  tls,
} = {}) {
  const unknown = apiVersions.filter((version) => !GENERATIONS.includes(version));
  if (unknown.length > 0) {
    throw new TypeError(`unknown API version: ${unknown.join(', ')}`);
  }
  const seeds = { flows, knowledge, faults };
  const timing = { latency, runMs, deployMs, rateLimit };
  return new Emulator({ port, host, apiVersions, apiKey, workspaceId, tls, ...seeds, ...timing }).listen();
}

module.exports = { startEmulator, documents };
