// What the benchmark writes. How fast anything is, no test says.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';
import { withTable } from '../benches/report/readme.mjs';

const read = (name) => fs.readFileSync(new URL(`../${name}`, import.meta.url), 'utf8');

test("the README's figures are those of docs/benchmark.json, from a run", () => {
  const readme = read('README.md');
  assert.equal(withTable(readme, JSON.parse(read('docs/benchmark.json'))), readme);
  assert.ok(readme.includes('| path_open + fd_close, depth 1 |'));
});

test('a README without a place for the table is refused', () => {
  assert.throws(() => withTable('# nothing', { machine: {}, parts: [] }), /no place/);
});
