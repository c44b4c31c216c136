// Keeps idle processors from going to sleep while something is measured. In a virtual machine waking one is the
// hypervisor's work and takes tens of µs, half of it charged to whoever sends the wake-up: figures would tell how often a
// server wakes others, and how the machine is made. It must not know what is measured.

import { openSync, writeSync } from 'node:fs';

/** How long waking may take, in µs as a 32-bit number; it holds while the file is open (the kernel's PM QoS interface). */
const LATENCY = '/dev/cpu_dma_latency';

/** Holds until this process ends. False where it cannot be asked for: there is no such file, or only root may. */
export function keepAwake() {
  try {
    writeSync(openSync(LATENCY, 'w'), new Int32Array([0]));
    return true;
  } catch {
    return false;
  }
}
