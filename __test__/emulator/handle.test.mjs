// What the object that `startEmulator` answers promises to a test: records, events, seeds, reset, TLS and an end.

import { once } from 'node:events';
import { request } from 'node:https';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { documents } from '../../emulator/index.js';
import { selfSigned } from './certificate.mjs';
import { call, start, startWith } from './support.mjs';

describe('requests', () => {
  it('are recorded with the exact bytes, headers as sent, and the connection', async () => {
    const emulator = await start();
    const body = '{ "name":"\u00e4" }';
    await call(emulator, 'POST', '/api/v2/workflows?x=1', { body, headers: { 'X-Mixed-Case': 'a' } });
    const [record] = emulator.requests;
    expect(record).toMatchObject({ method: 'POST', path: '/api/v2/workflows?x=1', connection: 1 });
    expect(record.body.equals(Buffer.from(body))).toBe(true);
    expect(record.headers['x-mixed-case']).toBe('a');
    expect(record.rawHeaders).toContain('a');
    expect(record.at).toBeLessThanOrEqual(Date.now());
  });

  it('tell connections apart', async () => {
    const emulator = await start();
    for (let opened = 0; opened < 2; opened += 1) {
      const socket = connect(emulator.port, '127.0.0.1');
      socket.end('GET /api/health HTTP/1.1\r\nhost: sim\r\n\r\n');
      socket.resume();
      await once(socket, 'close');
    }
    expect(emulator.requests.map(({ connection }) => connection)).toEqual([1, 2]);
  });

  it('each wait for the latency that is asked for', async () => {
    const seen = [];
    const latency = ({ path }) => {
      seen.push(path);
      return 1;
    };
    const emulator = await start({ latency });
    expect((await call(emulator, 'GET', '/api/health')).status).toBe(200);
    expect(seen).toEqual(['/api/health']);
  });

  it('of any kind are answered: an odd path, an unknown method, a path that is no text', async () => {
    const emulator = await start();
    expect((await call(emulator, 'GET', '/')).status).toBe(404);
    expect((await call(emulator, 'PATCH', '/api/health')).status).toBe(405);
    expect((await call(emulator, 'GET', '/api/jobs/%E0%A4%A')).status).toBe(400);
  });

  it('that end half-way harm nobody else', async () => {
    const emulator = await start();
    const socket = connect(emulator.port, '127.0.0.1');
    socket.write('POST /api/v2/workflows HTTP/1.1\r\nhost: sim\r\ncontent-length: 100\r\n\r\n{');
    socket.end();
    socket.resume();
    await once(socket, 'close');
    expect(emulator.requests).toEqual([]);
    expect((await call(emulator, 'GET', '/api/health')).status).toBe(200);
  });

  it.each([
    ['a wrong key', 'wrong', 'Invalid API key'],
    ['no key', null, 'API key required'],
  ])('with %s are refused', async (_case, key, error) => {
    const emulator = await start({ apiKey: 'mine' });
    const { status, json } = await call(emulator, 'GET', '/api/v1/workflows', { key });
    expect([status, json]).toEqual([401, { error }]);
  });
});

describe('seeds', () => {
  it('give flows their ids and names, deployed unless told otherwise', async () => {
    const flows = [
      { id: 'flow-1', document: documents.echo },
      {
        id: 'flow-2',
        name: 'Draft',
        description: 'Not yet',
        document: JSON.stringify(documents.wait),
        deployed: false,
      },
    ];
    const emulator = await start({ flows });
    const view = ({ id, name, description, deployed }) => ({ id, name, description, deployed });
    expect(emulator.flows.map(view)).toEqual([
      { id: 'flow-2', name: 'Draft', description: 'Not yet', deployed: false },
      { id: 'flow-1', name: 'Echo', description: 'Gives back its input', deployed: true },
    ]);
  });

  it('that are no documents are refused at the start', async () => {
    await expect(start({ flows: [{ document: { blocks: {} } }] })).rejects.toThrow('edges');
    await expect(start({ flows: [{ document: '{oops' }] })).rejects.toThrow('Invalid JSON');
    const document = { blocks: { a: { type: 'agent' } }, edges: [] };
    await expect(start({ flows: [{ document }] })).rejects.toThrow('Invalid block a');
  });

  it('keep loops, parallels and parents together when ids change', async () => {
    const inside = { type: 'function', name: 'Inside', data: { parentId: 'loop', extent: 'parent' } };
    const document = {
      blocks: { start: { type: 'start_trigger', name: 'Start' }, loop: { type: 'loop', name: 'Loop' }, inside },
      edges: [{ source: 'start', target: 'loop' }],
      loops: { loop: { id: 'loop', nodes: ['inside'], iterations: 2, loopType: 'for' } },
      variables: { v: { name: 'v' } },
    };
    const emulator = await start({ flows: [{ document }] });
    const { blocks, loops } = emulator.flows[0].state;
    const [[loopId, loop]] = Object.entries(loops);
    expect(blocks[loopId].type).toBe('loop');
    expect(blocks[loop.nodes[0]].data).toEqual({ parentId: loopId, extent: 'parent' });
  });

  it('may hold blocks of any kind: one without a rule gives the input, one that is disabled gives nothing', async () => {
    const document = structuredClone(documents.echo);
    document.state.blocks.work.type = 'something_new';
    const off = structuredClone(documents.fail);
    off.state.blocks.work.enabled = false;
    const emulator = await start();
    for (const one of [document, off]) {
      const { id } = emulator.addFlow({ document: one });
      const { json } = await call(emulator, 'POST', `/api/workflows/${id}/execute`, { body: { message: 'm' } });
      expect(json.output).toEqual({ message: 'm' });
    }
  });
});

