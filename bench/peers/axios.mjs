// What most would write: jsonwebtoken, express-rate-limit, axios, `res.json`.

import http from 'node:http';

import axios from 'axios';

import { expressRateLimit, jsonwebtokenKey, jsonwebtokenText } from './guards.mjs';
import { handles, jsonHead, outgoing, receipt } from './output.mjs';
import { routes } from './routes.mjs';

function peer(settings, authenticate) {
  const headersOf = outgoing(settings);
  const mint = handles(settings);
  const client = axios.create({
    baseURL: settings.upstream,
    httpAgent: new http.Agent({ keepAlive: true }),
    // Without redirects axios uses node:http itself. The body is JSON already.
    maxRedirects: 0,
    proxy: false,
    transformRequest: (body) => body,
    maxBodyLength: Number.POSITIVE_INFINITY,
  });
  return routes([authenticate, expressRateLimit(settings)], {
    async run({ req, res, flow, path, body, runId, user, requestId }) {
      const headers = headersOf({ method: 'POST', path, body, user, requestId, runId });
      const { data } = await client.post(path, body, { headers });
      const id = mint(user, flow, data.data.runId);
      res
        .status(202)
        .set(jsonHead(requestId))
        .json(receipt(req.baseUrl, id, 'queued'));
    },
    async proxy({ res, path, user, requestId }) {
      const { status, data } = await client.get(path, {
        headers: headersOf({ method: 'GET', path, user, requestId }),
      });
      res.status(status).set(jsonHead(requestId)).json(data);
    },
  });
}

export const axiosText = (settings) => peer(settings, jsonwebtokenText(settings));
export const axiosKey = (settings) => peer(settings, jsonwebtokenKey(settings));
