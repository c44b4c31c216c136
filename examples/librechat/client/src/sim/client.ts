// One client for LibreChat's whole front end: its base path, its token, its renewal, its own HTTP client.

import { createClient } from '@sigmacode/sim-adapter/client';
import { apiBaseUrl, getTokenHeader, request } from 'librechat-data-provider';

/** The token that LibreChat's axios sends, as it is at this moment. */
const getToken = () => getTokenHeader()?.replace(/^Bearer /, '');

/** Renews the session as LibreChat does, and tells the rest of the page. */
async function refresh(): Promise<string | undefined> {
  const token = (await request.refreshToken())?.token;
  if (token) request.dispatchTokenUpdatedEvent(token);
  return token;
}

export const simClient = createClient({ baseUrl: `${apiBaseUrl()}/api/sim`, getToken, refresh, request });
