'use strict';

// Packs the head of a request for `src/inbox.rs`: a line for each field, empty when it is absent, else `=` and its value.

/** What no value may hold becomes what no value is accepted with. */
function line(value) {
  if (value === undefined || value === null) return '\n';
  return `=${value.includes('\n') ? value.replaceAll('\n', '\0') : value}\n`;
}

/**
 * @typedef {object} Head texts; absent ones are `undefined` or `null`
 * @property {string} method
 * @property {string} url path below the mount point, and query
 * @property {string} mount
 * @property {boolean} [host] the host's own call: no user, and none needed
 * @property {string} [user]
 * @property {string} [tenant]
 * @property {string} [role]
 * @property {string} [plan]
 * @property {string} [ip]
 * @property {string} [requestId]
 * @property {string} [idempotencyKey]
 * @property {string} [prefer]
 * @property {string} [traceparent]
 * @property {string} [tracestate]
 * @property {string} [lastEventId]
 * @property {number} [timeoutMs]
 * @property {boolean} [tooLarge] the body was not read, because it is larger than the addon takes
 * @property {string[]} [authorization] each such header; only looked at with `auth: 'jwt'`
 */

/** @param {Head} head */
function pack(head) {
  const timeout = head.timeoutMs === undefined ? undefined : String(head.timeoutMs);
  let packed =
    line(head.method) +
    line(head.url) +
    line(head.mount) +
    (head.host ? '=\n' : '\n') +
    line(head.user) +
    line(head.tenant) +
    line(head.role) +
    line(head.plan) +
    line(head.ip) +
    line(head.requestId) +
    line(head.idempotencyKey) +
    line(head.prefer) +
    line(head.traceparent) +
    line(head.tracestate) +
    line(head.lastEventId) +
    line(timeout) +
    (head.tooLarge ? '=\n' : '\n');
  if (head.authorization !== undefined) for (const value of head.authorization) packed += line(value);
  return packed;
}

module.exports = { pack };
