// The page: who is signed in, in which language, and the workbench of that user.

import { createClient } from '@sigmacode/sim-adapter/client';
import { SimProvider } from '@sigmacode/sim-adapter/client/react';
import { useEffect, useState } from 'react';
import { io } from 'socket.io-client';

import { signIn } from './session.mjs';
import { LANGUAGES, WORDS } from './words.mjs';
import { Workbench } from './workbench.jsx';

function SignIn({ words, onSignedIn }) {
  const [problem, setProblem] = useState(null);

  async function submit(event) {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const name = event.nativeEvent.submitter.value || form.get('username');
    try {
      await onSignedIn(await signIn(name), form.has('socket'));
    } catch (error) {
      setProblem(error.message);
    }
  }

  return (
    <form className="panel" onSubmit={submit}>
      <h2>{words.signIn}</h2>
      <p>{words.anyName}</p>
      <label className="row">
        <input type="checkbox" name="socket" />
        {words.overSocket}
      </label>
      <label htmlFor="username">{words.name}</label>
      <div className="row">
        <input id="username" name="username" defaultValue="ada" autoComplete="username" />
        <button type="submit">{words.signIn}</button>
      </div>
      <div className="row">
        {['ada', 'ben'].map((name) => (
          <button key={name} type="submit" className="quiet" value={name}>
            {words.as(name)}
          </button>
        ))}
      </div>
      {problem && <p role="alert">{problem}</p>}
    </form>
  );
}

export function App() {
  const [signedIn, setSignedIn] = useState(null);
  const [locale, setLocale] = useState('en');
  const words = WORDS[locale];
  useEffect(() => {
    document.documentElement.lang = locale;
  }, [locale]);

  /** A client belongs to one user: what it knows goes with it. */
  async function enter({ user, signOut, ...options }, overSocket) {
    const { realtimeUrl } = overSocket ? await createClient(options).config() : { realtimeUrl: null };
    const auth = (give) => give({ token: options.getToken() });
    const socket = realtimeUrl ? io(realtimeUrl, { auth }) : undefined;
    setSignedIn({ user, signOut, socket, client: createClient({ ...options, socket }) });
  }

  async function leave() {
    setSignedIn(null);
    signedIn.socket?.disconnect();
    await signedIn.signOut();
  }

  return (
    <>
      <header>
        <h1>{words.title}</h1>
        <div className="row">
          <label htmlFor="language">{words.language}</label>
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
          <SignIn words={words} onSignedIn={enter} />
        ) : (
          <SimProvider client={signedIn.client} locale={locale}>
            <p className="row">
              {words.signedIn(signedIn.user)}
              <button type="button" className="quiet" onClick={leave}>
                {words.signOut}
              </button>
            </p>
            <Workbench key={signedIn.user.username} words={words} />
          </SimProvider>
        )}
      </main>
    </>
  );
}
