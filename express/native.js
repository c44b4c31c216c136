'use strict';

// Loads the addon, or says in one message which package is missing on this platform and how to get it.

const { name, version } = require('../package.json');

const PLATFORMS = [
  'linux-x64-gnu',
  'linux-x64-musl',
  'linux-arm64-gnu',
  'linux-arm64-musl',
  'darwin-x64',
  'darwin-arm64',
  'win32-x64-msvc',
];

/** This platform, as the packages are called. */
function thisPlatform() {
  const { platform, arch, report } = process;
  if (platform === 'win32') return `${platform}-${arch}-msvc`;
  if (platform !== 'linux') return `${platform}-${arch}`;
  // Without this, the report looks up the host names of open connections.
  report.excludeNetwork = true;
  return `${platform}-${arch}-${report.getReport().header.glibcVersionRuntime ? 'gnu' : 'musl'}`;
}

/** The first line of each cause, in the order in which they were met. The loader's look for WebAssembly is left out. */
function reasons(error) {
  const lines = [];
  for (let each = error; each instanceof Error; each = each.cause) lines.unshift(each.message.split('\n', 1)[0]);
  const told = lines.filter((line) => !/\bwasi\b/.test(line)).slice(0, 10);
  return told.map((line) => `\n  - ${line}`).join('');
}

function missing(platform, cause) {
  const built = PLATFORMS.includes(platform);
  const what = built ? `${name}-${platform} is not installed, or does not load` : 'there is no package for it';
  const fix = built
    ? `Install with optional dependencies (without --omit=optional), on this very platform: "npm install ${name}@${version}". ` +
      `If a package-lock.json from another platform is in the way: "npm install ${name}-${platform}@${version}".`
    : `There are packages for ${PLATFORMS.join(', ')}. Elsewhere, build it from its sources with Rust: "npm run build".`;
  return new Error(
    `${name} has no native addon for ${platform} (Node ${process.version}): ${what}.\n${fix}\nWhat was tried:${reasons(cause.cause ?? cause)}`,
    { cause },
  );
}

function load() {
  try {
    return require('../native.js');
  } catch (cause) {
    throw missing(thisPlatform(), cause);
  }
}

module.exports = load();
