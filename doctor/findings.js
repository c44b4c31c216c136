'use strict';

// What a check found. `fail` is what must be mended, `warn` what works with a cost, `skip` what was not looked at.

const ok = (message) => ({ status: 'ok', message });
const warn = (message, fix) => ({ status: 'warn', message, fix });
const fail = (message, fix) => ({ status: 'fail', message, fix });
const skip = (message) => ({ status: 'skip', message });

module.exports = { ok, warn, fail, skip };
