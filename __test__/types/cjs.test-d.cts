// The same types for a CommonJS module with `require`; compiled, never run.

import adapter = require('@sigmacode/sim-adapter');
import emulator = require('@sigmacode/sim-adapter/emulator');

export async function uses(): Promise<adapter.Health> {
  const { url, apiKey } = await emulator.startEmulator();
  const own: adapter.SimAdapter = new adapter.SimAdapter({ baseUrl: url, apiKey });
  adapter.simRouter({ adapter: own });
  return own.health();
}
