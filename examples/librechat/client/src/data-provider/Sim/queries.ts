// What is read from Sim, for LibreChat's query cache.

import { flowQuery, flowsQuery, runQuery } from '@sigmacode/sim-adapter/client';
import { useQuery } from '@tanstack/react-query';

import { simClient } from '~/sim';

export const useSimFlowsQuery = () => useQuery({ ...flowsQuery(simClient), staleTime: 30_000 });

export const useSimFlowQuery = (flowId: string) => useQuery(flowQuery(simClient, flowId));

/** A run as it is now, once. To see it change, use the card. */
export const useSimRunQuery = (runId: string) => useQuery(runQuery(simClient, runId));
