// What a Windows library says of itself (PE32+), after Microsoft's "PE Format".

const CPUS = { 34404: 'x64', 43620: 'arm64' };
/** Of the data directories: what is loaded at once, and what is loaded on first use. */
const IMPORTS = { index: 1, entry: 20, name: 12 };
const DELAYED = { index: 13, entry: 32, name: 4 };

/**
 * @param {Buffer} bytes
 * @returns {{os: 'win32', cpu: string, needed: string[], oldest: null}} `needed` in lower case: Windows does not mind.
 */
export function peFacts(bytes) {
  const header = bytes.readUInt32LE(0x3c) + 4;
  const optional = header + 20;
  const machine = bytes.readUInt16LE(header);
  const sections = Array.from({ length: bytes.readUInt16LE(header + 2) }, (_, index) => {
    const at = optional + bytes.readUInt16LE(header + 16) + 40 * index;
    return { start: bytes.readUInt32LE(at + 12), size: bytes.readUInt32LE(at + 16), at: bytes.readUInt32LE(at + 20) };
  });
  /** Where in the file a place in memory comes from. */
  const inFile = (place) => {
    const section = sections.find(({ start, size }) => place >= start && place < start + size);
    return section.at + place - section.start;
  };

  const needed = [IMPORTS, DELAYED].flatMap(({ index, entry, name }) => {
    const table = bytes.readUInt32LE(optional + 112 + 8 * index);
    const names = [];
    for (let at = table && inFile(table); table && bytes.readUInt32LE(at + name) !== 0; at += entry) {
      const start = inFile(bytes.readUInt32LE(at + name));
      names.push(bytes.toString('latin1', start, bytes.indexOf(0, start)).toLowerCase());
    }
    return names;
  });
  return { os: 'win32', cpu: CPUS[machine] ?? `0x${machine.toString(16)}`, needed, oldest: null };
}
