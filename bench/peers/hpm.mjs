// A configured proxy instead of a client: http-proxy-middleware 3 behind the same guards, its answers read and rewritten
// where the contract says so.

import http from 'node:http';

import { createProxyMiddleware, responseInterceptor } from 'http-proxy-middleware';

import { expressRateLimit, jsonwebtokenKey } from './guards.mjs';
import { handles, jsonHead, outgoing, receipt } from './output.mjs';
import { failed, routes } from './routes.mjs';

export function hpm(settings) {
  const headersOf = outgoing(settings);
  const mint = handles(settings);

  /** Sends what the route decided on, not what the client sent. */
  function proxyReq(proxyRequest, req) {
    const { headers, body } = req.call;
    for (const name of proxyRequest.getHeaderNames()) {
      if (name !== 'host' && name !== 'connection') proxyRequest.removeHeader(name);
    }
    for (const name of Object.keys(headers)) proxyRequest.setHeader(name, headers[name]);
    if (body === undefined) return;
    proxyRequest.setHeader('content-length', Buffer.byteLength(body));
    proxyRequest.write(body);
  }

  const common = {
    target: settings.upstream,
    changeOrigin: true,
    agent: new http.Agent({ keepAlive: true }),
    pathRewrite: (_path, req) => req.call.path,
  };
  const error = (problem, req, res) => failed(res, req.requestId, problem);

  const started = createProxyMiddleware({
    ...common,
    selfHandleResponse: true,
    on: {
      error,
      proxyReq,
      proxyRes: responseInterceptor(async (bytes, _proxyRes, req, res) => {
        const { data } = JSON.parse(bytes);
        const head = jsonHead(req.requestId);
        for (const name of Object.keys(head)) res.setHeader(name, head[name]);
        return JSON.stringify(receipt(req.baseUrl, mint(req.user.id, req.params.id, data.runId), 'queued'));
      }),
    },
  });
  const passed = createProxyMiddleware({
    ...common,
    on: { error, proxyReq, proxyRes: (proxyRes, req) => Object.assign(proxyRes.headers, jsonHead(req.requestId)) },
  });

  return routes([jsonwebtokenKey(settings), expressRateLimit(settings)], {
    run({ req, res, path, body, runId, user, requestId }) {
      req.call = { path, body, headers: headersOf({ method: 'POST', path, body, user, requestId, runId }) };
      return started(req, res);
    },
    proxy({ req, res, path, user, requestId }) {
      req.method = 'GET';
      req.call = { path, headers: headersOf({ method: 'GET', path, user, requestId }) };
      return passed(req, res);
    },
  });
}
