// Streams that a played Sim sends frame by frame: forms that the emulated one does not make, and streams that break.

import { describe, expect, it } from 'vitest';
import { startAdapter, startHost, startSim } from '../http/support.mjs';
import { begin, FINAL, frame, names, notFound, playSim, runIs, stream } from './support.mjs';

/** A host before a played Sim, and its one stream, read to the end. */
async function played(execute, { status = runIs('completed'), ...options } = {}) {
  const sim = await playSim({ execute, status });
  const adapter = startAdapter(sim, options);
  const host = await startHost(adapter);
  return { sim, adapter, host };
}

async function told(execute, options) {
  const { host } = await played(execute, options);
  const answer = await stream(host, 'f');
  const events = await answer.rest();
  expect(answer.broken).toBe('');
  return events;
}

/** A Sim that sends these pieces, one after another, each in a segment of its own. */
const sends =
  (...pieces) =>
  async (_req, res) => {
    begin(res);
    for (const piece of pieces) {
      await new Promise((resolve) => res.write(piece, resolve));
      await new Promise(setImmediate);
    }
    res.end();
  };

const said = (text, blockId = 'b') => frame({ blockId, chunk: text });

describe('Sim’s frames', () => {
  it('each have one event of ours', async () => {
    const events = await told(
      sends(
        frame({ blockId: 'b', event: 'thinking', data: 'hm' }),
        said('wrong'),
        frame({ blockId: 'b', event: 'chunk_reset' }),
        frame({ blockId: 'b', event: 'tool', phase: 'start', id: '1', name: 'search' }),
        frame({ blockId: 'b', event: 'tool', phase: 'end', id: '1', name: 'search', status: 'success' }),
        frame({ event: 'stream_error', blockId: 'c', error: 'the model is away' }),
        said('right'),
        FINAL,
      ),
    );
    expect(events.slice(1, -1).map(({ event, data }) => [event, data])).toEqual([
      ['thinking', { blockId: 'b', data: 'hm' }],
      ['chunk', { blockId: 'b', chunk: 'wrong' }],
      ['reset', { blockId: 'b' }],
      ['tool', { blockId: 'b', phase: 'start', id: '1', name: 'search' }],
      ['tool', { blockId: 'b', phase: 'end', id: '1', name: 'search', status: 'success' }],
      ['error', { blockId: 'c', message: 'the model is away' }],
      ['chunk', { blockId: 'b', chunk: 'right' }],
    ]);
    expect(events.map(({ id }) => id)).toEqual(['1', '2', '3', '4', '5', '6', '7', '8', '9']);
    expect(events.at(-1).data.run).toMatchObject({ status: 'completed', output: { ok: true } });
  });

  it.each([
    ['"[DONE]"', frame('[DONE]')],
    ['[DONE]', 'data: [DONE]\n\n'],
    ['nothing', ''],
  ])('end with %s', async (_form, done) => {
    const final = frame({ event: 'final', data: { success: true, output: { ok: true } } });
    expect(names(await told(sends(said('a'), final + done)))).toEqual(['run', 'chunk', 'final']);
  });

  it('that Sim adds one day are passed over, as are bytes that are none', async () => {
    const strange = [
      frame({ event: 'progress', percent: 3 }),
      ': comment\n\n',
      'event: x\nid: 9\nretry: 1\n\n',
      'data: {\n\n',
      'data: 7\n\n',
      'data: null\n\n',
      Buffer.from([0xff, 0xfe, 0x0a, 0x0a]),
      '\n\n\n',
    ];
    const events = await told(sends(...strange, said('a'), FINAL));
    expect(names(events)).toEqual(['run', 'chunk', 'final']);
  });

  it('may be cut anywhere, also within a character', async () => {
    const bytes = Buffer.from(said('grüße 🦀') + FINAL);
    const single = Array.from(bytes, (byte) => Buffer.of(byte));
    const events = await told(sends(...single));
    expect(names(events)).toEqual(['run', 'chunk', 'final']);
    expect(events[1].data.chunk).toBe('grüße 🦀');
  });

  it('may end in CR LF', async () => {
    const events = await told(sends((said('a') + said('b') + FINAL).replaceAll('\n', '\r\n')));
    expect(names(events)).toEqual(['run', 'chunk', 'chunk', 'final']);
  });

  it('may be many in one piece', async () => {
    const events = await told(sends(said('x').repeat(5000) + FINAL));
    expect(events).toHaveLength(5002);
    expect(events.at(-1).id).toBe('5002');
  });

  it('may be of 4 MiB', async () => {
    const text = 'ü'.repeat(2 * 1024 * 1024);
    const events = await told(sends(said(text), said('after'), FINAL));
    expect(names(events)).toEqual(['run', 'chunk', 'chunk', 'final']);
    expect(events[1].data.chunk === text).toBe(true);
  });

  it('that spread over lines are one event of one line', async () => {
    const pretty = JSON.stringify({ blockId: 'b', chunk: 'a\nb' }, null, 1);
    const lines = pretty.split('\n').map((line) => `data: ${line}\n`);
    const events = await told(sends(`${lines.join('')}\n`, FINAL));
    expect(events[1].data).toEqual({ blockId: 'b', chunk: 'a\nb' });
  });

  it('cannot make an event of their own', async () => {
    const events = await told(sends(said('x\n\nevent: final\ndata: {"run":{}}\n\n'), FINAL));
    expect(names(events)).toEqual(['run', 'chunk', 'final']);
  });

  it.each([
    [{ event: 'final', data: { success: false, error: 'boom', output: {} } }, 'boom'],
    [{ event: 'error', error: 'boom', blockId: 'b' }, 'boom'],
  ])('of a failure end as failed (%j)', async (last, message) => {
    const events = await told(sends(frame(last), frame('[DONE]')), { status: runIs('failed') });
    const { run } = events.at(-1).data;
    expect([run.status, run.error.message]).toEqual(['failed', message]);
  });

  it('of a pause bring the form, without Sim’s own address', async () => {
    const output = { data: { inputFormat: [{ name: 'ok' }], _resume: { apiUrl: 'http://sim.internal/x' } } };
    const paused = { contextId: 'c', pauseKind: 'human', pausedAt: null, resumeAt: null };
    const events = await told(sends(frame({ event: 'final', data: { success: true, status: 'paused', output } })), {
      status: runIs('paused', { paused }),
    });
    expect(events.at(-1).data.run).toMatchObject({
      status: 'paused',
      output: { data: { inputFormat: [{ name: 'ok' }] } },
      paused: { contextId: 'c', kind: 'human' },
    });
    expect(JSON.stringify(events)).not.toContain('sim.internal');
  });

  it('end with what the record says, where it says more', async () => {
    let reads = 0;
    const late = (req, res) => {
      reads += 1;
      return runIs(reads === 1 ? 'running' : 'completed', { durationMs: 12, cost: { total: 1 } })(req, res);
    };
    const events = await told(sends(FINAL), { status: late });
    expect(events.at(-1).data.run).toMatchObject({ output: { ok: true }, durationMs: 12, cost: { total: 1 } });
  });

  it('end without the record, when it is not to be had', async () => {
    const events = await told(sends(FINAL), { status: (_req, res) => res.writeHead(500).end() });
    expect(events.at(-1).data.run).toMatchObject({ status: 'completed', output: { ok: true }, durationMs: null });
  });
});

