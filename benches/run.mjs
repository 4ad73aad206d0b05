// npm run bench [-- options]: wasi-rs against node:wasi.
//
// With --no-concurrent-marking, as node:wasi of Node 20 crashes when the collector marks during a read of 64
// MiB.

import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { QUICK, THOROUGH } from './lib/compare.mjs';
import { memories, quantity, times } from './report/format.mjs';
import { describe, machine } from './report/machine.mjs';
import { markdown } from './report/markdown.mjs';
import { withFigures } from './report/readme.mjs';
import { meanRatio, slowerRows } from './report/summary.mjs';
import { svg } from './report/svg.mjs';

const README = fileURLToPath(new URL('../README.md', import.meta.url));
const PARTS = ['syscalls', 'programs', 'startup', 'scaling', 'engine', 'components', 'memory'];

const HELP = `npm run bench [-- options]: what system calls and programs cost, wasi-rs against node:wasi

  --quick          few and short rounds: a first look
  --only NAME      only the part NAME (${PARTS.join(', ')}), or the rows with NAME in theirs
  --json FILE      where the figures go; without --quick and --only: docs/benchmark.json,
                   and figures into README.md
  --markdown FILE  the tables: docs/benchmark.md
  --svg FILE       the plot: docs/benchmark.svg
  --no-build       measure the addon that is there`;

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    json: { type: 'string' },
    markdown: { type: 'string' },
    svg: { type: 'string' },
    'no-build': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (options.help) console.log(HELP);
else await main();

async function main() {
  if (!options['no-build']) createRequire(import.meta.url)('../scripts/build.js').build();
  const results = { machine: machine(), parts: [] };
  console.error(describe(results.machine));
  for (const name of PARTS) {
    const part = await measure(name);
    if (part.rows.length > 0) results.parts.push(part);
  }
  write(results);
}

async function measure(name) {
  const { title, about, hasMean, run } = await import(`./${name}.mjs`);
  const rows = [];
  for await (const row of run({
    quick: options.quick,
    effort: options.quick ? QUICK : THOROUGH,
    wanted: (row) => [undefined, name].includes(options.only) || row.includes(options.only),
  })) {
    if (rows.length === 0) console.error(`\n${title}`);
    rows.push(row);
    printRow(row);
  }
  const geometricMean = hasMean ? meanRatio(rows) : undefined;
  if (geometricMean) printRow({ name: 'geometric mean', ratio: geometricMean });
  return { name, title, about, geometricMean, rows };
}

function printRow({ name, ours, theirs, kernel, unit, ratio, memory, note = '' }) {
  const figures = [...[ours, theirs, kernel].map((value) => quantity(value, unit)), times(ratio)];
  const columns = figures.map((figure) => figure.padStart(12)).join('');
  const mark = slowerRows([{ ratio }]).length > 0 ? 'slower' : '';
  const remarks = [mark, memory && memories(memory), note].filter(Boolean).join('; ');
  console.error(`  ${name.padEnd(58)}${columns}  ${remarks}`.trimEnd());
}

function write(results) {
  const whole = !options.quick && options.only === undefined;
  const json = `${JSON.stringify(results, rounded, 2)}\n`;
  const file = (kind, extension) =>
    options[kind] ?? (whole ? documentation(`benchmark.${extension}`) : undefined);
  const plot = file('svg', 'svg');
  const page = file('markdown', 'md');
  const link = plot && page ? path.relative(path.dirname(page), plot) : 'benchmark.svg';
  save(file('json', 'json'), json);
  save(page, markdown(results, link));
  save(plot, svg(results));
  // From the figures as they are kept, so that a test can tell whether they are the same.
  if (whole) save(README, withFigures(fs.readFileSync(README, 'utf8'), JSON.parse(json)));
}

function save(file, content) {
  if (file === undefined) return;
  fs.writeFileSync(file, content);
  console.error(`wrote ${path.relative('', file)}`);
}

function documentation(name) {
  return fileURLToPath(new URL(`../docs/${name}`, import.meta.url));
}

function rounded(_key, value) {
  return typeof value === 'number' ? Number(value.toPrecision(4)) : value;
}
