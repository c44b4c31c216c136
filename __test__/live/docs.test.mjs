// What docs/live.md says is so: its examples run, and its table names the events that there are.

import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { documents, startAll } from '../http/support.mjs';
import { start } from './support.mjs';

const page = readFileSync(new URL('../../docs/live.md', import.meta.url), 'utf8');
const blocks = [...page.matchAll(/```js\n([\s\S]*?)```/g)].map(([, code]) => code);
const names = blocks.map((code) => code.match(/^async function\*? (\w+)/m)[1]);
const examples = new Function(`${blocks.join('\n')}\nreturn { ${names.join(', ')} };`)();

const headers = { 'x-test-user': 'ann' };

/** A bearer token that expires in two seconds, as far as anybody can read. */
function brief() {
  const payload = Buffer.from(JSON.stringify({ exp: Math.floor(Date.now() / 1000) + 2 })).toString('base64url');
  return { ...headers, authorization: `Bearer e30.${payload}.signature` };
}

const EXPECTED = {
  async readEvents() {
    const body = ': heartbeat\n\nid: 1\nevent: chunk\ndata: {"chunk":"a: b"}\n\nevent: reauth\ndata: {}\n\n';
    const events = [];
    for await (const event of examples.readEvents(new Response(body))) events.push(event);
    expect(events).toEqual([
      { id: '1', event: 'chunk', data: { chunk: 'a: b' } },
      { id: undefined, event: 'reauth', data: {} },
    ]);
  },

  async ask() {
    const { sim, host } = await startAll(['agent']);
    sim.addFlow({ id: 'draft', document: documents.echo, deployed: false });
    expect(await examples.ask(host.url, headers, 'hello there you')).toEqual({
      text: 'You said: hello there you',
      status: 'completed',
    });
    await expect(examples.ask(host.url, {}, 'hello')).rejects.toThrow('unauthenticated');
  },

  async watchToEnd() {
    const { sim, host, call } = await startAll(['wait']);
    const id = await start(host, 'wait');
    let connections = 0;
    const fresh = () => {
      connections += 1;
      return brief();
    };
    const run = examples.watchToEnd(host.url, fresh, id);
    // The first connection ends with its token.
    await expect.poll(() => connections, { timeout: 10_000 }).toBe(2);
    await call('POST', `/runs/${id}/cancel`);
    expect((await run).status).toBe('cancelled');
    sim.reset();
    await expect(examples.watchToEnd(host.url, () => headers, id)).rejects.toThrow('not_found');
  },
};

it('every example of the page is run below', () => {
  expect(names).toEqual(Object.keys(EXPECTED));
});

it.each(Object.entries(EXPECTED))('%s does what the page says', (_name, run) => run());

it('the page’s table has exactly the events that the sources send', () => {
  const listed = [...page.matchAll(/^\| `(\w+)` \| `\{/gm)].map(([, name]) => name);
  const sources = ['src/run/stream.rs', 'src/run/watch.rs', 'express/response.js'];
  const text = sources.map((name) => readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8')).join('\n');
  const sent = [...text.matchAll(/(?:send|send_as|Event|#last)\(\s*['"](\w+)['"],/g)].map(([, name]) => name);
  expect([...new Set(listed)].sort()).toEqual([...new Set(sent)].sort());
});
