/**
 * From an Express server to Sim (github simstudioai/sim): a router, and the same as functions.
 *
 * A **flow** is what Sim calls a workflow; a **run** is one execution of it. Timestamps are RFC 3339 in UTC, durations
 * are milliseconds. Every function rejects with a {@link SimError}, except that an aborted call rejects with its
 * signal's reason and a call with an option of the wrong type with a `TypeError`.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';

/** Why a call failed. `docs/errors.md` says of each when it happens and what to do. */
export type SimErrorCode =
  | 'unauthenticated'
  | 'forbidden'
  | 'plan_required'
  | 'path_not_allowed'
  | 'not_found'
  | 'conflict'
  | 'flow_not_deployed'
  | 'idempotency_mismatch'
  | 'invalid_request'
  | 'payload_too_large'
  | 'rate_limited'
  | 'quota_exceeded'
  | 'not_configured'
  | 'upstream_unreachable'
  | 'upstream_auth'
  | 'upstream_error'
  | 'upstream_quota'
  | 'upstream_busy'
  | 'upstream_timeout'
  | 'circuit_open'
  | 'shutting_down';

/** What is known beyond the code. Which members are there depends on the code. */
export interface SimErrorDetails {
  /** `invalid_request`: every offending field, by its JSON path (`''` is the body itself). */
  fields?: { path: string; message: string }[];
  /** `conflict`: for example `already_finished`, `already_resumed`, `in_progress`, `locked`, `not_paused`. */
  reason?: string;
  /** The flow that was created before a later step, its deployment, failed. */
  flowId?: string;
  /** The handle of a run that was started, or may have been: ask for its status before starting another. */
  runId?: string;
  /** `not_configured`: everything wrong with the options and the environment. */
  problems?: { name: string; message: string }[];
  [more: string]: unknown;
}

/** What a call rejects with: the `error` of the HTTP contract, `{code, message, details?, requestId}`. */
export class SimError extends Error {
  name: 'SimError';
  readonly code: SimErrorCode;
  /** The HTTP status that the router answers for this code. */
  readonly status: number;
  /** Also in Sim's own log, as `x-request-id`. Absent for errors of the configuration. */
  readonly requestId: string | undefined;
  /** After how many milliseconds it may be tried again; whole seconds, from `Retry-After`. */
  readonly retryAfterMs: number | undefined;
  readonly details: SimErrorDetails | undefined;
}

/** `queued`, `pending` and `running` move on by themselves; `paused` waits for a person or a time; the others are final. */
export type RunStatus = 'queued' | 'pending' | 'running' | 'paused' | 'completed' | 'failed' | 'cancelled';

/** A flow as lists show it. */
export interface Flow {
  id: string;
  name: string;
  description: string | null;
  deployed: boolean;
}

/** A flow with the inputs of its start block. `type` is Sim's word: `string`, `number`, `boolean`, `object`, … */
export interface FlowDetail extends Flow {
  inputs: { name: string; type: string }[];
}

/** A flow that was just made. */
export interface CreatedFlow {
  id: string;
  /** As Sim stored it: the draft's, else the document's. */
  name: string;
  /** Where a person opens it in Sim's editor; null without `SIM_PUBLIC_URL`. */
  url: string | null;
}

/** A run that goes on. */
export interface RunReceipt {
  /** The run's handle, opaque and bound to the user who started it: `[A-Za-z0-9_-]{1,512}`. */
  id: string;
  status: RunStatus;
  /** Path of the router's route for {@link Run}; without its mount point when it was started by a function. */
  statusUrl: string;
  /** The same for the run's events (`text/event-stream`). */
  eventsUrl: string;
}

/** A run, as far as Sim tells it now. */
export interface Run {
  /** The run's handle, as in {@link RunReceipt}. */
  id: string;
  flowId: string;
  status: RunStatus;
  startedAt: string | null;
  endedAt: string | null;
  durationMs: number | null;
  /** What the flow produced; null until it has. The addresses at which Sim itself resumes a pause are left out. */
  output: unknown;
  /** Why the flow failed, in its author's words. A failed run is no failed call. */
  error: { message: string; code: string | null; blockId?: string; blockName?: string } | null;
  /** What Sim says it cost, as Sim says it. */
  cost: unknown;
  paused: {
    contextId: string | null;
    /** `human` or `time`. */
    kind: string | null;
    pausedAt: string | null;
    resumeAt: string | null;
  } | null;
}