describe('a stream of Sim’s that breaks off', () => {
  const breaks = (_req, res) => {
    begin(res);
    res.write(said('a'), () => res.socket.destroy());
  };

  it('goes on with the run’s status, up to its end', async () => {
    const states = ['running', 'running', 'completed'];
    const status = (req, res) =>
      runIs(states.length > 1 ? states.shift() : states[0], { output: { late: 1 } })(req, res);
    const events = await told(breaks, { status });
    expect(names(events)).toEqual(['run', 'chunk', 'status', 'status', 'final']);
    expect(events.at(-2).data).toEqual(events.at(-1).data);
    expect(events.at(-1).data.run).toMatchObject({ status: 'completed', output: { late: 1 } });
  });

  it.each([
    ['in the middle of a frame', (res) => res.end('data: {"blockId":"b","chu')],
    ['before any frame', (res) => res.end()],
    ['with "[DONE]" and no last word', (res) => res.write(frame('[DONE]'))],
    ['with [DONE] and no last word', (res) => res.write('data: [DONE]\n\n')],
  ])('%s does the same', async (_where, end) => {
    const events = await told((_req, res) => end(begin(res)));
    expect(names(events)).toEqual(['run', 'status', 'final']);
  });

  it('ends at a pause, as any stream does', async () => {
    const paused = { contextId: 'c', pauseKind: 'human', pausedAt: null, resumeAt: null };
    const events = await told(breaks, { status: runIs('paused', { paused, output: { data: {} } }) });
    expect(names(events)).toEqual(['run', 'chunk', 'status', 'final']);
    expect(events.at(-1).data.run.status).toBe('paused');
  });

  it('is waited for while Sim cannot be asked', async () => {
    const failures = [503, 404, 500];
    const status = (req, res) => {
      const failure = failures.shift();
      if (failure) return res.writeHead(failure, { 'content-type': 'application/json' }).end('{}');
      return runIs('completed')(req, res);
    };
    expect(names(await told(breaks, { status }))).toEqual(['run', 'chunk', 'status', 'final']);
  });

  it('of a run that nobody knows ends with an error', async () => {
    const events = await told(breaks, { status: notFound });
    expect(names(events)).toEqual(['run', 'chunk', 'error']);
    const { data, id } = events.at(-1);
    expect(id).toBeUndefined();
    expect(data.error).toMatchObject({ code: 'not_found', requestId: expect.any(String) });
  });

  it('with a frame that never ends is given up, and the run told by its status', async () => {
    let sent = 0;
    const piece = Buffer.alloc(256 * 1024, 'x');
    const endless = (_req, res) => {
      begin(res).write('data: {"blockId":"b","chunk":"');
      const write = () => {
        if (res.destroyed) return;
        sent += piece.length;
        res.write(piece, write);
      };
      write();
    };
    const events = await told(endless);
    expect(names(events)).toEqual(['run', 'status', 'final']);
    expect(sent).toBeLessThan(64 * 1024 * 1024);
  });

  it('before it began is asked for again under the same run id, and told once', async () => {
    const ids = [];
    const execute = (req, res) => {
      ids.push(req.headers['x-run-id']);
      if (ids.length === 1) return res.socket.destroy();
      begin(res).end(FINAL);
    };
    expect(names(await told(execute))).toEqual(['run', 'final']);
    expect(ids).toHaveLength(2);
    expect(ids[0]).toBe(ids[1]);
  });

  it('before it began, of a run that had started, goes on with its status', async () => {
    let tries = 0;
    const details = { code: 'RUN_ID_CONFLICT' };
    const execute = (_req, res) => {
      tries += 1;
      if (tries === 1) return res.socket.destroy();
      const body = JSON.stringify({ error: { code: 'CONFLICT', message: 'x', details } });
      res.writeHead(409, { 'content-type': 'application/json' }).end(body);
    };
    const { host } = await played(execute);
    const answer = await stream(host, 'f');
    expect(answer.headers.get('idempotent-replayed')).toBeNull();
    expect(names(await answer.rest())).toEqual(['run', 'status', 'final']);
  });
});

it('an answer that is no event stream is upstream_error in JSON', async () => {
  const { host } = await played((_req, res) => res.writeHead(200, { 'content-type': 'text/html' }).end('<html>'));
  const answer = await stream(host, 'f');
  expect(answer.status).toBe(502);
  expect((await answer.json()).error.code).toBe('upstream_error');
});

it('Sim’s silence after its last word holds nothing up', async () => {
  const execute = (_req, res) => begin(res).write(`${FINAL.split('\n\n')[0]}\n\n`);
  expect(names(await told(execute))).toEqual(['run', 'final']);
});

it('the connections of streams that ended serve the next ones', async () => {
  const sim = await startSim(['agent']);
  const host = await startHost(startAdapter(sim));
  for (let round = 0; round < 3; round += 1) await (await stream(host, 'agent', { input: {} })).rest();
  expect(new Set(sim.requests.map(({ connection }) => connection)).size).toBeLessThanOrEqual(2);
});
