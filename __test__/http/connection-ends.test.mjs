// The end of connections that the adapter serves by itself: with the server, the adapter or the lane; nothing hangs, and nothing
// under way is lost.

import { once } from 'node:events';
import http from 'node:http';
import { attachFastLane } from '@sigmacode/sim-adapter';
import { describe, expect, it } from 'vitest';
import { startRedis } from '../security/redis.mjs';
import { ANN, asking, connect, get, health, json, MOUNT, run, start } from './lane.mjs';
import { atEnd } from './support.mjs';

describe('the end', () => {
  it('server.close() ends idle connections and waits for the others', async () => {
    const host = await start();
    const [idle, busy] = [connect(host), connect(host)];
    idle.say(health());
    await idle.answer();
    host.sim.addFault({ kind: 'delay', ms: 300, times: 1 });
    const asked = asking(host);
    busy.say(get(`${MOUNT}/flows/echo`, ANN));
    await asked;
    const closed = new Promise((resolve) => host.server.close(resolve));
    await idle.ended;
    const answer = await busy.answer();
    expect(answer.status).toBe(200);
    await Promise.all([busy.ended, closed]);
  });

  it('closeAllConnections() ends all of them', async () => {
    const host = await start();
    host.sim.addFault({ kind: 'hang', times: 1 });
    const client = connect(host);
    const [asked, abort] = [asking(host), host.sim.waitFor('abort')];
    client.say(get(`${MOUNT}/flows/echo`, ANN));
    await asked;
    host.server.closeAllConnections();
    await Promise.all([client.closed, abort]);
  });

  it('closeAllConnections() ends those, too, that have said nothing', async () => {
    const host = await start();
    const silent = connect(host);
    await expect.poll(() => host.sockets.length).toBe(1);
    await new Promise((resolve) => host.server.close(resolve).closeAllConnections());
    await silent.closed;
  });

  it('of the adapter frees what streamed runs hold in Redis', async () => {
    const redis = await startRedis();
    atEnd(() => redis.stop());
    const options = {
      redisUri: redis.uri,
      plans: { USER: { concurrentRuns: 1, maxRunSeconds: 600 } },
      resolveUser: () => ({ id: 'ann', role: 'USER' }),
    };
    for (let round = 0; round < 5; round++) {
      const host = await start({ flows: ['wait'], options });
      const [client, second] = [connect(host), connect(host)];
      client.say(run('wait', '{"mode":"stream"}'));
      await client.until(/event: run\n/);
      second.say(run('wait', '{"mode":"stream"}'));
      expect(json(await second.answer()).error.code).toBe('quota_exceeded');
      await host.adapter.close({ drainMs: 0 });
    }
  });

  it('of the adapter: what waits is answered, and what comes then hears so from Node', async () => {
    const host = await start();
    const [idle, busy] = [connect(host), connect(host)];
    idle.say(health());
    await idle.answer();
    host.sim.addFault({ kind: 'hang', times: 1 });
    const asked = asking(host);
    busy.say(get(`${MOUNT}/flows/echo`, ANN));
    await asked;
    await host.adapter.close({ drainMs: 0 });
    expect(json(await busy.answer()).error.code).toBe('shutting_down');
    const late = connect(host);
    for (const client of [idle, busy, late]) {
      client.say(health());
      expect(json(await client.answer()).error.code).toBe('shutting_down');
    }
    expect(host.seen).toEqual(Array(3).fill(`GET ${MOUNT}/health`));
    await new Promise((resolve) => host.server.close(resolve));
  });

  it('of the adapter, too: idle connections end with their server, or when their time is up', async () => {
    const host = await start({ set: (server) => Object.assign(server, { keepAliveTimeout: 1000 }) });
    const [first, second] = [connect(host), connect(host)];
    for (const client of [first, second]) {
      client.say(health());
      await client.answer();
    }
    await host.adapter.close({ drainMs: 0 });
    await Promise.all([first.ended, second.ended]);
    const other = await start();
    const third = connect(other);
    third.say(health());
    await third.answer();
    await other.adapter.close({ drainMs: 0 });
    await Promise.all([third.ended, new Promise((resolve) => other.server.close(resolve))]);
  });

  it('of the lane: all connections are Node’s, also those that have said nothing yet', async () => {
    const host = await start({ flows: ['wait'] });
    const [idle, stream, silent] = [connect(host), connect(host), connect(host)];
    stream.say(run('wait', '{"mode":"stream"}'));
    await stream.until(/event: run\n/);
    idle.say(health());
    await idle.answer();
    await expect.poll(() => host.sockets.length).toBe(3);
    host.lane.detach();
    for (const client of [idle, silent]) {
      client.say(health());
      await client.until(/418 [\s\S]*?\/api\/sim\/health/);
    }
    const closed = new Promise((resolve) => host.server.close(resolve).closeAllConnections());
    await Promise.all([closed, stream.closed]);
  });

  it('of the lane is the end for all that comes after it, however soon', async () => {
    const host = await start();
    const clients = Array.from({ length: 200 }, () => connect(host));
    for (const client of clients) client.say(health());
    await Promise.all(clients.map((client) => client.answer()));
    // So that the adapter hears of the end and of what comes after it at once.
    for (const busy of clients.splice(0, 100)) busy.say(health());
    host.lane.detach();
    for (const client of clients) client.say(health());
    const answers = await Promise.all(clients.map((client) => client.until(/HTTP\/1\.1 (\d+)/)));
    expect(new Set(answers.map(([, status]) => status))).toEqual(new Set(['418']));
  });

  it('of one of two servers with an adapter is not that of the other', async () => {
    const host = await start();
    const other = http.createServer(() => {}).listen(0, '127.0.0.1');
    await once(other, 'listening');
    attachFastLane(other, MOUNT, { adapter: host.adapter });
    const [here, there] = [connect(host), connect(other.address())];
    for (const client of [here, there]) {
      client.say(health());
      await client.answer();
    }
    await new Promise((resolve) => other.close(resolve));
    await there.ended;
    here.say(health());
    expect((await here.answer()).status).toBe(200);
    expect(host.seen).toEqual([]);
  });
});