/**
 * What {@link SimAdapter.streamRun} and {@link SimAdapter.watchRun} yield: a server-sent event of the router's streams.
 * `id` is the `Last-Event-ID` to go on from.
 */
export type RunEvent = { id?: string } & (
  | { event: 'run'; data: { run: RunReceipt } }
  | { event: 'status' | 'final'; data: { run: Run } }
  | { event: 'chunk'; data: { blockId: string; chunk: string } }
  /** What a block had said so far does not count. */
  | { event: 'reset'; data: { blockId: string } }
  | { event: 'thinking'; data: { blockId: string; data: unknown } }
  | { event: 'tool'; data: { blockId: string; phase: 'start' | 'end'; id: string; name: string; status?: string } }
  /** A block failed in its stream; the run goes on. */
  | { event: 'error'; data: { blockId: string | null; message: string } }
);

/** Whether Sim answers. It never names Sim's host. */
export interface Health {
  /** Sim is reachable and the circuit is closed. */
  ok: boolean;
  sim: {
    reachable: boolean;
    /** null until it is known. */
    apiVersion: 'v2' | 'v1' | 'flows' | null;
    /** null when Sim did not answer. */
    latencyMs: number | null;
  };
  breaker: 'closed' | 'open' | 'half_open';
}

/** A flow to create: at least one of `name` and `document`. */
export interface FlowDraft {
  /** 1 to 200 characters; wins over the document's name. */
  name?: string;
  /** At most 2000 characters. */
  description?: string;
  /** A document that Sim exported: an object, or the JSON text of one. */
  document?: Record<string, unknown> | string;
  /**
   * Deploys it too, and waits until it can run. Sim's v2 API needs a personal key for that. When it fails, the flow
   * exists all the same: the error's `details.flowId`.
   */
  deploy?: boolean;
  /**
   * Adds a Webhook block before each end of the flow, so that watchers hear of it without waiting for the next poll:
   * docs/hooks.md. Needs `callbackUrl` and `webhookSecret`, else `invalid_request`.
   */
  notify?: boolean;
}

/** On whose behalf a call is made. A run belongs to the user who started it; nobody else's handle opens it. */
export interface SimUser {
  /** 1 to 256 bytes. */
  id: string;
  tenantId?: string;
  /** Names the plan, unless `planOf` says otherwise; `ADMIN` may deploy without plans. */
  role?: string;
  [more: string]: unknown;
}

/** What every call takes. */
export interface CallOptions {
  /** Aborting it cancels the request to Sim, and the call rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Longest time for the whole call, in milliseconds; then `upstream_timeout`. Default: the adapter's `timeoutMs`. */
  timeoutMs?: number;
  /** Without a user it is the host's own call: its runs belong to the host, and `canRunFlow` is not asked. */
  user?: SimUser;
  /** 1 to 128 of `[A-Za-z0-9._:-]`, sent to Sim as `x-request-id`; a new one when it is absent or of another form. */
  requestId?: string;
}

export interface ListOptions extends CallOptions {
  /** `nextCursor` of the page before. */
  cursor?: string | null;
  /** 1 to 100; default 50. */
  limit?: number;
}

export interface RunOptions extends CallOptions {
  /** A JSON object; default `{}`. */
  input?: Record<string, unknown>;
  /**
   * `async` (default) answers as soon as the run is started; `sync` when it has ended or pauses, or after `timeoutMs`
   * (1 to 600000; default: the adapter's `syncTimeoutMs`), then with a receipt: the run goes on.
   */
  mode?: 'async' | 'sync';
  /**
   * 1 to 255 visible ASCII characters (IETF draft-ietf-httpapi-idempotency-key-header). Calls with one key start one
   * run. With another `input`: `idempotency_mismatch`. Without a handle secret: `not_configured`, unless the adapter is
   * told `singleProcess: true`.
   */
  idempotencyKey?: string;
}

