// The agent panel's button: makes a draft in Sim out of the agent that is open.

import { flowsQuery } from '@sigmacode/sim-adapter/client';
import { CreateDraftButton } from '@sigmacode/sim-adapter/client/react';
import { useQueryClient } from '@tanstack/react-query';
import { isEphemeralAgentId } from 'librechat-data-provider';

import { simClient } from '~/sim';

import SimKit from './SimKit';

export default function CreateSimDraft({ agent_id }: { agent_id?: string }) {
  const queryClient = useQueryClient();
  // An agent that is not saved yet has nothing that Sim could be given.
  if (!agent_id || isEphemeralAgentId(agent_id)) return null;
  return (
    <SimKit>
      <CreateDraftButton
        draft={{ agentIds: [agent_id] }}
        className="btn btn-neutral border-token-border-light h-9 w-full"
        onCreated={() => queryClient.invalidateQueries(flowsQuery(simClient).queryKey)}
      />
    </SimKit>
  );
}
