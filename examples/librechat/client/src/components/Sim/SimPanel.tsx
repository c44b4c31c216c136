// A panel to choose a flow, start it and follow it. A streamed run ends when the panel is left.

import { FlowPicker, RunCard, useRunFlow } from '@sigmacode/sim-adapter/client/react';
import { useState } from 'react';

import SimKit from './SimKit';

function Panel() {
  const run = useRunFlow();
  const [title, setTitle] = useState('');
  return (
    <>
      <FlowPicker
        busy={run.busy === 'start'}
        onStart={(flow, input) => {
          setTitle(flow.name);
          run.start(flow.id, { input });
        }}
      />
      {(run.run || run.busy || run.error) && <RunCard run={run} title={title} />}
    </>
  );
}

export default function SimPanel() {
  return (
    <SimKit>
      <Panel />
    </SimKit>
  );
}