/** `timeoutMs` is the longest time until the first event. */
export interface StreamOptions extends CallOptions {
  /** A JSON object; default `{}`. */
  input?: Record<string, unknown>;
  /** As in {@link RunOptions}. A run that the key started before is told by its `status`. */
  idempotencyKey?: string;
  /** Whose outputs are streamed, for example `agent.content`; default: as Sim chooses. */
  selectedOutputs?: string[];
}

/** `timeoutMs` is the longest time until the first event. */
export interface WatchOptions extends CallOptions {
  /** The `id` of the last event that arrived: the state that it told is not told again. */
  lastEventId?: string;
}

export interface ResumeOptions extends CallOptions {
  /** What the paused flow asked for. */
  input?: Record<string, unknown>;
  /** Which pause; default: the one that the run waits at. */
  contextId?: string;
}

/** One call of Sim's API within the allow-list. */
export interface ProxyRequest {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** For example `/api/v2/workflows`; without query. */
  path: string;
  query?: Record<string, string>;
  body?: unknown;
}

/** What a log line says, as fields. Never a secret, a body or Sim's host name. docs/operate.md lists the events. */
export interface LogFields {
  /** For example `request_failed`, `circuit_open`, `redis_unavailable`. */
  event: string;
  /** `request_failed`: why. The following fields go with that event too. */
  code?: SimErrorCode;
  /** The HTTP status that goes with the code. */
  status?: number;
  /** The label `operation` of the metrics. */
  operation?: string;
  /** Also in the client's answer and in Sim's log, as `x-request-id`. */
  requestId?: string;
  /** How long the request took, in milliseconds. */
  durationMs?: number;
  /** How often Sim was called, the first time included. */
  tries?: number;
  /** How long those calls took together, in milliseconds. */
  upstreamMs?: number;
  /** The status of Sim's last answer, if there was one. */
  upstreamStatus?: number;
  /** How many failures of this code were not logged since the line before. */
  suppressed?: number;
}

/** Takes the lines of the adapter's log. winston, pino and `console` fit as they are. */
export interface Logger {
  /** An outage has ended. */
  info?(message: string, fields: LogFields): void;
  /** Something works, with less than was configured. */
  warn?(message: string, fields: LogFields): void;
  /** A request failed, or Sim is away. Without it, these go to `warn`. */
  error?(message: string, fields: LogFields): void;
}

/**
 * What configures an adapter. Each setting with a variable beside it may come from the environment; an option wins, an
 * empty variable counts as unset. All that is wrong is listed at once, in {@link SimErrorDetails.problems}.
 */
