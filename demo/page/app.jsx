// The page: who is signed in, in which language, and the workbench of that user.

import { createClient } from '@sigmacode/sim-adapter/client';
import { SimProvider } from '@sigmacode/sim-adapter/client/react';
import { useState } from 'react';
import { io } from 'socket.io-client';

import { signIn } from './session.mjs';
import { Workbench } from './workbench.jsx';

const LANGUAGES = { en: 'English', de: 'Deutsch' };

function SignIn({ onSignedIn }) {
  const [problem, setProblem] = useState(null);

  async function submit(event) {
    event.preventDefault();
    const name = event.nativeEvent.submitter.value || new FormData(event.currentTarget).get('username');
    try {
      await onSignedIn(await signIn(name));
    } catch (error) {
      setProblem(error.message);
    }
  }

  return (
    <form className="panel" onSubmit={submit}>
      <h2>Sign in</h2>
      <p>Any name will do. Open the page twice to be two people at once: neither sees the other's runs.</p>
      <label htmlFor="username">Name</label>
      <div className="row">
        <input id="username" name="username" defaultValue="ada" autoComplete="username" />
        <button type="submit">Sign in</button>
      </div>
      <div className="row">
        <button type="submit" className="quiet" value="ada">
          As ada
        </button>
        <button type="submit" className="quiet" value="ben">
          As ben
        </button>
      </div>
      {problem && <p role="alert">{problem}</p>}
    </form>
  );
}

export function App() {
  const [signedIn, setSignedIn] = useState(null);
  const [locale, setLocale] = useState('en');

  /** A client belongs to one user: what it knows goes with it. With `?socket` it follows runs over Socket.io. */
  async function enter({ user, ...options }) {
    const asked = new URLSearchParams(location.search).has('socket');
    const { realtimeUrl } = asked ? await createClient(options).config() : { realtimeUrl: null };
    const auth = (give) => give({ token: options.getToken() });
    const socket = realtimeUrl ? io(realtimeUrl, { auth }) : undefined;
    setSignedIn({ user, socket, client: createClient({ ...options, socket }) });
  }

  function leave() {
    signedIn.socket?.disconnect();
    setSignedIn(null);
  }

  return (
    <>
      <header>
        <h1>Sim adapter demo</h1>
        <div className="row">
          <label htmlFor="language">Language</label>
          <select id="language" value={locale} onChange={(event) => setLocale(event.target.value)}>
            {Object.entries(LANGUAGES).map(([tag, name]) => (
              <option key={tag} value={tag}>
                {name}
              </option>
            ))}
          </select>
        </div>
      </header>
      <main>
        {signedIn === null ? (
          <SignIn onSignedIn={enter} />
        ) : (
          <SimProvider client={signedIn.client} locale={locale}>
            <p className="row">
              Signed in as {signedIn.user.username}, role {signedIn.user.role}.
              <button type="button" className="quiet" onClick={leave}>
                Sign out
              </button>
            </p>
            <Workbench key={signedIn.user.username} />
          </SimProvider>
        )}
      </main>
    </>
  );
}
