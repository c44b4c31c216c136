// The browser's types and the server's say the same of what goes over the wire; compiled, never run.

import type * as server from '@sigmacode/sim-adapter';
import type * as browser from '@sigmacode/sim-adapter/client';

/** Compiles only when each fits where the other is wanted. */
type Same<A extends B, B> = B extends A ? true : never;

export const same: [
  Same<server.Run, browser.Run>,
  Same<server.RunReceipt, browser.RunReceipt>,
  Same<server.Flow, browser.Flow>,
  Same<server.CreatedFlow, browser.CreatedFlow>,
  Same<server.RunStatus, browser.RunStatus>,
] = [true, true, true, true, true];

// The browser may know less of an input than there is, never something else.
export const detail = (flow: server.FlowDetail): browser.FlowDetail => flow;
