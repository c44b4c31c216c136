'use strict';

// A signed-in user, as the addon takes it: strings only, since a value of another type must not throw in mid-request.

const text = (value) => (value === undefined || value === null ? undefined : String(value));

/** @param {{ id?: unknown, _id?: unknown, tenantId?: unknown, role?: unknown } | null | undefined} user */
function describeUser(user) {
  return { user: text(user?.id ?? user?._id), tenant: text(user?.tenantId), role: text(user?.role) };
}

module.exports = { describeUser, text };
