// What is made in Sim, for LibreChat's query cache. Runs are started by the card's own hook: it keeps one key per gesture.

import {
  type CreatedFlow,
  createFlowMutation,
  type FlowDraft,
  flowsQuery,
  type SimError,
} from '@sigmacode/sim-adapter/client';
import { useMutation, useQueryClient } from '@tanstack/react-query';

import { simClient } from '~/sim';

export function useCreateSimFlowMutation() {
  const queryClient = useQueryClient();
  return useMutation<CreatedFlow, SimError, FlowDraft>({
    ...createFlowMutation(simClient),
    onSuccess: () => queryClient.invalidateQueries(flowsQuery(simClient).queryKey),
  });
}
