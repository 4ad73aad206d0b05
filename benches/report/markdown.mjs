import { mebibytes, memories, quantity, times } from './format.mjs';
import { describe } from './machine.mjs';
import { slowerRows } from './summary.mjs';

/** @param {{ machine: any, parts: any[] }} results @param {string} plot address of the SVG file */
export function markdown({ machine, parts }, plot) {
  return `# Benchmark

Written by \`npm run bench\`:
${describe(machine)}.

wasi-rs and node:wasi take turns, on files in memory. Each figure is a median;
a ratio above 1 means that wasi-rs is the faster one (or takes less). Within 5 % is noise.
[speed.md](speed.md) says why some rows are slower, and has what is not in the tables.

${summary(parts)}

![Ratio per row](${plot})

${parts.map(section).join('\n\n')}
`;
}

/** How fast each part is as a whole. */
export function summary(parts) {
  const lines = parts.map(({ title, rows, geometricMean }) => {
    const compared = rows.filter(({ ratio }) => ratio !== undefined);
    const slower = slowerRows(rows).length;
    return `| ${title} | ${times(geometricMean)} | ${slower} of ${compared.length} |`;
  });
  return ['| | ratio, geometric mean | slower |', '| --- | --: | --: |', ...lines].join('\n');
}

function section({ title, about, rows }) {
  return `## ${title}\n\n${about}\n\n${table(rows)}`;
}

/** The rows with the columns that any of them has. */
export function table(rows) {
  const columns = COLUMNS.filter(({ has }) => rows.some(has));
  const lines = [
    ['', ...columns.map(({ head }) => head)],
    ['---', ...columns.map(({ align = '--:' }) => align)],
    ...rows.map((row) => [row.name, ...columns.map(({ cell }) => cell(row))]),
  ];
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

const COLUMNS = [
  { head: 'wasi-rs', has: () => true, cell: ({ ours, unit }) => quantity(ours, unit) },
  { head: 'node:wasi', has: () => true, cell: ({ theirs, unit }) => quantity(theirs, unit) },
  {
    head: 'kernel',
    has: ({ kernel }) => kernel,
    cell: ({ kernel, unit }) => quantity(kernel, unit),
  },
  { head: 'ratio', has: () => true, cell: ({ ratio }) => times(ratio) },
  {
    head: 'guest alone',
    has: ({ guest }) => guest,
    cell: ({ guest, unit }) =>
      guest ? `${quantity(guest.ours, unit)} / ${quantity(guest.theirs, unit)}` : '',
  },
  {
    head: 'peak memory',
    has: ({ memory }) => memory,
    cell: ({ memory }) => (memory ? memories(memory) : ''),
  },
  {
    head: 'Node.js alone',
    has: ({ alone }) => alone,
    cell: ({ alone, unit }) =>
      alone ? `${quantity(alone.wall, unit)}, ${mebibytes(alone.memory)}` : '',
  },
  { head: '', align: '---', has: ({ note }) => note, cell: ({ note = '' }) => note },
];
