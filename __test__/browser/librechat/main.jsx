// A chat as LibreChat's is where the example's files meet it: an input that is a form's, messages with fenced blocks, a side
// panel, one query cache. `librechat-data-provider` and TanStack Query are the real ones.

import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { setTokenHeader } from 'librechat-data-provider';
import { StrictMode, useState } from 'react';
import { createRoot } from 'react-dom/client';

import { SimPanel, SimRun } from '~/components/Sim';
import { useCreateSimFlowMutation, useSimFlowsQuery } from '~/data-provider/Sim';

/** What the README has LibreChat's `code` do. */
function Code({ lang, children }) {
  if (lang === 'simrun') {
    return <SimRun runId={String(children).trim()} />;
  }
  return <pre>{children}</pre>;
}

/** Text, and what stands in fences. */
function Message({ text }) {
  const parts = text.split(/```(\w+)\n(.*?)```\n/s);
  return parts.map((part, index) => {
    if (index % 3 === 0) return <p key={index}>{part}</p>;
    if (index % 3 === 2) return null;
    return (
      <Code key={index} lang={part}>
        {parts[index + 1]}
      </Code>
    );
  });
}

function Chat() {
  const [text, setText] = useState('');
  const [messages, setMessages] = useState([]);
  return (
    <section aria-label="Chat">
      {messages.map((message, index) => (
        <Message key={index} text={message} />
      ))}
      <label htmlFor="prompt-textarea">Message</label>
      <textarea id="prompt-textarea" value={text} onChange={(event) => setText(event.target.value)} />
      <button type="button" onClick={() => setMessages([...messages, text])}>
        Send
      </button>
    </section>
  );
}

function Flows() {
  const flows = useSimFlowsQuery();
  const create = useCreateSimFlowMutation();
  const draft = async () => create.mutate(await (await fetch('/drafts/echo')).json());
  return (
    <section aria-label="Flows">
      <button type="button" onClick={draft}>
        Create
      </button>
      <output>{flows.data?.flows.map(({ name }) => name).join(', ')}</output>
    </section>
  );
}

const login = await fetch('/api/auth/login', {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ username: 'ada' }),
});
setTokenHeader((await login.json()).token);

createRoot(document.getElementById('page')).render(
  <StrictMode>
    <QueryClientProvider client={new QueryClient()}>
      <h1>A chat</h1>
      <Flows />
      <section aria-label="Panel">
        <SimPanel />
      </section>
      <Chat />
    </QueryClientProvider>
  </StrictMode>,
);
