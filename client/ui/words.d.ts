/** What every language has to say. */
import type { RunStatus } from '../index.js';

/** Every word that the components show. */
export interface Texts {
  status: Record<RunStatus, string>;
  /** By error code. */
  errors: Record<string, string>;
  run: string;
  starting: string;
  lost: string;
  /** A pause that waits for a time, not for a person. */
  waiting: string;
  pausedUntil: (time: string) => string;
  elapsed: string;
  cancel: string;
  cancelling: string;
  output: string;
  moreCharacters: (count: number) => string;
  thinking: string;
  toolRunning: string;
  toolDone: string;
  block: (number: number) => string;
  question: string;
  answer: string;
  send: string;
  sending: string;
  yes: string;
  no: string;
  required: string;
  notJson: string;
  notObject: string;
  requestId: string;
  retryIn: (seconds: number) => string;
  flow: string;
  chooseFlow: string;
  noFlows: string;
  moreFlows: string;
  loading: string;
  tryAgain: string;
  start: string;
  createDraft: string;
  creating: string;
  created: (name: string) => string;
  openInSim: string;
}
