// Directories in memory above one of the host.

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { memory, overlay } from '../../index.js';

const lower = mkdtempSync(join(tmpdir(), 'wasi-rs-overlay-'));
after(() => rmSync(lower, { recursive: true }));
mkdirSync(join(lower, 'dir'));
writeFileSync(join(lower, 'dir/file'), 'of the host');
writeFileSync(join(lower, 'other'), 'other');

test('it reads through, and what is written stays above', () => {
  const work = overlay({ lower: pathToFileURL(lower) });
  assert.equal(work.readFile('dir/file', 'utf8'), 'of the host');
  work.writeFile('dir/file', 'above');
  work.writeFile('dir/new', 'new');
  work.rm('other');
  assert.deepEqual(work.changed(), {
    'dir/': { file: Buffer.from('above'), new: Buffer.from('new') },
  });
  assert.deepEqual(work.removed(), ['other']);
  assert.deepEqual(Object.keys(work.tree()), ['dir/']);
  assert.equal(readFileSync(join(lower, 'dir/file'), 'utf8'), 'of the host');
  assert.equal(readFileSync(join(lower, 'other'), 'utf8'), 'other');
});

test('the upper directory is above, and in one overlay only', () => {
  const upper = memory({ 'dir/file': 'above' });
  const work = overlay({ lower, upper });
  assert.equal(work.readFile('dir/file', 'utf8'), 'above');
  assert.equal(work.readFile('other', 'utf8'), 'other');
  assert.throws(() => upper.readFile('dir/file'), { code: 'ERR_INVALID_STATE' });
  assert.throws(() => overlay({ lower, upper }), { code: 'ERR_INVALID_STATE' });
  assert.throws(() => overlay({ lower, upper: work }), { code: 'ERR_INVALID_STATE' });
});

test('other options are refused', () => {
  assert.throws(() => overlay({ lower: 1 }), { code: 'ERR_INVALID_ARG_TYPE' });
  assert.throws(() => overlay({ lower, upper: {} }), { code: 'ERR_INVALID_ARG_TYPE' });
  assert.throws(() => overlay({ lower, uper: memory() }), { code: 'ERR_INVALID_ARG_VALUE' });
  assert.throws(() => overlay({ lower: join(lower, 'missing') }), { code: 'ENOENT' });
});
