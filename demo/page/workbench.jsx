// What a user does: make a flow, start one, follow it, follow another run by its id. All of it is the kit's doing; this
// file only puts its parts on a page.

import { CreateDraftButton, FlowPicker, RunCard, useRun, useRunFlow } from '@sigmacode/sim-adapter/client/react';
import { useEffect, useState } from 'react';

import { loadDrafts } from './session.mjs';

function Create({ words }) {
  const [drafts, setDrafts] = useState([]);
  const [chosen, setChosen] = useState(0);
  useEffect(() => {
    loadDrafts().then(setDrafts);
  }, []);
  const { title: _title, ...draft } = drafts[chosen] ?? {};
  return (
    <section className="panel" aria-labelledby="create">
      <h2 id="create">{words.makeFlow}</h2>
      <label htmlFor="draft">{words.startFrom}</label>
      <select id="draft" value={chosen} onChange={(event) => setChosen(Number(event.target.value))}>
        {drafts.map(({ title }, index) => (
          <option key={title} value={index}>
            {title}
          </option>
        ))}
      </select>
      <CreateDraftButton draft={draft} />
    </section>
  );
}

function Run({ words }) {
  const run = useRunFlow();
  const [mode, setMode] = useState('stream');
  const [title, setTitle] = useState('');

  function start(flow, input) {
    setTitle(flow.name);
    run.start(flow.id, { input, mode });
  }

  return (
    <section className="panel" aria-labelledby="run">
      <h2 id="run">{words.runFlow}</h2>
      <fieldset>
        <legend>{words.how}</legend>
        {Object.entries(words.modes).map(([key, meaning]) => (
          <label key={key} className="row">
            <input type="radio" name="mode" checked={mode === key} onChange={() => setMode(key)} />
            {meaning}
          </label>
        ))}
      </fieldset>
      <FlowPicker onStart={start} busy={run.busy === 'start'} />
      {(run.run || run.busy || run.error) && <RunCard run={run} title={title} />}
      {run.run && (
        <p className="handle">
          {words.run} <code id="handle">{run.run.id}</code>
        </p>
      )}
    </section>
  );
}

function Watched({ words, runId }) {
  return <RunCard run={useRun(runId)} title={words.watched} />;
}

function Watch({ words }) {
  const [runId, setRunId] = useState('');
  function submit(event) {
    event.preventDefault();
    setRunId(new FormData(event.currentTarget).get('run-id').trim());
  }
  return (
    <section className="panel" aria-labelledby="watch">
      <h2 id="watch">{words.watchRun}</h2>
      <form onSubmit={submit}>
        <label htmlFor="run-id">{words.runId}</label>
        <div className="row">
          <input id="run-id" name="run-id" required spellCheck="false" />
          <button type="submit">{words.watch}</button>
        </div>
      </form>
      {runId && <Watched words={words} runId={runId} />}
    </section>
  );
}

export function Workbench({ words }) {
  return (
    <>
      <Run words={words} />
      <Create words={words} />
      <Watch words={words} />
    </>
  );
}