export interface AdapterOptions {
  /** Where Sim is: http or https, a sub-path is allowed. Unset: every call fails with `not_configured`. `SIM_BASE_URL` */
  baseUrl?: string;
  /** Required with `baseUrl`. `SIM_API_KEY` */
  apiKey?: string;
  /** Default `auto`: asks Sim which of them it has. `SIM_API_VERSION` */
  apiVersion?: 'auto' | 'v2' | 'v1' | 'flows';
  /** The workspace of lists and drafts; v1 and v2 need it for those. `SIM_WORKSPACE_ID` */
  workspaceId?: string;
  /** Sim's editor as browsers reach it: the only source of `flow.url`. `SIM_PUBLIC_URL` */
  publicUrl?: string;
  /** Socket.io address as browsers reach it: `GET /config` tells it. `SIM_PUBLIC_WS_URL` */
  publicWsUrl?: string;
  /** Where Sim reaches {@link simHooks}, http or https. `SIM_CALLBACK_URL` */
  callbackUrl?: string;
  /**
   * Root of the secrets that Sim signs hooks with: 32 bytes or more; of several the first is given to new flows, all are
   * accepted. `SIM_WEBHOOK_SECRET`
   */
  webhookSecret?: string | string[];
  /** Root of run handles and run ids: 32 bytes or more; of several the first is the newest. `SIM_HANDLE_SECRET` */
  handleSecret?: string | string[];
  /** Signs each request to Sim (RFC 9421): 32 bytes or more; of several the first signs. `SIM_SIGNING_SECRET` */
  signingSecret?: string | string[];
  /** Longest time for one call to Sim, in ms; 1 to 600000, default 30000. `SIM_TIMEOUT_MS` */
  timeoutMs?: number;
  /** Longest time until a connection stands, in ms; 1 to 60000, default 5000. `SIM_CONNECT_TIMEOUT_MS` */
  connectTimeoutMs?: number;
  /** How long calls to Sim pause after five failures in a row, in ms; 1 to 600000, default 10000. `SIM_CIRCUIT_OPEN_MS` */
  circuitOpenMs?: number;
  /** Longest wait of a run in sync mode, in ms; 1 to 600000, default 30000. `SIM_SYNC_TIMEOUT_MS` */
  syncTimeoutMs?: number;
  /** Largest body of a request, in bytes; 1 KiB to 64 MiB, default 3 MiB. `SIM_MAX_BODY_BYTES` */
  maxBodyBytes?: number;
  /** Largest answer of Sim that is read, in bytes; 1 KiB to 1 GiB, default 32 MiB. `SIM_MAX_ANSWER_BYTES` */
  maxAnswerBytes?: number;
  /** PEM file with further certificate authorities. `SIM_CA_FILE`, else `NODE_EXTRA_CA_CERTS` */
  caFile?: string;
  /** Requests of one user per `userWindow` minutes, 0 to 100000, 0 for no limit; default 240. `SIM_USER_MAX` */
  userMax?: number;
  /** Minutes, 1 to 10080; default 1. `SIM_USER_WINDOW` */
  userWindow?: number;
  /** Requests of one address per `ipWindow` minutes, 0 to 100000, 0 for no limit; default 1200. `SIM_IP_MAX` */
  ipMax?: number;
  /** Minutes, 1 to 10080; default 1. `SIM_IP_WINDOW` */
  ipWindow?: number;
  /** Hooks from one address per `hookIpWindow` minutes, 0 to 100000, 0 for no limit; default 6000. `SIM_HOOK_IP_MAX` */
  hookIpMax?: number;
  /** Minutes, 1 to 10080; default 1. `SIM_HOOK_IP_WINDOW` */
  hookIpWindow?: number;
  /** Plans by name, as docs/plans.md describes them. */
  plans?: Record<string, unknown>;
  /** A JSON or YAML file with the same. `SIM_PLANS_FILE` */
  plansFile?: string;
  /** A user's plan: a function, or a field path such as `subscription.plan`. Default `role`. */
  // biome-ignore lint/suspicious/noExplicitAny: the host's own user, of the host's own type
  planOf?: string | ((user: any) => string | null | undefined | Promise<string | null | undefined>);
  /** Where limits are shared: `redis://` or `rediss://`. Not used while `USE_REDIS` is `false`. `REDIS_URI` */
  redisUri?: string;
  /** `REDIS_KEY_PREFIX` */
  redisKeyPrefix?: string;
  /** `USE_REDIS_CLUSTER` */
  redisCluster?: boolean;
  /** PEM file of the authorities that Redis' certificate is checked against; `REDIS_CA`. */
  redisCa?: string;
  /** What `/proxy` admits beyond its own rules, for example `GET /api/v2/logs`. `SIM_PROXY_RULES` */
  proxyRules?: string | string[];
  /** `host` (default) trusts `req.user`; `jwt` also verifies bearer tokens (HS256) here. */
  auth?: 'host' | 'jwt';
  /** Required with `auth: 'jwt'`; of several all verify. `JWT_SECRET` */
  jwtSecret?: string | string[];
  /** How far clocks may differ, in seconds; 0 to 300, default 0. */
  jwtLeewaySeconds?: number;
  /** Who the bearer of a token is; null for nobody. Needed where plans, `gate` or `canRunFlow` ask about users. */
  resolveUser?(claims: { id: string; [claim: string]: unknown }): SimUser | null | Promise<SimUser | null>;
  /**
   * The host's last word before anything reaches Sim. Only `true` lets it pass; text is a reason that the client is told.
   * `operation` is one of those in docs/plans.md.
   */
  // biome-ignore lint/suspicious/noExplicitAny: the host's own user, of the host's own type
  gate?(user: any, operation: string, flowId?: string): boolean | string | Promise<boolean | string>;
  /** Only this process serves the users, so that an `Idempotency-Key` means something without a handle secret. */
  singleProcess?: boolean;
  /**
   * Whether the user may see and run a flow. Only `true` (or a promise of it) is a yes. When it throws, the call is
   * `forbidden`. `user` is what the call or `req.user` holds.
   */
  // biome-ignore lint/suspicious/noExplicitAny: the host's own user, of the host's own type
  canRunFlow?(user: any, flow: Flow): boolean | Promise<boolean>;
  /** Where log lines go; without it nowhere. */
  logger?: Logger;
}

