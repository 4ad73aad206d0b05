import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

const files = ['before.cjs', 'after.cjs'];

test('one line is different', () => {
  const [before, after] = files.map((file) => readFileSync(file, 'utf8').split('\n'));
  const changed = before.filter((line, i) => line !== after[i]);
  assert.deepEqual(changed, ["const { WASI } = require('node:wasi');"]);
});

test('they do the same', () => {
  const [before, after] = files.map((file) =>
    spawnSync(process.execPath, [file], { encoding: 'utf8' }),
  );
  assert.equal(before.stdout, 'hello world\n');
  assert.equal(after.stdout, before.stdout);
  assert.equal(after.status, before.status);
  assert.equal(after.stderr, '');
});
