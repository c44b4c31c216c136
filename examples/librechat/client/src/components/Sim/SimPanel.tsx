// A panel to choose a flow, start it and follow it. A streamed run ends when the panel is left; one in the background goes
// on, and can be put into a message as a card.

import { FlowPicker, RunCard, useRunFlow } from '@sigmacode/sim-adapter/client/react';
import { useState } from 'react';

import { useLocalize } from '~/hooks';
import { addToMessage } from '~/sim';

import SimKit from './SimKit';

function Panel() {
  const localize = useLocalize();
  const run = useRunFlow();
  const [background, setBackground] = useState(false);
  const [started, setStarted] = useState({ title: '', background });
  const runId = run.run?.id;
  return (
    <>
      <label className="flex items-center gap-2 py-2">
        <input type="checkbox" checked={background} onChange={(event) => setBackground(event.target.checked)} />
        {localize('com_ui_sim_background')}
      </label>
      <FlowPicker
        busy={run.busy === 'start'}
        onStart={(flow, input) => {
          setStarted({ title: flow.name, background });
          run.start(flow.id, { input, mode: background ? 'async' : 'stream' });
        }}
      />
      {(runId || run.busy || run.error) && <RunCard run={run} title={started.title} />}
      {runId && started.background && (
        <button type="button" className="btn btn-neutral h-9 w-full" onClick={() => addToMessage(runId)}>
          {localize('com_ui_sim_to_message')}
        </button>
      )}
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