describe('events', () => {
  it('can be awaited by many at once', async () => {
    const { emulator, id } = await startWith(['echo']);
    const warnings = [];
    const warned = (warning) => warnings.push(warning);
    process.on('warning', warned);
    const starts = Array.from({ length: 20 }, (_, n) => emulator.waitFor('run', ({ input }) => input.n === n));
    for (let n = 0; n < 20; n += 1) {
      await call(emulator, 'POST', `/api/workflows/${id.echo}/execute`, { body: { n } });
    }
    expect(await Promise.all(starts)).toHaveLength(20);
    process.off('warning', warned);
    expect(warnings).toEqual([]);
  });

  it('are found when they have happened, and awaited when they have not', async () => {
    const { emulator, id } = await startWith(['echo']);
    const later = emulator.waitFor('status', ({ status }) => status === 'completed');
    const { json } = await call(emulator, 'POST', `/api/workflows/${id.echo}/execute`, { body: { a: 1 } });
    const run = { id: json.executionId, flowId: id.echo, input: { a: 1 } };
    expect(await later).toEqual({ ...run, status: 'completed' });
    expect(await emulator.waitFor('status')).toEqual({ ...run, status: 'queued' });
    expect(await emulator.waitFor('run', (one) => one.id === run.id)).toEqual({ ...run, status: 'completed' });
    expect((await emulator.waitFor('request')).path).toContain('/execute');
    expect((await emulator.waitFor('deploy')).id).toBe(id.echo);
  });

  it('that there are not are refused', async () => {
    const emulator = await start();
    expect(() => emulator.waitFor('nothing')).toThrow('nothing');
  });
});

describe('reset', () => {
  it('goes back to the seeds, ends the runs and forgets what was seen', async () => {
    const { emulator, id } = await startWith(['wait'], { faults: [{ kind: 'status', path: '/seeded' }] });
    emulator.addFlow({ document: documents.echo });
    emulator.addFault({ kind: 'status', path: '/api/health' });
    const asked = call(emulator, 'POST', `/api/workflows/${id.wait}/execute`, { body: {} });
    await emulator.waitFor('status', ({ status }) => status === 'running');
    emulator.reset();
    expect((await asked).json.success).toBe(false);
    expect([emulator.runs, emulator.requests]).toEqual([[], []]);
    expect(emulator.flows.map(({ name }) => name)).toEqual(['wait']);
    expect((await call(emulator, 'GET', '/api/health')).status).toBe(200);
    expect((await call(emulator, 'GET', '/seeded')).status).toBe(500);
  });
});

describe('close', () => {
  it('ends connections that wait for an answer', async () => {
    const emulator = await start();
    emulator.addFault({ kind: 'hang' });
    const asked = call(emulator, 'GET', '/api/health');
    await emulator.waitFor('request');
    await emulator.close();
    await expect(asked).rejects.toThrow();
    await expect(call(emulator, 'GET', '/api/health')).rejects.toThrow();
  });

  it('may be asked for twice', async () => {
    const emulator = await start();
    await emulator.close();
    await emulator.close();
  });
});

it('a port that is taken is said at the start', async () => {
  const { port } = await start();
  await expect(start({ port })).rejects.toThrow('EADDRINUSE');
});

it('speaks TLS when given a key and a certificate, and stands a client that does not', async () => {
  const tls = selfSigned();
  const emulator = await start({ tls });
  expect(emulator.url).toMatch(/^https:/);
  const plain = connect(emulator.port, '127.0.0.1');
  plain.on('error', () => {});
  plain.write('GET /api/health HTTP/1.1\r\n\r\n');
  plain.resume();
  await once(plain, 'close');
  const asked = request(`${emulator.url}/api/health`, { ca: tls.cert });
  const [response] = await once(asked.end(), 'response');
  expect(response.statusCode).toBe(200);
  response.resume();
  expect(emulator.requests).toHaveLength(1);
  emulator.addFault({ kind: 'reset' });
  await expect(once(request(`${emulator.url}/api/health`, { ca: tls.cert }).end(), 'response')).rejects.toThrow();
});
