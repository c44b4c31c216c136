'use strict';

// The host's own functions: who a user's plan is, and the answers to what only the host can decide.
// It must not know how questions travel.

const { SimError } = require('./error.js');
const { describeUser, text } = require('./user.js');

/** What each may be. */
const FORMS = {
  canRunFlow: ['function'],
  gate: ['function'],
  resolveUser: ['function'],
  planOf: ['function', 'string'],
  logger: ['object'],
};

const ARTICLES = { function: 'a function', string: 'a string', object: 'an object' };

/** Takes the hooks out of `options`, since the addon only needs to know which there are, and checks their forms. */
function plainOptions(options) {
  const problems = [];
  const plain = {};
  for (const [name, given] of Object.entries(options)) {
    const forms = FORMS[name];
    if (given === undefined || given === null) continue;
    if (forms === undefined) {
      plain[name] = given;
      if (typeof given === 'function') problems.push({ name, message: 'must not be a function' });
    } else if (!forms.includes(typeof given)) {
      problems.push({ name, message: `must be ${forms.map((form) => ARTICLES[form]).join(' or ')}` });
    } else if (name !== 'logger') {
      plain[name] = true;
    }
  }
  return { plain, problems };
}

/** Every problem of a configuration at once, as `not_configured`. */
function configurationError(problems, cause) {
  const lines = problems.map(({ name, message }) => `${name} ${message}`);
  const message = `the Sim adapter is not configured correctly: ${lines.join('; ')}`;
  return new SimError({ code: 'not_configured', message, details: { problems } }, 503, { cause });
}

/**
 * The function that reads a user's plan: the host's own, or a field path such as `role` or `subscription.plan`.
 * @returns {(user: object) => unknown}
 */
function planReader(planOf = 'role') {
  if (typeof planOf === 'function') return planOf;
  const path = planOf.split('.');
  return (user) => path.reduce((value, name) => value?.[name], user);
}

/**
 * One answer for each kind of question, as JSON values the addon reads.
 * @returns {Record<string, (user: unknown, about: any) => Promise<unknown>>}
 */
function answerers(options) {
  const planOf = planReader(options.planOf);
  return {
    async canRunFlow(user, { flows }) {
      // Flow by flow, as the host's function is written; the adapter asks about many at once.
      const answers = await Promise.all(flows.map((flow) => options.canRunFlow(user, flow)));
      return answers.map((answer) => answer === true);
    },
    async gate(user, { operation, flowId }) {
      const answer = await options.gate(user, operation, flowId ?? undefined);
      return answer === true || typeof answer === 'string' ? answer : false;
    },
    async resolveUser(_user, claims) {
      const resolved = await options.resolveUser(claims);
      const { user: id, tenant: tenantId, role } = describeUser(resolved);
      // Without an id it is nobody.
      if (id === undefined) return null;
      // A document of a database keeps its fields behind getters, which a copy would not have.
      const fields = typeof resolved.toObject === 'function' ? resolved.toObject() : resolved;
      return { ...fields, id, tenantId, role, plan: text(await planOf(resolved)) };
    },
  };
}

module.exports = { plainOptions, planReader, answerers, configurationError };
