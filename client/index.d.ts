/**
 * The browser's side of the adapter, without any framework. Times are RFC 3339 in UTC, durations in ms.
 */

export type RunStatus = 'queued' | 'pending' | 'running' | 'paused' | 'completed' | 'failed' | 'cancelled';

/** A deployed flow, as in a list. */
export interface Flow {
  id: string;
  name: string;
  description: string | null;
  deployed: boolean;
}

/** What a flow or a pause asks for. `type` is Sim's word: `string`, `number`, `boolean`, `object`, `array`, `file[]`. */
export interface Field {
  id?: string;
  name: string;
  type: string;
  label?: string;
  required?: boolean;
  /** What its author filled in. */
  value?: unknown;
}

/** A flow, and what it asks for when it is started. */
export interface FlowDetail extends Flow {
  inputs: Field[];
}

/** A draft that was made in Sim. */
export interface CreatedFlow {
  id: string;
  name: string;
  /** Where the flow opens in Sim's editor; null unless the server knows Sim's public address. */
  url: string | null;
}

/** At most one of `document` and `agentIds`. */
export interface FlowDraft {
  name?: string;
  description?: string;
  /** As exported by Sim; as JSON text it survives hosts that delete keys from bodies. */
  document?: object | string;
  agentIds?: string[];
  template?: string;
  deploy?: boolean;
  /** Whether Sim is to say at once when a run of it nears its end; the server must be set up for that. */
  notify?: boolean;
}

/** A run that was started: how to ask for it. */
export interface RunReceipt {
  /** The run's handle: of use only to the user who started it. */
  id: string;
  status: RunStatus;
  statusUrl: string;
  eventsUrl: string;
}

/** A run as Sim tells it. Times are null until they are known. */
export interface Run {
  id: string;
  flowId: string;
  status: RunStatus;
  startedAt: string | null;
  endedAt: string | null;
  durationMs: number | null;
  output: unknown;
  /** Why the flow failed. A failed run is no failed call. */
  error: { message: string; code: string | null; blockId?: string; blockName?: string } | null;
  cost: unknown;
  paused: {
    contextId: string | null;
    /** `human` or `time`. */
    kind: string | null;
    pausedAt: string | null;
    resumeAt: string | null;
  } | null;
}

/** What a run says while it goes on. `connection` is the client's own: the stream opened, or broke off. */
export type RunEvent =
  | { type: 'run'; run: RunReceipt }
  | { type: 'status'; run: Run }
  | { type: 'final'; run: Run }
  | { type: 'chunk'; blockId: string; chunk: string }
  | { type: 'reset'; blockId: string }
  | { type: 'thinking'; blockId: string; data: string }
  | { type: 'tool'; blockId: string; phase: 'start' | 'end'; id: string; name: string; status?: string }
  | { type: 'error'; blockId: string; message: string }
  | { type: 'connection'; state: 'open' }
  | { type: 'connection'; state: 'lost'; retryInMs: number; error: SimError };

/** LibreChat's own HTTP client (`request` of `librechat-data-provider`) has this shape. */
export interface HostRequest {
  get(url: string, options?: { signal?: AbortSignal }): Promise<unknown>;
  post(url: string, data?: unknown): Promise<unknown>;
}

/** How long the client waits for a stream, and between its tries. */
export interface Timing {
  /** The first wait after a lost connection, in ms; it doubles from try to try. Default 500. */
  firstRetryMs?: number;
  /** The longest such wait, in ms. Default 15 000. */
  longestRetryMs?: number;
  /** Silence after which a stream counts as dead, in ms. The server speaks every 15 s. Default 45 000. */
  silentMs?: number;
}

/** Where the router is, and how its users are signed in. */
export interface ClientOptions {
  /** Where the router is mounted, without a slash at the end. Default `/api/sim`. */
  baseUrl?: string;
  /** The token as it is now, without `Bearer`. */
  getToken(): string | null | undefined | Promise<string | null | undefined>;
  /** Gets a new token, makes `getToken` give it, and resolves with it; with nothing if the session has ended. */
  refresh(): Promise<string | null | undefined>;
  /** The host's own client for JSON calls. Streams, and starts (they carry a header), always go by `fetch`. */
  request?: HostRequest;
  timing?: Timing;
  /**
   * The page's own socket of `socket.io-client`, connected to where `GET /config` says. Watched runs then come over it
   * instead of event streams. Let its `auth` be a function, so that a new token is taken when it connects again.
   */
  socket?: RunSocket;
}

/** What is used of a socket of `socket.io-client`. */
export interface RunSocket {
  readonly connected: boolean;
  readonly active: boolean;
  // biome-ignore lint/suspicious/noExplicitAny: Socket.io's own types are an optional peer's
  on(event: string, listener: (value: any) => void): unknown;
  // biome-ignore lint/suspicious/noExplicitAny: as above
  off(event: string, listener: (value: any) => void): unknown;
  emit(event: string, value: object): unknown;
  // biome-ignore lint/suspicious/noExplicitAny: as above
  timeout(ms: number): { emitWithAck(event: string, value: object): Promise<any> };
  connect(): unknown;
  disconnect(): { connect(): unknown };
}

/** What every read takes. */
export interface CallOptions {
  signal?: AbortSignal | undefined;
}