/** An adapter of its own: configuration, connections to Sim, threads. */
export class SimAdapter {
  /** @throws {SimError} `not_configured`, with everything wrong in `details.problems` */
  constructor(options?: AdapterOptions);
  /** Sim's health; it resolves also when Sim cannot be reached. */
  health(options?: CallOptions): Promise<Health>;
  /** A draft in Sim, deployed when asked. Never tried twice: a lost answer may have made a flow. */
  createFlow(draft: FlowDraft, options?: CallOptions): Promise<{ flow: CreatedFlow }>;
  /** The deployed flows of the workspace that the user may run; read from Sim at most every 30 s. */
  listFlows(options?: ListOptions): Promise<{ flows: Flow[]; nextCursor: string | null }>;
  /** One flow, with the inputs of its start block. */
  getFlow(flowId: string, options?: CallOptions): Promise<{ flow: FlowDetail }>;
  /** Starts a run: one, however often the network makes it be asked for. */
  runFlow(flowId: string, options: RunOptions & { mode: 'sync' }): Promise<{ run: Run | RunReceipt }>;
  runFlow(flowId: string, options?: RunOptions & { mode?: 'async' }): Promise<{ run: RunReceipt }>;
  runFlow(flowId: string, options?: RunOptions): Promise<{ run: Run | RunReceipt }>;
  /** A run as Sim tells it now. */
  runStatus(runId: string, options?: CallOptions): Promise<{ run: Run }>;
  /** Stops a run. One that has ended already: `conflict`, reason `already_finished`. */
  cancelRun(runId: string, options?: CallOptions): Promise<{ run: Run }>;
  /** Answers a pause. The handle stays the one to ask for the run. Never tried twice. */
  resumeRun(runId: string, options?: ResumeOptions): Promise<{ run: Run }>;
  /**
   * Starts a run, when the first event is asked for, and yields its events as they come, up to `final`. Whoever stops
   * iterating stops the run. Sim is read only as fast as events are taken.
   */
  streamRun(flowId: string, options?: StreamOptions): AsyncGenerator<RunEvent, void, undefined>;
  /** Yields a run's `status`, first the present one, then each change until it has ended. Stopping stops nothing. */
  watchRun(runId: string, options?: WatchOptions): AsyncGenerator<RunEvent, void, undefined>;
  /** One call of Sim's API within the allow-list; resolves to Sim's JSON with its run ids replaced by handles. */
  proxy(request: ProxyRequest, options?: CallOptions): Promise<unknown>;
  /**
   * What was counted since the adapter was made, in Prometheus' text format 0.0.4. docs/operate.md lists the names. It
   * works after `close()` too.
   */
  metrics(): string;
  /**
   * Takes no more calls (`shutting_down`), waits for those under way up to `drainMs` (default 5000) and ends the rest
   * with `shutting_down`. A process need not call it to exit.
   */
  close(options?: { drainMs?: number }): Promise<void>;
}

/** Options of {@link simRouter}: an adapter that is there already, or those of a new one. */
export type RouterOptions = { adapter: SimAdapter } | (AdapterOptions & { adapter?: never });

/** Express 4 and 5 middleware. The host's `req.user` is the user; without one every route answers 401. */
export type SimRouter = ((req: IncomingMessage, res: ServerResponse, next: (error?: unknown) => void) => void) & {
  /** What answers behind it, for example to `close()` it before the process ends. */
  readonly adapter: SimAdapter;
};

