/**
 * The kit for React 18 and later: hooks and components over the client. Import `style.css` beside it.
 */
import type { ReactElement, ReactNode } from 'react';

import type { CreatedFlow, Flow, FlowDetail, FlowDraft, RunView, SimClient, SimError, StartOptions } from './index.js';

/** What the components below get. */
export interface SimProviderProps {
  client: SimClient;
  /** A BCP 47 tag. German for `de…`, English for every other one. */
  locale?: string;
  children?: ReactNode;
}

/** Goes around everything below. */
export function SimProvider(props: SimProviderProps): ReactElement;

/** The client of the `SimProvider` around. */
export function useSimClient(): SimClient;

/** The deployed flows that the user may run; read again when the client has created one. */
export function useFlows(): {
  flows: Flow[];
  error: SimError | null;
  isLoading: boolean;
  reload: () => void;
  hasMore: boolean;
  loadMore: () => Promise<void>;
};

/** One flow with its inputs; nothing while `flowId` is null. */
export function useFlow(flowId: string | null): {
  flow: FlowDetail | null;
  error: SimError | null;
  isLoading: boolean;
  reload: () => void;
};

/** A run as it is now, and what can be done to it. */
export interface FollowedRun extends RunView {
  /** Stops the run. */
  cancel: () => Promise<void>;
  /** Answers the pause that the run waits in. */
  resume: (input?: object) => Promise<void>;
}

/** Starts runs, one at a time, and follows the last one. A streamed run ends with the component. */
export function useRunFlow(): FollowedRun & { start: (flowId: string, options?: StartOptions) => Promise<void> };

/** Follows a run that was started elsewhere, until it has ended or the component is gone. */
export function useRun(runId: string): FollowedRun;

/** A run and what to call it. */
export interface RunCardProps {
  /** What `useRun` or `useRunFlow` gives. */
  run: FollowedRun;
  /** Usually the flow's name. */
  title?: string;
}

/** A card that shows a run as it goes on, with what can be done to it. */
export function RunCard(props: RunCardProps): ReactElement;

/** What is done with the choice. */
export interface FlowPickerProps {
  /** Called with the chosen flow and its filled-in inputs. */
  onStart: (flow: FlowDetail, input: object) => void;
  /** A start is under way: the button waits. */
  busy?: boolean;
}

/** Lets a person choose a flow and fill in its inputs. */
export function FlowPicker(props: FlowPickerProps): ReactElement;

/** What is created, and how the button looks. */
export interface CreateDraftButtonProps {
  /** What to create, or a function that says it when the button is pressed. */
  draft: FlowDraft | (() => FlowDraft);
  /** Called when the draft is there. */
  onCreated?: (flow: CreatedFlow) => void;
  /** The button's own class in place of the kit's. */
  className?: string;
  /** The button's words in place of the kit's. */
  children?: ReactNode;
}

/** A button that makes a draft in Sim. */
export function CreateDraftButton(props: CreateDraftButtonProps): ReactElement;
