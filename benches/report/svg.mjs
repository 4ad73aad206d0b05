import { quantity, times } from './format.mjs';
import { describe } from './machine.mjs';
import { NOISE } from './summary.mjs';

// Horizontal bars: each row's ratio on a logarithmic axis, from 1 to the right (faster) or to the left
// (slower).

const WIDTH = 900;
const LABELS = 320; // how wide they are: there the plot begins
const PLOT = 360; // how wide it is
const ROW = 20;
const BAR = 12;
const HEADING = 36;
const TOP = 92;
const BOTTOM = 36;
const TICKS = [0.125, 0.25, 0.5, 1, 2, 4, 8, 16];
const [LEAST, MOST] = [TICKS[0], TICKS.at(-1)];

// Grey and the bars' colours are legible on white and on black; only some viewers tell the theme of a page.
const STYLE = `
  text { font: 12px system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: #6e7781 }
  .title { font-size: 16px; font-weight: 600 }
  .heading { font-size: 13px; font-weight: 600 }
  .small { font-size: 11px }
  .grid { stroke: #8b949e; stroke-opacity: 0.25 }
  .one { stroke: #8b949e; stroke-width: 1.5 }
  .faster { fill: #2f8f5b }
  .slower { fill: #d0642c }
  .even { fill: #8b949e }
  @media (prefers-color-scheme: light) { text { fill: #32383f } }
  @media (prefers-color-scheme: dark) { text { fill: #c9d1d9 } }`;

/** @param {{ machine: any, parts: any[] }} results */
export function svg({ machine, parts }) {
  const groups = parts
    .filter(({ name }) => name !== 'scaling') // tells nothing by its ratios alone
    .map(({ title, rows }) => ({ title, rows: rows.filter(({ ratio }) => ratio !== undefined) }))
    .filter(({ rows }) => rows.length > 0);
  const body = [];
  let y = TOP;
  for (const { title, rows } of groups) {
    body.push(text(0, y + HEADING - 12, title, 'heading'));
    y += HEADING;
    for (const row of rows) {
      body.push(bar(row, y));
      y += ROW;
    }
  }
  const height = y + BOTTOM;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="-16 0 ${WIDTH + 32} ${height}" width="${WIDTH + 32}" height="${height}" role="img">
<title>wasi-rs against node:wasi</title>
<style>${STYLE}
</style>
${text(0, 28, 'How many times as fast as node:wasi, or as small', 'title')}
${text(0, 50, describe(machine), 'small')}
${axis(TOP, y)}
${body.join('\n')}
</svg>
`;
}

function axis(from, to) {
  const lines = TICKS.map((tick) => {
    const x = position(tick);
    const kind = tick === 1 ? 'one' : 'grid';
    const line = `<line class="${kind}" x1="${x}" y1="${from}" x2="${x}" y2="${to + 4}"/>`;
    const label = tick < 1 ? `1/${1 / tick}` : String(tick);
    return [line, ...[from - 6, to + 20].map((y) => text(x, y, label, 'small', 'middle'))];
  });
  return lines.flat().join('\n');
}

function bar({ name, ours, theirs, unit, ratio }, y) {
  const [one, end] = [position(1), position(ratio)];
  const [x, width] = [Math.min(one, end), Math.max(1, Math.abs(end - one))];
  const kind = ratio < NOISE ? 'slower' : ratio > 1 / NOISE ? 'faster' : 'even';
  const middle = y + ROW / 2;
  return [
    text(LABELS - 12, middle + 4, name, undefined, 'end'),
    `<rect class="${kind}" x="${x}" y="${middle - BAR / 2}" width="${round(width)}" height="${BAR}" rx="2"/>`,
    text(LABELS + PLOT + 12, middle + 4, times(ratio) + beyond(ratio)),
    text(WIDTH, middle + 4, `${quantity(ours, unit)} : ${quantity(theirs, unit)}`, 'small', 'end'),
  ].join('\n');
}

function position(ratio) {
  const clamped = Math.min(MOST, Math.max(LEAST, ratio));
  return round(LABELS + (PLOT * Math.log(clamped / LEAST)) / Math.log(MOST / LEAST));
}

/** Tells where a bar would go on, outside the plot. */
function beyond(ratio) {
  if (ratio > MOST) return ' →';
  return ratio < LEAST ? ' ←' : '';
}

const round = (value) => Math.round(value * 10) / 10;

function text(x, y, content, kind, anchor) {
  const attributes = [
    `x="${x}" y="${y}"`,
    kind && `class="${kind}"`,
    anchor && `text-anchor="${anchor}"`,
  ];
  return `<text ${attributes.filter(Boolean).join(' ')}>${escape(content)}</text>`;
}

function escape(content) {
  return content.replace(/[&<>]/g, (character) => `&#${character.charCodeAt(0)};`);
}
