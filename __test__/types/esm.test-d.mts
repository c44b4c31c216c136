// The same types for an ES module: named imports, and the emulator beside them; compiled, never run.

import { type Health, health, SimAdapter, simRouter } from '@sigmacode/sim-adapter';
import { startEmulator } from '@sigmacode/sim-adapter/emulator';

export async function uses(): Promise<Health> {
  const { url, apiKey } = await startEmulator();
  const adapter = new SimAdapter({ baseUrl: url, apiKey });
  simRouter({ adapter });
  return health();
}
