// What the emulator's types allow and refuse; compiled, never run.

import { documents, type Emulator, type Fault, startEmulator } from '../../emulator/index.js';

export async function uses() {
  const emulator: Emulator = await startEmulator({
    apiVersions: ['v2', 'flows'],
    flows: [{ document: documents.echo, deployed: false }],
    knowledge: [{ name: 'Base', chunks: [{ content: 'text', metadata: { legs: 4 } }] }],
    latency: ({ method }) => (method === 'GET' ? 1 : 0),
  });

  const { run, request } = await emulator.waitFor('abort', (abort) => abort.run !== null);
  const path: string = request.path;
  const status: 'queued' | 'running' | 'paused' | 'completed' | 'failed' | 'cancelled' | undefined = run?.status;
  emulator.on('request', ({ body }) => body.toString('utf8'));
  const remove: () => void = emulator.addFault({ kind: 'status', status: 503, retryAfter: 1, path: /execute$/ });
  const broken: Fault = { kind: 'cut-body', after: 3, apply: false, probability: 0.5, seed: 2 };

  // @ts-expect-error: a kind that there is not
  emulator.addFault({ kind: 'gremlin' });
  // @ts-expect-error: only `delay` has a time
  emulator.addFault({ kind: 'status', ms: 3 });
  // @ts-expect-error: an event that there is not
  await emulator.waitFor('nothing');
  // @ts-expect-error: a generation that there is not
  await startEmulator({ apiVersions: ['v3'] });
  // @ts-expect-error: the record of requests is the emulator's
  emulator.requests = [];
  return { broken, path, remove, status };
}
