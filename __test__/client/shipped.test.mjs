// What is said of the browser's side is there for whoever has only the package.

import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';

import { expect, test } from 'vitest';

const root = path.join(import.meta.dirname, '../..');

test('the pages of the kit and of its files for LibreChat point to what is in the package', async () => {
  const { stdout } = await promisify(execFile)('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: root,
  });
  const [{ files }] = JSON.parse(stdout);
  const shipped = new Set(files.map((file) => file.path));
  const pages = ['docs/client.md', 'docs/librechat.md', 'examples/librechat/README.md'];
  const links = pages.flatMap((page) =>
    [...readFileSync(path.join(root, page), 'utf8').matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)].map(([, to]) =>
      path.join(path.dirname(page), to),
    ),
  );
  expect(links).toContain('examples/librechat/README.md');
  expect(links.filter((link) => !shipped.has(link))).toEqual([]);
  // Each file that the README names is one that is there.
  const named = [...readFileSync(path.join(root, pages[2]), 'utf8').matchAll(/^\| `([^`]+)` \|/gm)].map(
    ([, name]) => name,
  );
  expect(named.length).toBeGreaterThan(5);
  const isThere = (name) => [...shipped].some((file) => file.startsWith(`examples/librechat/${name}`));
  expect(named.filter((name) => !isThere(name))).toEqual([]);
});
