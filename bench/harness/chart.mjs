// A bar chart of requests per second as SVG: one panel for each scenario, one bar for each peer. Knows only names and
// numbers.

const WIDTH = 760;
const LABELS = 140;
const BAR = 18;
const GAP = 6;
const TITLE = 34;
const OURS = '#0b6e4f';
const THEIRS = '#8d99ae';

const escaped = (text) => text.replace(/[&<>]/g, (sign) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[sign]);

/** @param {{ title: string, values: [name: string, value: number][] }[]} panels the first value of each is ours */
export function chart(panels) {
  const most = Math.max(...panels.flatMap(({ values }) => values.map(([, value]) => value)));
  const scale = (WIDTH - LABELS - 80) / most;
  const parts = [];
  let y = 0;
  for (const { title, values } of panels) {
    parts.push(`<text x="10" y="${y + 22}" font-weight="bold">${escaped(title)}</text>`);
    y += TITLE;
    for (const [index, [name, value]] of values.entries()) {
      const width = Math.max(value * scale, 1);
      const middle = y + BAR / 2 + 4;
      parts.push(
        `<text x="${LABELS - 8}" y="${middle}" text-anchor="end">${escaped(name)}</text>`,
        `<rect x="${LABELS}" y="${y}" width="${width.toFixed(1)}" height="${BAR}" fill="${index === 0 ? OURS : THEIRS}"/>`,
        `<text x="${(LABELS + width + 6).toFixed(1)}" y="${middle}">${Math.round(value)}</text>`,
      );
      y += BAR + GAP;
    }
    y += GAP;
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" font-family="sans-serif" font-size="12">`,
    '<title>Requests per second of the package and its peers</title>',
    `<rect width="${WIDTH}" height="${y}" fill="#ffffff"/>`,
    ...parts,
    '</svg>\n',
  ].join('\n');
}
