// This package, mounted as its documentation says; it verifies the bearer token itself, since all peers do.

import { createRequire } from 'node:module';

const { attachFastLane, simRouter } = createRequire(import.meta.url)('../../index.js');

const options = ({ upstream, apiKey, signingSecret, handleSecret, jwtSecret, userMax, userWindow }) => ({
  auth: 'jwt',
  baseUrl: upstream,
  apiVersion: 'v2',
  ipMax: 0,
  apiKey,
  signingSecret,
  handleSecret,
  jwtSecret,
  userMax,
  userWindow,
});

export const simAdapter = (settings) => simRouter(options(settings));

/** The same ahead of whatever else `server` serves. */
export const fastLane = (server, settings) => attachFastLane(server, '/api/sim', options(settings));
