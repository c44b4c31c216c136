/**
 * A small Sim in this process, for tests: real sockets, real state, three generations of Sim's API, and faults on demand.
 */
import type { EventEmitter } from 'node:events';
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';

/** `v2` and `v1` are Sim's own APIs; `flows` is that of older forks of the integration. */
export type ApiVersion = 'v2' | 'v1' | 'flows';

/** How far a run is. */
export type RunStatus = 'queued' | 'running' | 'paused' | 'completed' | 'failed' | 'cancelled';

/** A workflow document in Sim's export format (or a bare state, `{data}` around either, or JSON text of these). */
export type WorkflowDocument = string | Record<string, unknown>;

/** A workflow to begin with. */
export interface FlowSeed {
  /** A fresh UUID when absent. */
  id?: string;
  /** The document's own name when absent. */
  name?: string;
  description?: string;
  document: WorkflowDocument;
  /** Default true. */
  deployed?: boolean;
}

/** A piece of a document that can be found. */
export interface KnowledgeChunk {
  content: string;
  documentId?: string;
  documentName?: string | null;
  sourceUrl?: string | null;
  metadata?: Record<string, string | number | boolean>;
}

/** A knowledge base to begin with. Similarity is the share of the query's words that a chunk contains. */
export interface KnowledgeSeed {
  id?: string;
  name: string;
  description?: string | null;
  embeddingModel?: string;
  chunks?: KnowledgeChunk[];
}

/** Which requests a fault meets. Of several rules that match, the first one added counts. */
interface FaultRule {
  /** Every method when absent. */
  method?: string;
  /** The exact path without query, or a pattern for it; every path when absent. */
  path?: string | RegExp;
  /** How often it happens; without end when absent. */
  times?: number;
  /** From 0 to 1; default 1. */
  probability?: number;
  /** Seed for `probability`: the same seed gives the same sequence. Default 1. */
  seed?: number;
  /**
   * Whether the request takes effect before its answer is spoiled. Default true for `cut-head`, `cut-body`, `truncated`
   * and `delay`, false for the others.
   */
  apply?: boolean;
}

/** Answers that are whole, and wrong. */
export interface AnswerFault extends FaultRule {
  kind: 'status' | 'html' | 'empty' | 'redirect';
  /** Default: `status` 500, `html` 502, `empty` 200, `redirect` 302. */
  status?: number;
  /** For `status`: text as it is, anything else as JSON. */
  body?: unknown;
  headers?: OutgoingHttpHeaders;
  /** For `status`: the `Retry-After` header, in seconds or as an HTTP date. */
  retryAfter?: number | string;
  /** For `html`: the page's title. */
  title?: string;
  /** For `redirect`: the `Location` header. */
  location?: string;
}

/** Answers that are not whole. */
export interface BrokenFault extends FaultRule {
  /**
   * - `truncated`: `Content-Length` announces the whole body, the connection ends before it.
   * - `cut-head`: ends in the middle of the headers.
   * - `cut-body`: a whole head, then a chunk that announces more than it brings.
   * - `huge-header`: one header of 10 MiB.
   */
  kind: 'truncated' | 'cut-head' | 'cut-body' | 'huge-header';
  /** For `truncated` and `cut-body`: how many bytes of the body arrive; default half of them. */
  after?: number;
}

/** Answers that do not come, or late. */
export interface SilentFault extends FaultRule {
  /**
   * - `hang`: never answers.
   * - `delay`: the proper answer, after `ms`.
   * - `reset`: reads the request, then resets the connection before any byte of an answer.
   * - `refuse`: resets the connection unread. Without `method` and `path` this happens to a new connection at once.
   */
  kind: 'hang' | 'delay' | 'reset' | 'refuse';
  /** For `delay`: milliseconds; default 1000. */
  ms?: number;
}

/** Something that goes wrong with the requests that its rule meets. */
export type Fault = AnswerFault | BrokenFault | SilentFault;

/** A request as it arrived. */
export interface RecordedRequest {
  method: string;
  /** Path and query, as sent. */
  path: string;
  headers: IncomingHttpHeaders;
  rawHeaders: string[];
  /** The exact bytes; of a body above 10 MiB, its beginning. */
  body: Buffer;
  /** Milliseconds since the epoch. */
  at: number;
  /** Which connection it came on, counted from 1. */
  connection: number;
}

