// Where Sim's name and looks are: the variables it reads when it starts, and the places in its files that no variable
// reaches. As found in Sim's sources at v0.8 and later; what another version lacks is told, not guessed.

/** Variable → setting of brand.json. Sim has no variable for the tagline. */
export const VARIABLES = {
  NEXT_PUBLIC_BRAND_NAME: 'name',
  NEXT_PUBLIC_BRAND_LOGO_URL: 'images.logo',
  NEXT_PUBLIC_BRAND_WORDMARK_URL: 'images.wordmark',
  NEXT_PUBLIC_BRAND_FAVICON_URL: 'images.favicon',
  NEXT_PUBLIC_BRAND_PRIMARY_COLOR: 'colors.primary',
  NEXT_PUBLIC_BRAND_PRIMARY_HOVER_COLOR: 'colors.primaryHover',
  NEXT_PUBLIC_BRAND_ACCENT_COLOR: 'colors.accent',
  NEXT_PUBLIC_BRAND_ACCENT_HOVER_COLOR: 'colors.accentHover',
  NEXT_PUBLIC_BRAND_BACKGROUND_COLOR: 'colors.background',
  NEXT_PUBLIC_CUSTOM_CSS_URL: 'links.css',
  NEXT_PUBLIC_SUPPORT_EMAIL: 'supportEmail',
  NEXT_PUBLIC_DOCUMENTATION_URL: 'links.documentation',
  NEXT_PUBLIC_TERMS_URL: 'links.terms',
  NEXT_PUBLIC_PRIVACY_URL: 'links.privacy',
};

/** A string in TypeScript, in either quotes or in backticks without a placeholder. */
const STRING = String.raw`(?:'[^'\n]*'|"[^"\n]*"|${'`[^`$]*`'})`;

/** `before` is what stands in front of the string; the string's own text does not matter, so that this can be repeated. */
const text = (file, what, before, setting) => ({
  file,
  what,
  pattern: new RegExp(`(${before}\\s*)${STRING}`, 'g'),
  setting,
});

const METADATA = 'apps/sim/ee/whitelabeling/metadata.ts';
const MANIFEST = 'apps/sim/app/manifest.ts';

/** Texts that no variable reaches. */
export const TEXTS = [
  text(METADATA, 'long description', 'const summaryFull =', 'tagline'),
  text(METADATA, 'short description', 'const summaryShort =', 'tagline'),
  text(METADATA, 'name in structured data', String.raw`'@type': 'SoftwareApplication',\s*name:`, 'name'),
  text(METADATA, 'description in structured data', String.raw`name: ${STRING},\s*description:`, 'tagline'),
  text(METADATA, 'publisher in structured data', String.raw`'@type': 'Organization',\s*name:`, 'name'),
  text(METADATA, 'Twitter site', 'site:', 'twitter'),
  text(METADATA, 'Twitter creator', String.raw`creator:(?=\s*['"]@)`, 'twitter'),
  text(METADATA, 'colour of tiles', "'msapplication-TileColor':", 'colors.primary'),
  text(MANIFEST, 'description of the installed app', String.raw`short_name: brand\.name,\s*description:`, 'tagline'),
];

/** Images that Sim shows without a variable: path below apps/sim/public → size in pixels, null for any. */
export const IMAGES = {
  'icon.svg': null,
  'favicon/favicon-16x16.png': [16, 16],
  'favicon/favicon-32x32.png': [32, 32],
  'favicon/apple-touch-icon.png': [180, 180],
  'favicon/android-chrome-192x192.png': [192, 192],
  'favicon/android-chrome-512x512.png': [512, 512],
  // What other sites show for a link: when there is no logo, and for the landing page in any case.
  'logo/426-240/reverse/small.png': [2130, 1200],
  'brand/social/sim-og-image.png': [1200, 630],
  // The head of mails, when there is no logo. Mails that were sent keep its proportions.
  'brand/color/email/wordmark.png': [272, 164],
};

/** Sim's parts under a licence of their own (apps/sim/ee/LICENSE): only changed when brand.json says so. */
export const isEnterprise = (file) => file.startsWith('apps/sim/ee/');

/** All of these are there in every checkout of Sim. */
export const LANDMARKS = ['apps/sim/package.json', 'apps/sim/public', 'docker/app.Dockerfile', 'packages/db'];
