// What all components share: the client, the language. Set once around them by `SimProvider`.

import { createContext, createElement, useContext, useMemo } from 'react';

import { texts } from './texts.js';

/** @typedef {{client: import('../index.js').SimClient, locale: string, t: import('./words.js').Texts}} Shared */

const Context = createContext(/** @type {Shared | null} */ (null));

/** @param {import('../react.js').SimProviderProps} props */
export function SimProvider({ client, locale = 'en', children }) {
  const language = locale.toLowerCase().split(/[-_]/)[0];
  const t = language === 'de' ? texts.de : texts.en;
  const shared = useMemo(
    // `de_AT`, as some hosts have it, is no language tag to a browser.
    () => ({ client, locale: language === 'de' ? locale.replaceAll('_', '-') : 'en', t }),
    [client, locale, language, t],
  );
  return createElement(Context.Provider, { value: shared }, children);
}

export function useSim() {
  const shared = useContext(Context);
  if (shared === null) throw new Error('There is no <SimProvider client={…}> above this component');
  return shared;
}