/** A run, as far as it is. */
export interface RunRecord {
  id: string;
  flowId: string;
  status: RunStatus;
  input: unknown;
}

/** A workflow that the emulator holds. */
export interface FlowRecord {
  id: string;
  name: string;
  description: string | null;
  deployed: boolean;
  /** The document's state, with the ids that the import gave. */
  state: Record<string, unknown>;
}

/** A client that closed its connection before its answer was complete, and the run that it waited for, if any. */
export interface AbortRecord {
  request: RecordedRequest;
  run: RunRecord | null;
}

/** What it tells by `on`, `once` and `waitFor`, by name. */
export interface EmulatorEvents {
  /** A request has been read. */
  request: RecordedRequest;
  /** A run has been accepted. */
  run: RunRecord;
  /** A run has a status, the first one included. */
  status: RunRecord;
  /** A deployment has become active. */
  deploy: FlowRecord;
  /** A client has gone away. */
  abort: AbortRecord;
}

/** How it begins, and how it behaves. */
export interface EmulatorOptions {
  /** Default 0: any free port. */
  port?: number;
  /** Default `127.0.0.1`. */
  host?: string;
  /** Default `['v2', 'v1']`. */
  apiVersions?: ApiVersion[];
  /** Default `sim-emulator-key`. */
  apiKey?: string;
  /** Default: a fixed UUID. */
  workspaceId?: string;
  /** How long each answer waits, in ms; default 0. */
  latency?: number | ((request: RecordedRequest) => number);
  /** How long a run takes, in ms; default 20. A streamed agent spreads its chunks over as long again. */
  runMs?: number;
  /** How long a deployment takes, in ms; default 20. v1's deploy answers after it, v2's before. */
  deployMs?: number;
  flows?: FlowSeed[];
  knowledge?: KnowledgeSeed[];
  faults?: Fault[];
  /** Requests per minute with the key, in all; without it no request is too many. */
  rateLimit?: number;
  /** PEM; with it the emulator speaks HTTPS. */
  tls?: { key: string | Buffer; cert: string | Buffer };
}

/** A running emulator. */
export interface Emulator extends EventEmitter<{ [Event in keyof EmulatorEvents]: [EmulatorEvents[Event]] }> {
  /** For example `http://127.0.0.1:40321`. */
  readonly url: string;
  readonly port: number;
  readonly apiKey: string;
  readonly workspaceId: string;
  /** What was received since the start or the last `reset`, at most the last 100,000. */
  readonly requests: RecordedRequest[];
  /** Oldest first. */
  readonly runs: RunRecord[];
  /** Newest first, as Sim lists them. */
  readonly flows: FlowRecord[];
  /** Adds a workflow, deployed unless the seed says otherwise. */
  addFlow(seed: FlowSeed): FlowRecord;
  /** Adds a fault; the answer removes it. */
  addFault(fault: Fault): () => void;
  /** Removes every fault. */
  clearFaults(): void;
  /** Back to the seeds and faults that it was started with. */
  reset(): void;
  /**
   * Resolves with the first event that matches: one that has happened since the start or the last `reset`, or else the
   * next one. For future events only there is `on`.
   */
  waitFor<Event extends keyof EmulatorEvents>(
    event: Event,
    matches?: (value: EmulatorEvents[Event]) => boolean,
  ): Promise<EmulatorEvents[Event]>;
  /** Ends every connection and every run. */
  close(): Promise<void>;
}

/** Starts one; it listens when this resolves. */
export function startEmulator(options?: EmulatorOptions): Promise<Emulator>;

/** Ready-made workflow documents, one for each way that a run can go. */
export const documents: {
  /** Completes; its output is `{result: <the input>, stdout: ''}`. */
  readonly echo: Record<string, unknown>;
  /** Fails with `Work: Line 1: ... - boom`. */
  readonly fail: Record<string, unknown>;
  /** Runs for 20 seconds unless it is cancelled. */
  readonly wait: Record<string, unknown>;
  /** Pauses for a person; the answer is `{approved, comment?}`. */
  readonly approve: Record<string, unknown>;
  /** Ends in a Response block: v1's sync mode answers 201 with its author's own body and headers. */
  readonly response: Record<string, unknown>;
  /** An agent that repeats the message, streamed in several chunks. */
  readonly agent: Record<string, unknown>;
};
