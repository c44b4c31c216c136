// The kit's parts in a real browser, with a server that answers as a test says. It must not know any component.

import { once } from 'node:events';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import path from 'node:path';

import express from 'express';
import { build } from 'vite';

import { json, stream } from '../client/support.mjs';
import { atEnd, builtPage, openBrowser, openWindow } from './support.mjs';

export { event, receipt, run, status } from '../client/support.mjs';
export { inspect, shows } from './support.mjs';

const require = createRequire(import.meta.url);

/** The versions of React that the kit is for, and where each is. */
const REACTS = {
  18: { react: path.dirname(require.resolve('react')), 'react-dom': path.dirname(require.resolve('react-dom')) },
  19: { react: path.dirname(require.resolve('react-19')), 'react-dom': path.dirname(require.resolve('react-dom-19')) },
};

/** The bare page with a version of React, in the form that complains: answers its folder. */
export function kitPage(version) {
  return builtPage((outDir) =>
    build({
      root: path.join(import.meta.dirname, 'kit'),
      configFile: false,
      logLevel: 'warn',
      resolve: { alias: REACTS[version] },
      define: { 'process.env.NODE_ENV': '"development"' },
      build: { outDir, emptyOutDir: true, minify: false },
    }),
  );
}

/** A server with the page. `answers` are functions of response and request, by route. */
async function serveKit(page, answers) {
  const requests = [];
  const app = express();
  app.use(express.static(page));
  app.use('/api/sim', express.json(), (req, res) => {
    const route = `${req.method} ${req.path}`;
    requests.push({ route, body: req.body });
    const unknown = json(404, { error: { code: 'not_found', message: route } });
    return (answers[route] ?? unknown)(res, req);
  });
  const server = createServer(app).listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEnd(() => new Promise((closed) => server.close(closed).closeAllConnections()));
  return { url: `http://127.0.0.1:${server.address().port}/`, requests };
}

/** A window that shows the page. `sent(route)` are the bodies that came there. */
export async function openKit(page, answers, { query = '', ...options } = {}) {
  const { url, requests } = await serveKit(page, answers);
  const window = await openWindow(await openBrowser(options), url + query);
  const sent = (route) => requests.filter((request) => request.route === route).map(({ body }) => body);
  return { window, sent };
}

/** A window that watches run-1: its stream tells `told`, and more by `say`. What `resume` brings is `/resume`'s answer. */
export async function openWatched(page, told, { resumed, ...options } = {}) {
  let out;
  const answers = {
    'GET /runs/run-1/events': (res) => {
      out = res;
      return stream(told, 'open')(res);
    },
    'POST /runs/run-1/resume': (res) => json(200, { run: resumed })(res),
  };
  const { window, sent } = await openKit(page, answers, { query: '?watch=run-1', ...options });
  const card = window.getByRole('article', { name: 'Watched' });
  return { window, card, say: (text) => out.write(text), resumes: () => sent('POST /runs/run-1/resume') };
}
