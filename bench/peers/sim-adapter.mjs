// This package, mounted as its documentation says; it verifies the bearer token itself, since all peers do.

import { createRequire } from 'node:module';

const { simRouter } = createRequire(import.meta.url)('../../index.js');

export const simAdapter = ({ upstream, apiKey, signingSecret, handleSecret, jwtSecret, userMax, userWindow }) =>
  simRouter({
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