/** The routes of the HTTP contract (README), mounted wherever the host likes, before or after body parsers. */
export function simRouter(options?: RouterOptions): SimRouter;

/** Options of {@link attachFastLane}: those of a router, and where the client's address is to be found. */
export type FastLaneOptions = RouterOptions & {
  /**
   * The client's address, for the limit of each: the name of a header that a proxy sets, or a function that finds it. Default:
   * the connection's own, which behind a proxy is the proxy's. With a function all connections stay Node's.
   */
  clientIp?: string | ((req: IncomingMessage) => string | undefined);
};

/** A fast lane that is attached. */
export interface FastLane {
  /** What answers behind it. */
  readonly adapter: SimAdapter;
  /** Gives the server back to those who listened to it before. */
  detach(): void;
}

/**
 * Answers the routes of {@link simRouter} on the server itself, ahead of Express: nothing that the host has mounted, such
 * as CORS, helmet, logging or its own sign-in, applies to them. Users are known by their bearer token (`auth: 'jwt'`,
 * the default here) and, with tenants, plans or bans, by `resolveUser`. A connection whose first request is for the mount
 * point is served past Node's HTTP server, until something else comes over it: see docs/performance.md.
 *
 * @param server whose `request` listeners are attached already
 * @param mount a path such as `/api/sim`; a request elsewhere goes to those listeners
 */
export function attachFastLane(server: Server, mount: string, options?: FastLaneOptions): FastLane;

/** Options of {@link simProbes}. */
export interface ProbeOptions {
  /** Default: the adapter that the environment configures, as with `simRouter()`. */
  adapter?: SimAdapter;
}

/** Which adapter: the router's, since its watchers are there. Default: the one that the environment configures. */
export interface SharedOptions {
  adapter?: SimAdapter;
}

/**
 * Two routes for whoever watches the process, without sign-in: GET `/live` is 200 as long as the event loop turns; GET
 * `/ready` is 200 while Sim was reachable within the last 5 s, Redis is there if it is configured, and the adapter is
 * not closing, else 503. No body. Sim is asked at most once in 5 s.
 */
export function simProbes(
  options?: ProbeOptions,
): (req: IncomingMessage, res: ServerResponse, next: (error?: unknown) => void) => void;

/** {@link SimAdapter.metrics} of the adapter that the environment configures. */
export function metrics(): string;
/** The content type of {@link metrics}: `text/plain; version=0.0.4; charset=utf-8`. */
export const METRICS_CONTENT_TYPE: string;

/**
 * Express 4 and 5 middleware for the Webhook blocks of flows, to be mounted before `express.json()` and outside the sign-in.
 * Verifies `X-Webhook-Signature` and makes the watchers of the run, or of its flow, look at Sim at once: docs/hooks.md.
 */
export function simHooks(
  options?: SharedOptions,
): (req: IncomingMessage, res: ServerResponse, next: (error?: unknown) => void) => void;

/** What is used of a Socket.io server, or of one of its namespaces. */
export interface SocketServer {
  /** Adds a listener. */
  // biome-ignore lint/suspicious/noExplicitAny: Socket.io's own types are an optional peer's
  on(event: 'connection', listener: (socket: any) => void): unknown;
  /** Takes it away again. */
  // biome-ignore lint/suspicious/noExplicitAny: as above
  off(event: 'connection', listener: (socket: any) => void): unknown;
}

export interface RealtimeOptions extends SharedOptions {
  /** The signed-in user of a socket. Default: `socket.data.user`, else `socket.request.user`. */
  // biome-ignore lint/suspicious/noExplicitAny: the host's own socket and user, of the host's own types
  userOf?(socket: any): any;
  /**
   * The client's address, for the limit of each. Default: the connection's own (`socket.handshake.address`), which behind a
   * proxy is the proxy's.
   */
  // biome-ignore lint/suspicious/noExplicitAny: as above
  clientIp?(socket: any): string | undefined;
}

/**
 * Watched runs over the host's own Socket.io server (`socket.io` 4): a client sends `sim:join` with `{run, lastEventId?}` and
 * gets each event of `GET /runs/:runId/events` as `sim:event` with `{run, event, id, data}`: docs/realtime.md. The user is
 * checked at each join; an `exp` of `socket.handshake.auth.token` ends what it let in, and the connection joins no more.
 */
