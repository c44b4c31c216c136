'use strict';

// The checks in their order. One that cannot be made because of an earlier one is skipped. It must not know what any of
// them looks at.

const { fail, skip } = require('./findings.js');
const { checkAnswer, checkCertificate, checkName, checkPort } = require('./network.js');
const { checkAdapter, checkRedis, checkSecrets, checkSettings, proxied } = require('./settings.js');
const { checkDeploy, checkGeneration, checkKey, checkWorkspace } = require('./sim.js');
const { checkClock, checkGuard } = require('./trust.js');

/** Checks of Sim itself, each with what must be good before it. */
const CHECKS = [
  ['name', [], checkName],
  ['port', ['name'], checkPort],
  ['tls', ['port'], checkCertificate],
  ['answer', ['tls'], checkAnswer],
  ['guard', ['answer'], checkGuard],
  ['clock', ['answer'], checkClock],
  ['key', ['guard'], checkKey],
  ['generation', ['key'], checkGeneration],
  ['workspace', ['generation'], checkWorkspace],
  ['deploy', ['workspace'], checkDeploy],
];

/** @returns {Promise<{ name: string, status: 'ok' | 'warn' | 'fail' | 'skip', message: string, fix?: string }[]>} */
async function examine(env) {
  const patient = { env };
  const found = [];
  const note = async (name, check, subject) => {
    // What nobody foresaw is a finding too.
    const unforeseen = (error) =>
      fail(`the check failed (${error.code ?? error.name})`, 'Try again; see docs/operate.md.');
    const finding = await Promise.resolve()
      .then(() => check(subject))
      .catch(unforeseen);
    found.push({ name, ...finding });
  };
  await note('settings', checkSettings, patient);
  if (patient.sim === undefined) return found;
  await note('secrets', checkSecrets, patient);
  const proxy = proxied(patient);
  for (const [name, needs, check] of CHECKS) {
    const bad = needs.filter((need) => !isGood(found, need));
    if (proxy) found.push({ name, ...skip(`calls go through ${proxy}: only the adapter as a whole is looked at`) });
    else if (bad.length > 0) found.push({ name, ...skip(`not before ${bad.join(' and ')} is mended`) });
    else await note(name, check, patient.sim);
  }
  await note('redis', checkRedis, patient);
  await note('adapter', checkAdapter, patient);
  await patient.adapter.close({ drainMs: 0 });
  return found;
}

/** A check that was skipped because another is bad is as bad. */
function isGood(found, name) {
  const { status, message } = found.find((finding) => finding.name === name);
  return status !== 'fail' && !message.startsWith('not before ');
}

const MARKS = { ok: 'ok  ', warn: 'WARN', fail: 'FAIL', skip: '-   ' };

const line = ({ name, status, message, fix }) =>
  `${MARKS[status]}  ${name.padEnd(10)}  ${message}\n${fix === undefined ? '' : `                  ${fix}\n`}`;

/** Examines, prints, and tells whether nothing failed. */
async function doctor({ json }, env, write) {
  const checks = await examine(env);
  const isFine = checks.every(({ status }) => status !== 'fail');
  if (json) write(`${JSON.stringify({ ok: isFine, checks }, null, 2)}\n`);
  else write(checks.map(line).join(''));
  return isFine;
}

module.exports = { doctor };
