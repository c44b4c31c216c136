// `npm run demo`: from a fresh clone to the running demo, with the addon as it is shipped (release profile).
// Arguments go to the demo: `npm run demo -- --once`, `npm run demo -- --port 8080`.

import { spawn } from 'node:child_process';

import { prepare } from './prepare.mjs';
import { main, root } from './steps.mjs';

main(async () => {
  await prepare('release');
  const demo = spawn(process.execPath, ['demo/main.mjs', ...process.argv.slice(2)], { cwd: root, stdio: 'inherit' });
  // Ctrl-C reaches the demo by itself, as the terminal's foreground group; a plain kill has to be handed on.
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => demo.kill('SIGTERM'));
  process.exitCode = await new Promise((resolve) => demo.on('close', (code) => resolve(code ?? 1)));
});
