'use strict';

/**
 * Runs: their ids (each claimed once), their state machine, cancel and resume. It knows nothing of HTTP.
 *
 * queued -> running -> completed | failed | paused | cancelled, and paused -> running while a resume is under way.
 */

const { randomUUID } = require('node:crypto');
const { setTimeout: delay } = require('node:timers/promises');
const { execute } = require('./execute');
const { pauseOutput } = require('./blocks');

const FINAL = new Set(['completed', 'failed', 'cancelled']);
const COST = 0.005;

/** Runs beyond this number are forgotten, oldest first. */
const MAX_RUNS = 100_000;

class Run {
  #settle;

  constructor({ id, flow, input, mode, requestId, parent = null }) {
    Object.assign(this, { id, flow, input, mode, requestId, parent });
    this.flowId = flow.id;
    this.status = 'queued';
    this.history = [];
    this.logId = randomUUID();
    this.deploymentVersionId = flow.active?.deploymentVersionId ?? null;
    this.startedAt = new Date();
    this.endedAt = null;
    this.output = null;
    this.error = null;
    this.pauses = [];
    this.byId = {};
    this.spans = [];
    this.child = null;
    this.abort = new AbortController();
    this.done = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  get final() {
    return FINAL.has(this.status);
  }

  /** Pauses and final states settle `done`: there is something to answer with. */
  settle() {
    this.#settle(this);
  }

  get durationMs() {
    return this.endedAt === null ? null : this.endedAt - this.startedAt;
  }

  get cost() {
    return this.endedAt === null ? null : { total: COST };
  }
}

class Runs {
  #runs = new Map();

  /** `notify(event, run)` is told of each new run and each change of status; `linksOf(run, contextId)` gives resume links. */
  constructor({ runMs, notify, linksOf }) {
    Object.assign(this, { runMs, notify, linksOf });
  }

  list() {
    return [...this.#runs.values()];
  }

  get(id) {
    return this.#runs.get(id);
  }

  /** The run of that id, if it is one of that workflow's. */
  of(flowId, id) {
    const run = this.#runs.get(id);
    return run?.flowId === flowId ? run : undefined;
  }

  /** Starts a run, or answers null when its id has been used: the claim and the start are one step. */
  start({ id = randomUUID(), timeoutMs, onFrame = () => {}, ...rest }) {
    if (this.#runs.has(id)) {
      return null;
    }
    const run = this.#add(new Run({ id, ...rest }));
    this.#begin(run, { memory: undefined, timeoutMs, onFrame });
    return run;
  }

  /** Says what the cancellation found: `cancelled`, or the status that it found the run in. */
  cancel(run) {
    if (run.final) {
      return run.status;
    }
    const wasPaused = run.status === 'paused';
    if (run.child && !run.child.final) {
      this.#finish(run.child, 'cancelled');
    }
    this.#finish(run, 'cancelled');
    return wasPaused ? 'paused' : 'recorded';
  }

  /** Answers a pause with a new run that goes on: `{child}`, or `{refusal: 'no_pause' | 'no_point' | 'resumed'}`. */
  resume(run, contextId, answer, { requestId, onFrame = () => {} }) {
    // A pause belongs to the first run, also when a resumed run met it.
    if (run.parent || run.pauses.length === 0) {
      return { refusal: 'no_pause' };
    }
    const point = run.pauses.find((pause) => pause.contextId === contextId);
    if (!point) {
      return { refusal: 'no_point' };
    }
    if (point.resumed || run.status !== 'paused') {
      return { refusal: 'resumed' };
    }
    point.resumed = true;
    const memory = { byId: run.byId, after: point.contextId, answer };
    const child = this.#add(
      new Run({ id: randomUUID(), flow: run.flow, input: run.input, mode: run.mode, requestId, parent: run }),
    );
    run.child = child;
    this.#move(run, 'running');
    this.#begin(child, { memory, onFrame });
    return { child };
  }

  /** Cancels what is under way and forgets everything. */
  clear() {
    for (const run of this.#runs.values()) {
      this.cancel(run);
    }
    this.#runs.clear();
  }

