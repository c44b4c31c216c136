// Rates at the router: what is too much gets 429 with the fields that say when to come again, and Sim never hears of it.

import { describe, expect, it } from 'vitest';

import { refusal, startAll, withoutSim } from './support.mjs';

const started = (adapter) => startAll(['echo'], { adapter: { userMax: 0, ipMax: 0, ...adapter } });
const limits = ({ headers }) => [headers.get('ratelimit-policy'), headers.get('ratelimit')];

/** One request of each bucket. */
const REQUESTS = {
  run: ['POST', '/flows/echo/run'],
  create: ['POST', '/flows/create', { body: { name: 'draft' } }],
  read: ['GET', '/flows/echo'],
};

describe('the rate of a user', () => {
  it.each(Object.keys(REQUESTS))(
    'of %s: MAX at once, then 429 with Retry-After, RateLimit and RateLimit-Policy',
    async (bucket) => {
      const { sim, call } = await started({ userMax: 3, userWindow: 60 });
      for (const left of [2, 1, 0]) {
        const answer = await call(...REQUESTS[bucket]);
        expect(answer.status).toBeLessThan(300);
        // draft-ietf-httpapi-ratelimit-headers-08: a string item with parameters.
        const [policy, limit] = limits(answer);
        expect(policy).toBe(`"${bucket}";q=3;w=3600`);
        expect(limit).toMatch(new RegExp(`^"${bucket}";r=${left};t=\\d+$`));
      }
      await withoutSim(sim, async () => {
        const answer = await call(...REQUESTS[bucket]);
        expect(refusal(answer)).toEqual([429, 'rate_limited']);
        expect(limits(answer)[0]).toBe(`"${bucket}";q=3;w=3600`);
        expect(limits(answer)[1]).toMatch(new RegExp(`^"${bucket}";r=0;t=\\d+$`));
        const after = Number(answer.headers.get('retry-after'));
        // One of three comes back in 20 minutes.
        expect(after).toBeGreaterThan(0);
        expect(after).toBeLessThanOrEqual(1200);
        const { plan, limit, value, resetsAt } = answer.json.error.details;
        expect([plan, limit, value]).toEqual(['default', bucket, 3]);
        expect(Date.parse(resetsAt) - Date.now()).toBeLessThanOrEqual(after * 1000);
      });
    },
  );

  it('has a bucket for each of run, create and read', async () => {
    const { call } = await started({ userMax: 1, userWindow: 60 });
    for (const request of Object.values(REQUESTS)) expect((await call(...request)).status).toBeLessThan(300);
    for (const request of Object.values(REQUESTS)) expect((await call(...request)).status).toBe(429);
  });

  it('is each user’s own, and each tenant’s', async () => {
    const { call } = await started({ userMax: 1, userWindow: 60 });
    const as = (user, tenant) => ({ user, headers: tenant ? { 'x-test-tenant': tenant } : {} });
    const users = [as('ann'), as('bob'), as('ann', 'acme'), as('ann', 'other')];
    for (const user of users) expect((await call('GET', '/flows/echo', user)).status).toBe(200);
    for (const user of users) expect((await call('GET', '/flows/echo', user)).status).toBe(429);
  });

  it('is keyed by nothing that the client sends', async () => {
    const { sim, call } = await started({ userMax: 1, userWindow: 60 });
    await call('GET', '/flows/echo');
    await withoutSim(sim, async () => {
      for (const name of [
        'x-forwarded-for',
        'x-real-ip',
        'x-user-id',
        'x-api-key',
        'x-sim-user',
        'authorization',
        'x-request-id',
        'user-agent',
        'cookie',
      ]) {
        expect((await call('GET', '/flows/echo', { headers: { [name]: 'other' } })).status).toBe(429);
      }
    });
  });

  it('counts a replay as a request, and a refusal as none', async () => {
    const { call } = await started({ userMax: 2, userWindow: 60 });
    const headers = { 'idempotency-key': 'k1' };
    for (const status of [202, 202, 429, 429])
      expect((await call('POST', '/flows/echo/run', { headers })).status).toBe(status);
  });

  it('switched off with 0 is no rate, and no field speaks of one', async () => {
    const { call } = await started({});
    for (let times = 0; times < 300; times += 1) {
      const answer = await call('GET', '/flows?limit=1');
      expect([answer.status, ...limits(answer)]).toEqual([200, null, null]);
    }
  });

  it('is 240 a minute unless it is set', async () => {
    const { call } = await started({ userMax: undefined });
    expect(limits(await call('GET', '/flows'))[0]).toBe('"read";q=240;w=60');
  });
});

describe('the rate of an address', () => {
  it('comes before sign-in, so that guessing is limited too', async () => {
    const { sim, call } = await started({ ipMax: 2, ipWindow: 60 });
    await withoutSim(sim, async () => {
      for (const status of [401, 401, 429]) expect((await call('GET', '/flows', { user: null })).status).toBe(status);
      const answer = await call('GET', '/flows', { user: null });
      expect(limits(answer)[0]).toBe('"ip-read";q=2;w=3600');
      expect(answer.headers.get('retry-after')).toMatch(/^\d+$/);
      expect(answer.json.error.details).toMatchObject({ plan: null, limit: 'ip-read', value: 2 });
    });
  });

  it('is shared by the users of that address', async () => {
    const { sim, call } = await started({ ipMax: 2, ipWindow: 60 });
    for (const user of ['ann', 'bob']) expect((await call('GET', '/flows/echo', { user })).status).toBe(200);
    await withoutSim(sim, async () => expect((await call('GET', '/flows/echo', { user: 'eve' })).status).toBe(429));
  });

  it('is not the client’s to choose', async () => {
    const { sim, call } = await started({ ipMax: 1, ipWindow: 60 });
    await call('GET', '/flows/echo');
    await withoutSim(sim, async () => {
      const headers = { 'x-forwarded-for': '10.1.2.3', forwarded: 'for=10.1.2.3', 'x-real-ip': '10.1.2.3' };
      expect((await call('GET', '/flows/echo', { headers })).status).toBe(429);
    });
  });
});