export function attachRealtime(
  io: SocketServer,
  options?: RealtimeOptions,
): {
  /** Ends every watch, and takes no more joins. */
  close(): void;
};

/** What is used of a Socket.io client's socket. */
export interface HintSocket {
  /** Adds a listener. */
  // biome-ignore lint/suspicious/noExplicitAny: the fork's own events
  on(event: string, listener: (data: any) => void): unknown;
  /** Takes it away again. */
  // biome-ignore lint/suspicious/noExplicitAny: as above
  off(event: string, listener: (data: any) => void): unknown;
}

export interface HintOptions extends SharedOptions {
  /** By the fork's name of an event: where in its first argument Sim's ids are, as paths such as `data.executionId`. */
  events: Record<string, { run?: string; flow?: string }>;
}

/**
 * Takes events of a fork of Sim as hints: the watchers of the run, or of its flow, look at Sim at once. Gives the function
 * that stops it.
 */
export function listenToSim(socket: HintSocket, options: HintOptions): () => void;
/**
 * The same over a connection of its own, to the fork that `SIM_REALTIME_URL`, `SIM_REALTIME_TOKEN` and `SIM_REALTIME_EVENTS`
 * name; with none of them set it does nothing. It needs `socket.io-client`. Gives the function that disconnects, as
 * the adapter's `close()` does.
 * @throws {SimError} `not_configured`: what is missing or wrong, each in `details.problems`
 */
export function listenToSim(options?: SharedOptions): () => void;

/** {@link SimAdapter.health} of the adapter that the environment configures, made on first use. */
export function health(options?: CallOptions): Promise<Health>;
/** {@link SimAdapter.createFlow} of the adapter that the environment configures. */
export function createFlow(draft: FlowDraft, options?: CallOptions): Promise<{ flow: CreatedFlow }>;
/** {@link SimAdapter.runFlow} of the adapter that the environment configures. */
export const runFlow: SimAdapter['runFlow'];
/** {@link SimAdapter.runStatus} of the adapter that the environment configures. */
export function runStatus(runId: string, options?: CallOptions): Promise<{ run: Run }>;
/** {@link SimAdapter.proxy} of the adapter that the environment configures. */
export function proxy(request: ProxyRequest, options?: CallOptions): Promise<unknown>;

/** Where the nonces of accepted requests are kept. `claim` resolves to true the first time, to false for a replay. */
export interface ReplayStore {
  /**
   * Remembers the key, and tells whether it was new.
   * @param until seconds since 1970: forget the key after that.
   */
  claim(key: string, until: number): boolean | Promise<boolean>;
}

/** How signatures are checked. */
export interface SignatureOptions {
  /** Newest first, each of 32 bytes or more; all verify. Text is split at commas. */
  secrets: string | string[];
  /** How long after `created` a request is accepted; default 60. Clocks may differ by 30 s. */
  maxAgeSeconds?: number;
  /** The largest body that is read; default 10 MiB. */
  maxBodyBytes?: number;
  /** Default: the memory of this process. */
  replayStore?: ReplayStore;
}

/** Who signed, and for whom. `user` is null for the adapter's own calls. */
export interface SignedBy {
  user: string | null;
  tenant: string | null;
  keyid: string;
}

/** A request that is not accepted. `reason` is one of those in docs/signing.md. */
export class SignatureError extends Error {
  readonly code: 'invalid_signature';
  readonly reason: string;
  readonly status: number;
}

/** Accepts a request that the adapter signed (RFC 9421, RFC 9530), once; rejects with a {@link SignatureError}. */
export function verifySignature(request: IncomingMessage, options: SignatureOptions): Promise<SignedBy>;

/** Express 4 and 5 middleware, to be mounted before body parsers: sets `req.signedBy` and `req.rawBody`, or answers. */
export function signatureGuard(
  options: SignatureOptions,
): (req: IncomingMessage, res: ServerResponse, next: (error?: unknown) => void) => Promise<void>;
