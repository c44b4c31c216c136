// React's end of the client: state that follows a list, a flow, a run. What they are is the client's affair.

import { useCallback, useEffect, useState, useSyncExternalStore } from 'react';

import { RunSession } from '../index.js';
import { useSim } from './context.js';

/** @typedef {import('../index.js').SimError} SimError */

/** The client of the provider above. */
export const useSimClient = () => useSim().client;

/** A session that lives as long as the component. */
function useSession() {
  const { client } = useSim();
  const [session, setSession] = useState(() => ({ client, session: new RunSession(client) }));
  if (session.client !== client) setSession({ client, session: new RunSession(client) });
  return session.session;
}

/** @param {RunSession} session */
function useFollowed(session) {
  const view = useSyncExternalStore(session.subscribe, session.getView, session.getView);
  const { cancel, resume } = session;
  return { ...view, cancel, resume };
}

/** Starts runs, one at a time, and follows the last one. */
export function useRunFlow() {
  const session = useSession();
  useEffect(() => () => session.close(), [session]);
  return { ...useFollowed(session), start: session.start };
}

/**
 * Follows a run that was started elsewhere.
 *
 * @param {string} runId
 */
export function useRun(runId) {
  const session = useSession();
  useEffect(() => {
    session.watch(runId);
    return () => session.close();
  }, [session, runId]);
  return useFollowed(session);
}

/**
 * Loads with `load` until it has succeeded; a new `load` loads anew.
 *
 * @template T
 * @param {((signal: AbortSignal) => Promise<T>) | null} load
 */
function useLoaded(load) {
  const [state, setState] = useState(
    /** @returns {{data: T | null, error: SimError | null, load: unknown}} */ () => ({ data: null, error: null, load }),
  );
  const [round, setRound] = useState(0);
  useEffect(() => {
    if (load === null) return undefined;
    const abort = new AbortController();
    setState((before) => ({ data: before.load === load ? before.data : null, error: null, load }));
    load(abort.signal).then(
      (data) => abort.signal.aborted || setState({ data, error: null, load }),
      (error) => abort.signal.aborted || setState({ data: null, error, load }),
    );
    return () => abort.abort();
  }, [load, round]);
  const current = state.load === load ? state : { data: null, error: null };
  const reload = useCallback(() => setRound((count) => count + 1), []);
  const isLoading = load !== null && current.data === null && current.error === null;
  return { data: current.data, error: current.error, isLoading, reload, setState };
}

/** The deployed flows that the user may run, page by page; read again when this client has created one. */
export function useFlows() {
  const { client } = useSim();
  const load = useCallback((/** @type {AbortSignal} */ signal) => client.flows({ signal }), [client]);
  const { data, error, isLoading, reload, setState } = useLoaded(load);
  useEffect(() => client.onFlowCreated(reload), [client, reload]);
  const cursor = data?.nextCursor ?? null;
  const loadMore = useCallback(async () => {
    if (cursor === null) return;
    try {
      const page = await client.flows({ cursor });
      // Clicked twice, the page comes twice: it follows the list that ends where it begins.
      setState((before) =>
        before.data?.nextCursor === cursor
          ? { ...before, data: { ...page, flows: [...before.data.flows, ...page.flows] } }
          : before,
      );
    } catch (failed) {
      setState((before) => ({ ...before, error: /** @type {SimError} */ (failed) }));
    }
  }, [client, cursor, setState]);
  return { flows: data?.flows ?? [], error, isLoading, reload, hasMore: cursor !== null, loadMore };
}

/**
 * A flow with its inputs.
 *
 * @param {string | null} flowId
 */
export function useFlow(flowId) {
  const { client } = useSim();
  const load = useCallback(
    (/** @type {AbortSignal} */ signal) => client.flow(/** @type {string} */ (flowId), { signal }),
    [client, flowId],
  );
  const { data, error, isLoading, reload } = useLoaded(flowId === null ? null : load);
  return { flow: data, error, isLoading, reload };
}
