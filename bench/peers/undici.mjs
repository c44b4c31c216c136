// jsonwebtoken, rate-limiter-flexible, undici: `request` for JSON, `stream` for what only passes through.

import { Pool } from 'undici';

import { eventHead, Relay } from './events.mjs';
import { flexibleRateLimit, jsonwebtokenKey } from './guards.mjs';
import { fullRun, handles, jsonHead, outgoing, receipt, sendJson } from './output.mjs';
import { routes } from './routes.mjs';

export function undiciPeer(settings) {
  const pool = new Pool(settings.upstream, { connections: 256 });
  const headersOf = outgoing(settings);
  const mint = handles(settings);

  async function record(flow, runId, user, requestId) {
    const path = `/api/v2/workflows/${flow}/runs/${runId}`;
    const { body } = await pool.request({
      method: 'GET',
      path,
      headers: headersOf({ method: 'GET', path, user, requestId }),
    });
    return (await body.json()).data;
  }

  return routes([jsonwebtokenKey(settings), flexibleRateLimit(settings)], {
    async run({ req, res, flow, path, body, runId, user, requestId }) {
      const headers = headersOf({ method: 'POST', path, body, user, requestId, runId });
      const answer = await pool.request({ method: 'POST', path, headers, body });
      const { data } = await answer.body.json();
      sendJson(res, 202, requestId, receipt(req.baseUrl, mint(user, flow, data.runId), 'queued'));
    },

    async stream({ req, res, flow, path, body, runId, user, requestId }) {
      const headers = headersOf({ method: 'POST', path, body, user, requestId, runId, stream: true });
      const answer = await pool.request({ method: 'POST', path, headers, body });
      res.once('close', () => answer.body.destroy());
      const id = mint(user, flow, runId);
      const relay = new Relay();
      res.writeHead(200, eventHead(requestId));
      res.write(relay.event('run', receipt(req.baseUrl, id, 'running')));
      for await (const bytes of answer.body) {
        const events = relay.feed(bytes);
        if (events !== '' && !res.write(events)) await new Promise((resolve) => res.once('drain', resolve));
      }
      res.end(relay.event('final', fullRun(id, flow, await record(flow, runId, user, requestId))));
    },

    proxy({ res, path, user, requestId }) {
      const headers = headersOf({ method: 'GET', path, user, requestId });
      return pool.stream({ method: 'GET', path, headers }, ({ statusCode, headers: { 'content-length': length } }) => {
        res.writeHead(statusCode, { ...jsonHead(requestId), ...(length && { 'content-length': length }) });
        return res;
      });
    },
  });
}
