// A run as a card in a chat message. The run goes on whether or not anybody looks at the message.

import { RunCard, useRun } from '@sigmacode/sim-adapter/client/react';

import SimKit from './SimKit';

function Card({ runId }: { runId: string }) {
  return <RunCard run={useRun(runId)} />;
}

export default function SimRun({ runId }: { runId: string }) {
  return (
    <SimKit>
      <Card runId={runId} />
    </SimKit>
  );
}
