// The kit for React 18 and later: hooks and components over the client. Import `style.css` beside it.

export { SimProvider } from './ui/context.js';
export { CreateDraftButton } from './ui/create-draft-button.js';
export { FlowPicker } from './ui/flow-picker.js';
export { useFlow, useFlows, useRun, useRunFlow, useSimClient } from './ui/hooks.js';
export { RunCard } from './ui/run-card.js';
