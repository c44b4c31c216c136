'use strict';

// A signed-in user, as the addon takes it: strings only, since a value of another type must not throw in mid-request.

const text = (value) => (value === undefined || value === null ? undefined : String(value));

/** An id is a string, a number or a database's id. Anything else would read the same for everybody, or throw. */
function idText(value) {
  if (typeof value === 'object' && typeof value?.toHexString === 'function') return value.toHexString();
  return ['string', 'number', 'bigint'].includes(typeof value) ? String(value) : undefined;
}

/** @param {{ id?: unknown, _id?: unknown, tenantId?: unknown, role?: unknown } | null | undefined} user */
function describeUser(user) {
  const role = typeof user?.role === 'object' ? undefined : text(user?.role);
  const { tenantId } = user ?? {};
  // One that cannot be read is not the same as none: the empty name is refused, so that tenants never mix.
  const tenant = tenantId === undefined || tenantId === null ? undefined : (idText(tenantId) ?? '');
  return { user: idText(user?.id ?? user?._id), tenant, role };
}

module.exports = { describeUser, text };
