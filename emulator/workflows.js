'use strict';

/**
 * The workflows of the emulated workspace and their deployments. It knows nothing of HTTP or of runs.
 */

const { randomUUID } = require('node:crypto');
const { emptyState, readDocument } = require('./document');

class Workflows {
  #flows = new Map();
  #timers = new Set();
  #lastCreated = 0;

  /** `notify(flow)` is told of each deployment that becomes active. */
  constructor({ deployMs, notify }) {
    Object.assign(this, { deployMs, notify });
  }

  /** Newest first, as Sim lists them. */
  list() {
    return [...this.#flows.values()].reverse();
  }

  get(id) {
    return this.#flows.get(id);
  }

  /** Stores a workflow read from `document`, or an empty one; throws `InvalidDocument`. */
  add({ id = randomUUID(), name, description, document, folderPath = '/', folderId = null }) {
    const read = document === undefined ? { state: emptyState() } : readDocument(document);
    // No two workflows share a creation time, so that a page of a list always has one order.
    this.#lastCreated = Math.max(Date.now(), this.#lastCreated + 1);
    const createdAt = new Date(this.#lastCreated);
    const flow = {
      id,
      name: name ?? read.name ?? 'Imported Workflow',
      description: description ?? read.description ?? null,
      state: read.state,
      folderPath,
      folderId,
      createdAt,
      updatedAt: createdAt,
      runCount: 0,
      lastRunAt: null,
      version: 0,
      active: null,
      attempt: null,
    };
    this.#flows.set(id, flow);
    return flow;
  }

  /** Begins a deployment; it becomes active after `deployMs`. The promise resolves then. */
  deploy(flow, deployMs = this.deployMs) {
    flow.version += 1;
    const attempt = {
      id: randomUUID(),
      deploymentVersionId: randomUUID(),
      version: flow.version,
      status: 'preparing',
      requestedAt: new Date(),
      activatedAt: null,
    };
    flow.attempt = attempt;
    return this.#later(deployMs, () => this.#activate(flow, attempt));
  }

  undeploy(flow) {
    flow.active = null;
    flow.attempt = null;
  }

  clear() {
    for (const timer of this.#timers) {
      clearTimeout(timer);
    }
    this.#timers.clear();
    this.#flows.clear();
  }

  #later(ms, work) {
    if (ms === 0) {
      work();
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#timers.delete(timer);
        work();
        resolve();
      }, ms);
      this.#timers.add(timer);
    });
  }

  #activate(flow, attempt) {
    if (flow.attempt !== attempt) {
      attempt.status = 'superseded';
      return;
    }
    attempt.status = 'active';
    attempt.activatedAt = new Date();
    flow.active = {
      deploymentVersionId: attempt.deploymentVersionId,
      version: attempt.version,
      deployedAt: attempt.activatedAt,
    };
    this.notify(flow);
  }
}

module.exports = { Workflows };
