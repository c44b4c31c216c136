export { simClient } from './client';
export { addToMessage } from './message';