  #add(run) {
    this.#runs.set(run.id, run);
    if (this.#runs.size > MAX_RUNS) {
      this.#runs.delete(this.#runs.keys().next().value);
    }
    run.history.push({ status: run.status, at: run.startedAt });
    this.notify('run', run);
    this.notify('status', run);
    return run;
  }

  #move(run, status) {
    run.status = status;
    run.history.push({ status, at: new Date() });
    this.notify('status', run);
  }

  /** An asynchronous run waits in the queue until the next turn of the event loop. */
  #begin(run, { memory, timeoutMs, onFrame }) {
    const timer = timeoutMs === undefined ? null : setTimeout(() => this.#timeOut(run, timeoutMs), timeoutMs);
    const work = () => {
      if (run.final || run.abort.signal.aborted) {
        return Promise.resolve();
      }
      this.#move(run, 'running');
      return this.#work(run, memory, onFrame);
    };
    const started = run.mode === 'async' ? new Promise((resolve) => setImmediate(resolve)).then(work) : work();
    started.finally(() => clearTimeout(timer));
  }

  async #work(run, memory, onFrame) {
    const { signal } = run.abort;
    const sleep = (ms) => (ms > 0 ? delay(ms, undefined, { signal }) : Promise.resolve());
    try {
      await sleep(this.runMs);
      const found = await execute(run.flow.state, run.input, {
        emit: onFrame,
        sleep,
        pace: this.runMs,
        signal,
        memory,
      });
      if (!run.final && !signal.aborted) {
        this.#conclude(run, found);
      }
    } catch (error) {
      // A document that cannot be walked fails its run, as it would in Sim; a cancelled sleep has been dealt with.
      if (!run.final && !signal.aborted) {
        run.error = { message: error.message, full: error.message, code: 'EXECUTION_FAILED' };
        this.#finish(run, 'failed');
      }
    }
  }

  #conclude(run, found) {
    run.spans = found.spans;
    run.byId = found.byId;
    if (found.end === 'completed') {
      run.output = found.output;
      run.lastBlock = found.last;
      this.#finish(run, 'completed');
    } else if (found.end === 'failed') {
      const { block, message } = found;
      run.error = { message, full: `${block.name}: ${message}`, code: 'BLOCK_EXECUTION_FAILED', block };
      run.output = {};
      this.#finish(run, 'failed');
    } else {
      this.#suspend(run, found);
    }
  }

  #suspend(run, { block, outputs }) {
    const contextId = block.id;
    // A resumed run that pauses again leaves its first run waiting: that one is resumed next.
    const owner = run.parent ?? run;
    const links = this.linksOf(owner, contextId);
    const output = pauseOutput(block, { outputs }, links);
    const fields = output.data.inputFormat.map(({ name }) => [name, null]);
    run.spans.at(-1).output = { ...Object.fromEntries(fields), url: links.uiUrl, resumeEndpoint: links.apiUrl };
    owner.pauseId ??= randomUUID();
    owner.pauses.push({ contextId, at: new Date(), links, output, resumed: false });
    Object.assign(owner, { output, byId: run.byId });
    run.output = output;
    this.#finish(run, 'paused');
  }

  #timeOut(run, timeoutMs) {
    if (!run.final && run.status !== 'paused') {
      const message = `Execution timed out after ${timeoutMs / 1000} seconds`;
      run.error = { message, full: message, code: 'TIMEOUT' };
      this.#finish(run, 'failed');
    }
  }

  /** Ends a run (or a part of it, at a pause); a resumed run ends the run that it goes on with, too. */
  #finish(run, status) {
    if (run.final) {
      return;
    }
    run.endedAt = new Date();
    if (status === 'cancelled') {
      run.output = {};
      run.error = { message: 'Execution cancelled', full: 'Execution cancelled', code: 'CANCELLED' };
    }
    this.#move(run, status);
    if (status === 'completed') {
      run.flow.runCount += 1;
      run.flow.lastRunAt = run.endedAt;
    }
    run.settle();
    if (status !== 'paused') {
      run.abort.abort();
    }
    if (run.parent && !run.parent.final) {
      if (status !== 'paused') {
        Object.assign(run.parent, { output: run.output, error: run.error });
      }
      this.#finish(run.parent, status);
    }
  }
}

module.exports = { Runs };
