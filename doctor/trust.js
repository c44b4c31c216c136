'use strict';

// What both sides must agree on: the signature and the time.

const { ask } = require('./ask.js');
const { fail, ok, skip, warn } = require('./findings.js');

/** How far clocks may differ for a signature to be good; the guard's own skew. */
const SKEW_SECONDS = 30;

/** What to do about each reason of the guard; docs/signing.md has them all. */
const CLOCKS = 'The clocks differ, or the request was held up on its way: set both clocks by NTP.';
const REASONS = {
  unknown_key: 'SIM_SIGNING_SECRET is another one here than at the guard: they must share one.',
  not_yet_valid: CLOCKS,
  expired: CLOCKS,
  too_old: CLOCKS,
  signature_mismatch:
    'Something between here and the guard changes requests: host name, path or headers must arrive as sent.',
};

const refusedBy = ({ status, json }) =>
  json?.error?.code === 'invalid_signature' ? (json.error.details?.reason ?? `status ${status}`) : undefined;

/** With a secret: an unsigned request must be refused, a signed one must pass. Without: nothing may ask for one. */
async function checkGuard(sim) {
  const bare = refusedBy(await ask({ ...sim, key: undefined }, '/api/health', { signed: false }));
  if (sim.secrets.length === 0) {
    if (bare === undefined) return skip('SIM_SIGNING_SECRET is not set, and no guard asks for signatures');
    return fail('a guard before Sim asks for signatures', 'Set SIM_SIGNING_SECRET to the secret that the guard has.');
  }
  const signed = refusedBy(await ask(sim, '/api/health'));
  if (signed !== undefined) {
    const fix = REASONS[signed] ?? 'See docs/signing.md for this reason, and the guard’s log.';
    return fail(`the guard refuses our signature (${signed})`, fix);
  }
  if (bare === undefined) {
    const fix =
      'Put `sim-adapter guard` before Sim, and let SIM_BASE_URL lead to it: docs/guard.md. If it is there, Sim can be reached beside it.';
    return warn('requests are signed, and nobody checks: an unsigned one passes too', fix);
  }
  return ok('the guard refuses an unsigned request and takes a signed one');
}

/** The `Date` of an answer, against the middle of the exchange. It has whole seconds. */
function checkClock({ health, secrets }) {
  if (health.date === null) return skip('the answer has no Date header');
  const off = Math.round((health.date.getTime() + 500 - (health.sentAt + health.receivedAt) / 2) / 1000);
  const message = `Sim's clock is ${Math.abs(off)} s ${off < 0 ? 'behind' : 'ahead of'} this one`;
  if (Math.abs(off) <= 2) return ok('both clocks say the same');
  const fix = 'Set both clocks by NTP.';
  if (Math.abs(off) <= SKEW_SECONDS) return warn(message, fix);
  return secrets.length > 0 ? fail(`${message}: signatures are refused`, fix) : warn(message, fix);
}

module.exports = { checkClock, checkGuard };
