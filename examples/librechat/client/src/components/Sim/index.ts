export { default as CreateSimDraft } from './CreateSimDraft';
export { default as SimPanel } from './SimPanel';
export { default as SimRun } from './SimRun';