/** The routes as functions. Each rejects with a `SimError`; a token that has expired is renewed once, and the call repeated. */
export interface SimClient {
  /** What the server says of itself: where its Socket.io is, if it has one. */
  config(options?: CallOptions): Promise<{ realtimeUrl: string | null }>;
  /** A page of the deployed flows that the user may run; `nextCursor` is null on the last. */
  flows(
    options?: { cursor?: string; limit?: number } & CallOptions,
  ): Promise<{ flows: Flow[]; nextCursor: string | null }>;
  /** One flow with its inputs. */
  flow(flowId: string, options?: CallOptions): Promise<FlowDetail>;
  /** Makes a draft in Sim, and deploys it when asked. */
  createFlow(draft: FlowDraft): Promise<CreatedFlow>;
  /** Calls `listener` whenever this client has created a flow, until the function that it answers is called. */
  onFlowCreated(listener: () => void): () => void;
  /** Starts a run that goes on by itself. The key is the same for every try of one gesture; a fresh one by default. */
  runFlow(flowId: string, options?: { input?: object; idempotencyKey?: string } & CallOptions): Promise<RunReceipt>;
  /** Starts a run and gives its events; the last one is `final`. Leaving the loop, or `signal`, cancels the run. */
  streamRun(
    flowId: string,
    options?: { input?: object; idempotencyKey?: string } & CallOptions,
  ): AsyncGenerator<RunEvent, void>;
  /** The run as it is now. */
  run(runId: string, options?: CallOptions): Promise<Run>;
  /** The run's `status` events, over as many connections as it takes, until it has ended. */
  watchRun(runId: string, options?: CallOptions): AsyncGenerator<RunEvent, void>;
  /** Stops a run. One that has ended already: `conflict`, reason `already_finished`. */
  cancelRun(runId: string): Promise<Run>;
  /** Answers a pause; the handle stays the one to ask for the run. */
  resumeRun(runId: string, options?: { input?: object; contextId?: string }): Promise<Run>;
}

/** A client of one mounted router, for the user who has signed in. */
export function createClient(options: ClientOptions): SimClient;

/** A key for one gesture of a person. */
export function newKey(): string;

/** Whether a run in this status has ended for good. A paused one has not. */
export function isFinal(status: string | undefined): boolean;

/**
 * A call that failed. `code` is one of the adapter's (docs/errors.md), or `network` (no answer), `unexpected_answer` (one
 * that the adapter did not write) or `client_error`.
 */
export class SimError extends Error {
  constructor(
    error: { code: string; message: string; details?: unknown; requestId?: string | undefined },
    more?: { status?: number; retryAfterMs?: number | undefined; cause?: unknown },
  );
  readonly code: string;
  /** The HTTP status; 0 when there was no answer. */
  readonly status: number;
  readonly requestId: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly details: unknown;
  /** Whether the same request may well be answered later. */
  get passes(): boolean;
}

/** What one block of a run has said so far. */
export interface BlockView {
  id: string;
  text: string;
  thinking: string;
  tools: { id: string; name: string; phase: 'start' | 'end'; status: string | null }[];
  error: string | null;
}

/** What is to be seen of a run. */
export interface RunView {
  /** The receipt until the first status arrives. */
  run: RunReceipt | Run | null;
  /** When it began, in ms since the epoch, by this browser's clock if nothing better is known. */
  startedAt: number | null;
  /** In the order in which they first spoke. */
  blocks: BlockView[];
  connection: 'closed' | 'connecting' | 'open' | 'lost';
  /** What was asked for and has not been answered. */
  busy: 'start' | 'cancel' | 'resume' | null;
  error: SimError | null;
}

/** How a run is started. */
export interface StartOptions {
  input?: object;
  /** `stream` (default) shows tokens and ends the run with its reader; `async` shows statuses, and the run goes on. */
  mode?: 'stream' | 'async';
}

/** One run as a person follows it. None of its methods rejects: what went wrong is in the view. */
export class RunSession {
  constructor(client: SimClient);
  /** What is to be seen now: the same object until something has changed. */
  getView: () => RunView;
  /** Calls `listener` after each change; what it gives back ends that. */
  subscribe: (listener: () => void) => () => void;
  /** Starts a run and follows it; what was followed before is let go. */
  start: (flowId: string, options?: StartOptions) => Promise<void>;
  /** Follows a run that was started elsewhere, until it has ended. */
  watch: (runId: string) => Promise<void>;
  /** Stops the run. */
  cancel: () => Promise<void>;
  /** Answers the pause that the run waits in. */
  resume: (input?: object) => Promise<void>;
  /** Lets the run go: a streamed one ends, any other goes on unwatched. */
  close: () => void;
}

/** What TanStack Query hands to a query. */
interface QueryContext {
  signal?: AbortSignal | undefined;
}

/** For `useQuery` of TanStack Query 4 or 5. */
export function flowsQuery(client: SimClient): {
  queryKey: string[];
  queryFn: (context?: QueryContext) => Promise<{ flows: Flow[]; nextCursor: string | null }>;
};
/** The same for one flow. */
export function flowQuery(
  client: SimClient,
  flowId: string,
): { queryKey: string[]; queryFn: (context?: QueryContext) => Promise<FlowDetail> };
/** The same for a run as it is now. */
export function runQuery(
  client: SimClient,
  runId: string,
): { queryKey: string[]; queryFn: (context?: QueryContext) => Promise<Run> };
/** For `useMutation` of TanStack Query 4 or 5. */
export function createFlowMutation(client: SimClient): {
  mutationKey: string[];
  mutationFn: (draft: FlowDraft) => Promise<CreatedFlow>;
};
