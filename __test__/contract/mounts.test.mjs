// That all mounts are one adapter to a user: a handle of one is good at each other, for its own user alone; and nobody gets
// past one of them whom the others refuse.

import { describe, expect, it } from 'vitest';
import { openapi } from '../http/openapi.mjs';
import { GENERATIONS } from './support/contract.mjs';
import { DOORS, HTTP_DOORS, TOKENS, tokenOf } from './support/doors.mjs';
import { enterBy, refusal } from './support/scene.mjs';

const ANN = { id: 'ann', tenantId: 'north', role: 'USER' };

const STRANGERS = {
  'another user of the tenant': { ...ANN, id: 'bob' },
  'the user of that id in another tenant': { ...ANN, tenantId: 'south' },
  'the user of that id without a tenant': { id: 'ann', role: 'USER' },
};

const NOT_FOUND = { code: 'not_found', status: 404 };

describe.each(GENERATIONS)('%s', (generation) => {
  it.each(DOORS)('a handle minted at %s is its own user’s at every mount, and nobody else’s', async (minter) => {
    const { emulator, ways, id } = await enterBy({ generation, doors: DOORS, flows: ['wait'] });
    const { run } = await ways[minter].as(ANN).runFlow(id.wait);
    for (const reader of DOORS) {
      expect((await ways[reader].as(ANN).runStatus(run.id)).run, reader).toMatchObject({ id: run.id, flowId: id.wait });
      const asked = emulator.requests.length;
      for (const [who, stranger] of Object.entries(STRANGERS)) {
        const way = ways[reader].as(stranger);
        for (const call of [way.runStatus, way.cancelRun, way.resumeRun]) {
          expect(await refusal(call(run.id)), `${who} at ${reader}`).toMatchObject(NOT_FOUND);
        }
      }
      expect(emulator.requests).toHaveLength(asked);
    }
  });
});

describe.each(HTTP_DOORS)('%s, where tokens alone say who asks', (door) => {
  const start = async () => {
    const { ways, ...scene } = await enterBy({ generation: 'v2', doors: [door], flows: ['echo'], options: TOKENS });
    return { ...scene, bearing: ways[door].bearing };
  };

  it('lets in the user whom resolveUser names', async () => {
    const { bearing, emulator, id } = await start();
    const { run } = await bearing(tokenOf(ANN)).runFlow(id.echo);
    expect(run.status).toBe('queued');
    expect(Buffer.from(emulator.requests[0].headers['x-sim-user'], 'base64url').toString()).toBe('north\0ann');
  });

  it.each([
    ['who bears no token', () => undefined],
    ['who is banned', () => tokenOf(null)],
    ['whose token is forged', () => tokenOf(ANN, 'a secret that is not the host’s')],
  ])('refuses whoever %s at every route, and Sim hears nothing', async (_who, token) => {
    const { bearing, emulator, id } = await start();
    const way = bearing(token());
    for (const [template, methods] of Object.entries(openapi.paths)) {
      const path = template.replace('{flowId}', id.echo).replace('{runId}', 'any');
      for (const method of Object.keys(methods)) {
        const { status, json } = await way.exchange(method.toUpperCase(), path, method === 'post' ? { body: {} } : {});
        expect([status, json.error?.code], `${method} ${path}`).toEqual([401, 'unauthenticated']);
      }
    }
    expect(emulator.requests).toEqual([]);
  });
});
