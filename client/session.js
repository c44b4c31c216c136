// One run as a person follows it: start, watch, answer, cancel, with a state to draw. It knows no framework; React's
// hooks only hand its state on.

import { newKey } from './client.js';
import { SimError } from './error.js';
import { isFinal } from './events.js';
import { apply, EMPTY, withRun } from './view.js';

/** Tokens come faster than a screen shows them: they are told together, this often. */
const TELL_MS = 32;

const FREQUENT = ['chunk', 'thinking', 'reset', 'tool'];

/** @param {import('./index.js').RunView['run']} run */
const pauseOf = (run) => (run && 'paused' in run ? run.paused?.contextId : undefined);

export class RunSession {
  #client;
  #view = EMPTY;
  #listeners = new Set();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #telling;
  #abort = new AbortController();
  /** The start whose outcome is not known, and its key. */
  #open = { gesture: '', key: '' };

  /** @param {import('./index.js').SimClient} client */
  constructor(client) {
    this.#client = client;
  }

  // Bound, so that they can be handed on as they are.
  getView = () => this.#view;

  subscribe = (/** @type {() => void} */ listener) => {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  };

  /**
   * Starts a run and follows it to its end. A second call while the first waits for its answer does nothing.
   *
   * @param {string} flowId
   * @param {import('./index.js').StartOptions} [options]
   */
  start = async (flowId, { input = {}, mode = 'stream' } = {}) => {
    if (this.#view.busy === 'start') return;
    const signal = this.#begin({ ...EMPTY, busy: 'start', connection: 'connecting' });
    const key = this.#keyOf(JSON.stringify([flowId, input]));
    await this.#guard(signal, async () => {
      if (mode === 'async') {
        const run = await this.#client.runFlow(flowId, { input, idempotencyKey: key, signal });
        this.#take({ type: 'run', run }, signal);
        await this.#follow(run.id, signal);
        return;
      }
      let paused = null;
      for await (const event of this.#client.streamRun(flowId, { input, idempotencyKey: key, signal })) {
        this.#take(event, signal);
        if (event.type === 'final' && event.run.status === 'paused') paused = event.run.id;
      }
      if (paused !== null) await this.#follow(paused, signal);
    });
  };

  /**
   * Follows a run that was started elsewhere.
   *
   * @param {string} runId
   */
  watch = async (runId) => {
    const signal = this.#begin({ ...EMPTY, connection: 'connecting' });
    await this.#guard(signal, () => this.#follow(runId, signal));
  };

  cancel = () => this.#steer('cancel', (run) => this.#client.cancelRun(run.id));

  /**
   * Answers what the run waits for.
   *
   * @param {object} [input]
   */
  resume = (input = {}) =>
    this.#steer('resume', (run) => {
      const contextId = pauseOf(run);
      return this.#client.resumeRun(run.id, { input, ...(contextId && { contextId }) });
    });

  /**
   * Stops following, and nothing more is sent or shown until the next `start` or `watch`. A run in stream mode ends with its
   * reader; any other one goes on.
   */
  close = () => {
    this.#abort.abort();
    clearTimeout(this.#telling);
    this.#telling = undefined;
    this.#view = { ...this.#view, connection: 'closed', busy: null };
  };

  /** @param {import('./index.js').RunView} view */
  #begin(view) {
    this.#abort.abort();
    this.#abort = new AbortController();
    this.#set(view);
    return this.#abort.signal;
  }

  /** @param {string} runId @param {AbortSignal} signal */
  async #follow(runId, signal) {
    for await (const event of this.#client.watchRun(runId, { signal })) this.#take(event, signal);
  }

  /**
   * One key per gesture: a start that failed without an answer is the same gesture when it is tried again.
   *
   * @param {string} gesture
   */
  #keyOf(gesture) {
    if (this.#open.gesture !== gesture) this.#open = { gesture, key: newKey() };
    return this.#open.key;
  }

  /** @param {AbortSignal} signal @param {() => Promise<void>} work */
  async #guard(signal, work) {
    try {
      await work();
      if (!signal.aborted) this.#set({ ...this.#view, connection: 'closed', busy: null });
    } catch (error) {
      if (signal.aborted) return;
      const known = asSimError(error);
      // A plain refusal: nothing was started, so the next try is a new gesture.
      if (known.status >= 400 && known.status < 500) this.#open = { gesture: '', key: '' };
      this.#set({ ...this.#view, connection: 'closed', busy: null, error: known });
    }
  }

  /**
   * @param {'cancel' | 'resume'} busy
   * @param {(run: NonNullable<import('./index.js').RunView['run']>) => Promise<import('./index.js').Run>} act
   */
  async #steer(busy, act) {
    const { run } = this.#view;
    const { signal } = this.#abort;
    if (run === null || this.#view.busy !== null || signal.aborted) return;
    this.#set({ ...this.#view, busy, error: null });
    let error = null;
    try {
      this.#learn(await act(run), run, signal);
    } catch (caught) {
      error = asSimError(caught);
      // Somebody was quicker: what they did is what there is to see.
      if (error.code === 'conflict' && !signal.aborted) error = await this.#reread(run, error, signal);
    }
    if (!signal.aborted) this.#set({ ...this.#view, busy: null, error });
  }

  /**
   * @param {NonNullable<import('./index.js').RunView['run']>} before what was seen when the conflict arose
   * @param {SimError} error
   * @param {AbortSignal} signal
   */
  async #reread(before, error, signal) {
    try {
      const run = await this.#client.run(before.id, { signal });
      this.#learn(run, before, signal);
      return run.status === before.status ? error : null;
    } catch {
      return error;
    }
  }

  /**
   * The answer to something that was asked. Meanwhile the run may have been left, have ended with more than this says, or
   * have come to its next pause.
   *
   * @param {import('./index.js').Run} run
   * @param {NonNullable<import('./index.js').RunView['run']>} before what was seen when it was asked
   * @param {AbortSignal} signal
   */
  #learn(run, before, signal) {
    const { run: seen } = this.#view;
    if (signal.aborted || isFinal(seen?.status)) return;
    if (isFinal(run.status) || pauseOf(seen) === pauseOf(before)) this.#set(withRun(this.#view, run));
  }

  /** @param {import('./index.js').RunEvent} event @param {AbortSignal} signal of the run that it tells of */
  #take(event, signal) {
    if (signal.aborted) return;
    let view = apply(this.#view, event);
    if (event.type === 'run') {
      this.#open = { gesture: '', key: '' };
      view = { ...view, busy: null };
    }
    if (view.startedAt === null && view.run !== null) {
      const told = 'startedAt' in view.run && view.run.startedAt ? Date.parse(view.run.startedAt) : Date.now();
      view = { ...view, startedAt: told };
    }
    if (isFinal(view.run?.status)) view = { ...view, connection: 'closed' };
    this.#view = view;
    if (!FREQUENT.includes(event.type)) this.#tell();
    else this.#telling ??= setTimeout(() => this.#tell(), TELL_MS);
  }

  /** @param {import('./index.js').RunView} view */
  #set(view) {
    this.#view = view;
    this.#tell();
  }

  #tell() {
    clearTimeout(this.#telling);
    this.#telling = undefined;
    for (const listener of this.#listeners) listener();
  }
}

/** @param {unknown} error */
function asSimError(error) {
  if (error instanceof SimError) return error;
  return new SimError({ code: 'client_error', message: String(error) }, { cause: error });
}
