// The kit's parts on a bare page: `?watch=<run>` shows that run's card, otherwise a flow can be started. `?locale` is the
// kit's language.

import '@sigmacode/sim-adapter/client/style.css';

import { createClient } from '@sigmacode/sim-adapter/client';
import { FlowPicker, RunCard, SimProvider, useRun, useRunFlow } from '@sigmacode/sim-adapter/client/react';
import { StrictMode, version } from 'react';
import { createRoot } from 'react-dom/client';

const asked = new URLSearchParams(location.search);
const client = createClient({ getToken: () => 'token', refresh: async () => 'token' });

// For a test that is another part of the page.
globalThis.simClient = client;

function Watched({ runId }) {
  return <RunCard run={useRun(runId)} title="Watched" />;
}

function Started() {
  const run = useRunFlow();
  return (
    <>
      <FlowPicker busy={run.busy === 'start'} onStart={(flow, input) => run.start(flow.id, { input })} />
      {run.run && <RunCard run={run} title="Started" />}
    </>
  );
}

createRoot(document.getElementById('page')).render(
  <StrictMode>
    <h1>React {version}</h1>
    <SimProvider client={client} locale={asked.get('locale') ?? undefined}>
      {asked.has('watch') ? <Watched runId={asked.get('watch')} /> : <Started />}
    </SimProvider>
  </StrictMode>,
);
