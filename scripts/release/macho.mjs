// What a macOS library says of itself (Mach-O, 64 bits, for one processor), after <mach-o/loader.h>.

const CPUS = { 16777223: 'x64', 16777228: 'arm64' };
const HEADER = 32;
const LOAD_DYLIB = 0xc;
const LOAD_WEAK_DYLIB = 0x80000018;
const VERSION_MIN_MACOSX = 0x24;
const BUILD_VERSION = 0x32;

/**
 * @param {Buffer} bytes
 * @returns {{os: 'darwin', cpu: string, needed: string[], oldest: string | null}} `oldest` is the oldest macOS that it is for.
 */
export function machoFacts(bytes) {
  const cpu = bytes.readUInt32LE(4);
  const facts = { os: 'darwin', cpu: CPUS[cpu] ?? `0x${cpu.toString(16)}`, needed: [], oldest: null };
  let at = HEADER;
  for (let count = bytes.readUInt32LE(16); count > 0; count -= 1) {
    const [command, size] = [bytes.readUInt32LE(at), bytes.readUInt32LE(at + 4)];
    if (command === LOAD_DYLIB || command === LOAD_WEAK_DYLIB) {
      const name = bytes.subarray(at + bytes.readUInt32LE(at + 8), at + size);
      facts.needed.push(name.toString('utf8', 0, name.indexOf(0)));
    }
    if (command === BUILD_VERSION) facts.oldest = version(bytes.readUInt32LE(at + 12));
    if (command === VERSION_MIN_MACOSX) facts.oldest = version(bytes.readUInt32LE(at + 8));
    at += size;
  }
  return facts;
}

/** Packed as xxxx.yy.zz. */
const version = (packed) => `${packed >>> 16}.${(packed >>> 8) & 0xff}`;
