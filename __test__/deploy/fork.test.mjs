// brand.mjs on a small tree that is laid out like Sim's: what it changes, that it can be repeated, and what it refuses.

import { existsSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';

import { IMAGES } from '../../deploy/fork/places.mjs';
import { BRAND, FILES, fork, MANIFEST, METADATA, png } from './sim-tree.mjs';
import { emptyFolder, root, run } from './support.mjs';

const brandIn = (tree, ...options) => run(process.execPath, ['branding/brand.mjs', ...options], { cwd: tree });
const read = (tree, file) => readFileSync(path.join(tree, file), 'utf8');

/** Every file below the tree with its content. */
function snapshot(tree) {
  const entries = readdirSync(tree, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const names = entries.map((entry) => path.relative(tree, path.join(entry.parentPath, entry.name)));
  return Object.fromEntries(names.sort().map((name) => [name, readFileSync(path.join(tree, name), 'latin1')]));
}

test('what Sim reads from its environment goes into brand.env', () => {
  const tree = fork();
  expect(brandIn(tree)).toMatchObject({ status: 0, stderr: '' });
  expect(read(tree, 'branding/brand.env').split('\n')).toEqual([
    'NEXT_PUBLIC_BRAND_NAME="Example Flows"',
    'NEXT_PUBLIC_BRAND_LOGO_URL="/branding/logo.svg"',
    'NEXT_PUBLIC_BRAND_WORDMARK_URL="/branding/wordmark.svg"',
    'NEXT_PUBLIC_BRAND_FAVICON_URL="/branding/favicon.png"',
    'NEXT_PUBLIC_BRAND_PRIMARY_COLOR="#1a365d"',
    'NEXT_PUBLIC_BRAND_PRIMARY_HOVER_COLOR="#2a4365"',
    'NEXT_PUBLIC_BRAND_ACCENT_COLOR="#38b2ac"',
    'NEXT_PUBLIC_BRAND_ACCENT_HOVER_COLOR="#319795"',
    'NEXT_PUBLIC_BRAND_BACKGROUND_COLOR="#ffffff"',
    'NEXT_PUBLIC_SUPPORT_EMAIL="flows@example.com"',
    'NEXT_PUBLIC_DOCUMENTATION_URL="https://docs.example.com/flows"',
    'NEXT_PUBLIC_TERMS_URL="https://example.com/terms"',
    'NEXT_PUBLIC_PRIVACY_URL="https://example.com/privacy"',
    '',
  ]);
});

test('what no variable reaches is changed in the files, and nothing around it', () => {
  const tree = fork();
  brandIn(tree);
  const metadata = FILES[METADATA]
    .replace('`Long words about Sim.`', "'Flows for everybody at Example'")
    .replace('`Short words.`', "'Flows for everybody at Example'")
    .replaceAll("'@theirs'", "'@example'")
    .replace("'#33C482'", "'#1a365d'")
    .replaceAll("name: 'Sim'", "name: 'Example Flows'")
    .replace("'What Sim is.'", "'Flows for everybody at Example'");
  expect(read(tree, METADATA)).toBe(metadata);
  expect(read(tree, MANIFEST)).toBe(FILES[MANIFEST].replace("'What Sim is.'", "'Flows for everybody at Example'"));
});

test('every change is listed, and none besides', () => {
  const tree = fork({ images: { 'icon.svg': '<svg id="ours"/>', 'branding/logo.svg': '<svg/>' } });
  const before = snapshot(tree);
  const { stdout } = brandIn(tree);
  const after = snapshot(tree);
  const changed = Object.keys(after).filter((name) => after[name] !== before[name]);
  const listed = [...stdout.matchAll(/^set +(\S+): /gm)].map(([, name]) => name);
  expect([...new Set(listed)].sort()).toEqual(changed);
  expect(read(tree, 'apps/sim/public/icon.svg')).toBe('<svg id="ours"/>');
  expect(read(tree, 'apps/sim/public/branding/logo.svg')).toBe('<svg/>');
});

test("every image of Sim's that stays is named, and none that this Sim lacks", () => {
  const [lacked, ...there] = Object.keys(IMAGES).filter((name) => name !== 'icon.svg');
  const tree = fork({ images: { 'icon.svg': '<svg id="ours"/>' }, without: [`apps/sim/public/${lacked}`] });
  const { stdout } = brandIn(tree);
  const named = [...stdout.matchAll(/^theirs +apps\/sim\/public\/(\S+): Sim's own image stays$/gm)];
  expect(named.map(([, name]) => name)).toEqual(there);
  for (const name of ['brand/social/sim-og-image.png', 'brand/color/email/wordmark.png']) expect(there).toContain(name);
});

test('the README names each image with its size', () => {
  const rows = [...read(root, 'deploy/fork/README.md').matchAll(/^\| (`.*`) \| (.*) \|$/gm)];
  const sizes = rows.flatMap(([, names, about]) => {
    const numbers = [...about.matchAll(/(\d+) x (\d+)/g)].map(([, width, height]) => [Number(width), Number(height)]);
    return [...names.matchAll(/`([^`]+)`/g)].map(([, name], index) => [name, numbers[index] ?? numbers[0] ?? null]);
  });
  expect(Object.fromEntries(sizes)).toMatchObject(IMAGES);
});

test('the README makes the environment before its secret, and says what is needed without one', () => {
  const readme = read(root, 'deploy/fork/README.md');
  const made = readme.indexOf('gh api --method PUT repos/example/sim/environments/upstream');
  expect(made).toBeGreaterThan(0);
  expect(readme.indexOf('gh secret set SYNC_TOKEN --env upstream')).toBeGreaterThan(made);
  for (const page of [readme, read(root, 'docs/fork-and-brand.md')]) {
    expect(page).toContain('can_approve_pull_request_reviews');
  }
});

test('a second run changes nothing', () => {
  const tree = fork({ images: { 'branding/logo.svg': '<svg/>' } });
  brandIn(tree);
  const before = snapshot(tree);
  const { stdout } = brandIn(tree);
  expect(snapshot(tree)).toEqual(before);
  expect(stdout).not.toMatch(/^set /m);
  expect(stdout).toMatch(/^0 set, \d+ already so, 0 missed, 0 skipped$/m);
});

test('another brand takes the place of the first', () => {
  const tree = fork();
  brandIn(tree);
  const brand = { ...BRAND, enterpriseFiles: true, name: 'Second', tagline: 'Another' };
  writeFileSync(path.join(tree, 'branding/brand.json'), JSON.stringify(brand));
  brandIn(tree);
  const texts = read(tree, METADATA) + read(tree, MANIFEST) + read(tree, 'branding/brand.env');
  expect(texts).not.toContain('Example Flows');
  expect(texts).toContain("name: 'Second'");
});

test('a dry run lists the same changes and makes none', () => {
  const tree = fork({ images: { 'icon.svg': '<svg/>' } });
  const before = snapshot(tree);
  const dry = brandIn(tree, '--dry-run').stdout;
  expect(snapshot(tree)).toEqual(before);
  const wet = brandIn(tree).stdout;
  expect(dry.replace('would be set', 'set')).toBe(wet);
});

test("files under Sim's enterprise licence are left alone unless brand.json says otherwise", () => {
  const tree = fork({ brand: { enterpriseFiles: false } });
  const { stdout } = brandIn(tree);
  expect(read(tree, METADATA)).toBe(FILES[METADATA]);
  expect(stdout).toContain(`skipped ${METADATA}: long description`);
  expect(read(tree, MANIFEST)).toContain('Flows for everybody at Example');
});

test('the workflows are put where GitHub finds them', () => {
  const tree = fork();
  brandIn(tree);
  for (const name of ['images.yml', 'upstream.yml']) {
    expect(read(tree, `.github/workflows/${name}`)).toBe(read(root, `deploy/fork/${name}`));
  }
});

test('a place that this version of Sim lacks is told, and with --strict it is an error', () => {
  const tree = fork({ without: [MANIFEST] });
  const { status, stdout } = brandIn(tree);
  expect({ status, missed: stdout.match(/^missed .*$/gm) }).toEqual({
    status: 0,
    missed: [`missed  ${MANIFEST}: description of the installed app`],
  });
  expect(brandIn(tree, '--strict').status).toBe(1);
  expect(brandIn(fork(), '--strict').status).toBe(0);
});

test('a tree that is not Sim is refused, and nothing is written', () => {
  const tree = fork({ without: ['docker/app.Dockerfile'] });
  const before = snapshot(tree);
  const { status, stderr } = brandIn(tree);
  expect(status).toBe(1);
  expect(stderr).toContain('is no checkout of Sim: it lacks docker/app.Dockerfile');
  expect(snapshot(tree)).toEqual(before);
});

test('a symbolic link out of the tree is not written through', () => {
  const outside = emptyFolder();
  writeFileSync(path.join(outside, 'manifest.ts'), FILES[MANIFEST]);
  const tree = fork({ without: [MANIFEST] });
  symlinkSync(outside, path.join(tree, 'apps/sim/app'));
  const { status, stderr } = brandIn(tree);
  expect(status).toBe(1);
  expect(stderr).toContain('symbolic link');
  expect(readFileSync(path.join(outside, 'manifest.ts'), 'utf8')).toBe(FILES[MANIFEST]);
  expect(existsSync(path.join(tree, 'branding/brand.env'))).toBe(false);
});

test('an image of a wrong size is refused before anything is written', () => {
  const wrong = fork({ images: { 'favicon/favicon-16x16.png': png(32, 32) } });
  const { status, stderr } = brandIn(wrong);
  expect(status).toBe(1);
  expect(stderr).toContain('public/favicon/favicon-16x16.png must be a PNG of 16 x 16 pixels');
  expect(existsSync(path.join(wrong, 'branding/brand.env'))).toBe(false);
  expect(brandIn(fork({ images: { 'favicon/favicon-16x16.png': png(16, 16) } })).status).toBe(0);
});

test.each([
  ['a colour that is none', { colors: { primary: 'red' } }, 'colors.primary: "red" does not fit'],
  ['a quote in a text', { tagline: "it's" }, 'tagline: "it\'s" does not fit'],
  ['a backtick in a text', { name: 'Flows`' }, 'name: '],
  ['a script as an address', { links: { terms: 'javascript:alert(1)' } }, 'links.terms: '],
  ['no name', { name: undefined }, 'name: is missing'],
  ['an unknown setting', { slogan: 'x' }, 'slogan: there is no such setting'],
])('brand.json with %s is refused', (_, brand, message) => {
  const tree = fork({ brand });
  const { status, stderr } = brandIn(tree);
  expect(status).toBe(1);
  expect(stderr).toContain(message);
  expect(read(tree, MANIFEST)).toBe(FILES[MANIFEST]);
});

test('--list names every file that the branding may change, for the weekly merge', () => {
  const tree = fork({ images: { 'branding/logo.svg': '<svg/>' } });
  const listed = brandIn(tree, '--list').stdout.trim().split('\n');
  const { stdout } = brandIn(tree);
  for (const [, file] of stdout.matchAll(/^set +(\S+): /gm)) {
    if (file !== 'branding/brand.env') expect(listed).toContain(file);
  }
});
