export { simClient } from './client';
