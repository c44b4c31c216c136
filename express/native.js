'use strict';

// Loads the addon, or says in one message what is missing for this platform.

function load() {
  try {
    return require('../native.js');
  } catch (cause) {
    const platform = `${process.platform}-${process.arch}`;
    throw new Error(
      `@sigmacode/sim-adapter has no native addon for ${platform} (Node ${process.version}). ` +
        'Install it again without --omit=optional, or build it with "npm run build".',
      { cause },
    );
  }
}

module.exports = load();
