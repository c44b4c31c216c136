// The kit's surroundings: LibreChat's client, and the language that LibreChat has set on the page.

import '@sigmacode/sim-adapter/client/style.css';

import { SimProvider } from '@sigmacode/sim-adapter/client/react';
import type { ReactNode } from 'react';

import { simClient } from '~/sim';

export default function SimKit({ children }: { children: ReactNode }) {
  return (
    <SimProvider client={simClient} locale={document.documentElement.lang || 'en'}>
      {children}
    </SimProvider>
  );
}
