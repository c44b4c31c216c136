// The page's own words, in the languages that the kit has. What a flow is called is its author's affair.

export const LANGUAGES = { en: 'English', de: 'Deutsch' };

export const WORDS = {
  en: {
    title: 'Sim adapter demo',
    language: 'Language',
    signIn: 'Sign in',
    anyName: "Any name will do. Open the page twice to be two people at once: neither sees the other's runs.",
    name: 'Name',
    as: (name) => `As ${name}`,
    overSocket: 'Follow runs over Socket.io instead of event streams',
    signedIn: ({ username, role }) => `Signed in as ${username}, role ${role}.`,
    signOut: 'Sign out',
    runFlow: 'Run a flow',
    how: 'How',
    modes: {
      stream: 'Stream: tokens as they come; the run ends with this page',
      async: 'In the background: statuses only; the run goes on',
    },
    run: 'Run',
    makeFlow: 'Make a flow',
    startFrom: 'Start from',
    watchRun: 'Watch a run',
    runId: 'Run id',
    watch: 'Watch',
    watched: 'Watched run',
  },
  de: {
    title: 'Demo des Sim-Adapters',
    language: 'Sprache',
    signIn: 'Anmelden',
    anyName: 'Jeder Name geht. Zwei Fenster sind zwei Personen: Keine sieht die Läufe der anderen.',
    name: 'Name',
    as: (name) => `Als ${name}`,
    overSocket: 'Läufe über Socket.io statt über Event-Streams verfolgen',
    signedIn: ({ username, role }) => `Angemeldet als ${username}, Rolle ${role}.`,
    signOut: 'Abmelden',
    runFlow: 'Einen Flow starten',
    how: 'Wie',
    modes: {
      stream: 'Gestreamt: Wort für Wort; der Lauf endet mit dieser Seite',
      async: 'Im Hintergrund: nur der Status; der Lauf geht weiter',
    },
    run: 'Lauf',
    makeFlow: 'Einen Flow anlegen',
    startFrom: 'Vorlage',
    watchRun: 'Einen Lauf verfolgen',
    runId: 'Id des Laufs',
    watch: 'Verfolgen',
    watched: 'Verfolgter Lauf',
  },
};
