'use strict';

// A command line that cannot be understood. The command shows its usage with it, and ends with 2.

class UsageError extends Error {}

module.exports = { UsageError };
