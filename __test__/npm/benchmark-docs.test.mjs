// What the benchmark writes. How fast anything is, no test says.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';
import { table } from '../../benches/report/markdown.mjs';
import { withFigures } from '../../benches/report/readme.mjs';

const read = (name) => fs.readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8');

test("the README's figures are those of docs/benchmark.json, from a run", () => {
  const readme = read('README.md');
  assert.equal(withFigures(readme, JSON.parse(read('docs/benchmark.json'))), readme);
  assert.match(readme, /^- System calls: x\d/m);
});

test('what the kernel takes has a column in tables that have it of some row', () => {
  const rows = [
    { name: 'fd_seek', ours: 150, theirs: 160, unit: 'ns', ratio: 1.07, kernel: 103 },
    { name: 'args_get', ours: 4, theirs: 28, unit: 'ns', ratio: 7 },
  ];
  assert.equal(
    table(rows),
    `|  | wasi-rs | node:wasi | kernel | ratio |
| --- | --: | --: | --: | --: |
| fd_seek | 150 ns | 160 ns | 103 ns | x1.07 |
| args_get | 4.00 ns | 28.0 ns |  | x7.00 |`,
  );
  assert.ok(!table(rows.slice(1)).includes('kernel'));
});

test('a README without a place for the figures is refused', () => {
  assert.throws(() => withFigures('# nothing', { machine: {}, parts: [] }), /no place/);
});
