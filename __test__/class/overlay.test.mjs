// Directories in memory above one of the host.

import assert from 'node:assert/strict';
import fs, { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { MemoryDirectory, memory, overlay } from '../../index.js';
import { ERRNO, Guest, O, RIGHT } from '../support/guest.mjs';
import { temporaryFolder } from '../support/host.mjs';

const NOTEMPTY = 55;
const ROFS = 69;

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
  const behind = { lower, other: undefined, uper: memory() };
  assert.throws(() => overlay(behind), { code: 'ERR_INVALID_ARG_VALUE' });
  assert.throws(() => overlay({ lower, upper: null }), { code: 'ERR_INVALID_ARG_TYPE' });
  assert.throws(() => overlay(), { code: 'ERR_INVALID_ARG_TYPE' });
  assert.throws(() => overlay({ lower: join(lower, 'missing') }), { code: 'ENOENT' });
  assert.throws(() => overlay({ lower: join(lower, 'other') }), { code: 'ENOTDIR' });
  assert.throws(() => overlay({ lower: `${lower}\0` }), { code: 'ERR_INVALID_ARG_VALUE' });
});

/** A guest with a directory above one of the host, which has links, a pipe, and files. */
function guestOf(t) {
  const root = temporaryFolder(t);
  const below = join(root, 'lower');
  mkdirSync(join(below, 'dir/deep'), { recursive: true });
  writeFileSync(join(root, 'outside'), 'outside');
  writeFileSync(join(below, 'file'), 'of the host');
  writeFileSync(join(below, 'dir/inner'), 'inner');
  fs.symlinkSync('../outside', join(below, 'out'));
  fs.symlinkSync(join(root, 'outside'), join(below, 'absolute'));
  fs.symlinkSync('dir/inner', join(below, 'link'));
  const work = overlay({ lower: below });
  return { below, work, guest: new Guest({ preopens: { '/': work } }) };
}

const names = (guest, dir) => {
  assert.equal(guest.call('fd_readdir', dir, 4096, 8192, 0, 0), 0);
  const found = [];
  for (let at = 4096; at < 4096 + guest.u32(0); at += 24 + guest.u32(at + 16))
    found.push(guest.text(at + 24, guest.u32(at + 16)));
  return found.sort();
};

test('a guest copies a file when it first writes to it, and not before', (t) => {
  const { below, work, guest } = guestOf(t);
  const read = { rights: RIGHT.FD_READ };
  const before = guest.open(3, 'file', read);
  assert.equal(guest.read(before), 'of the host');
  assert.equal(guest.call('fd_filestat_set_times', before, 1, 1, 5), ROFS);
  assert.equal(work.used, 0);
  const fd = guest.open(3, 'file');
  assert.ok(work.used > 0);
  assert.equal(guest.write(fd, 'OF'), 0);
  assert.equal(guest.call('fd_seek', fd, 0, 0, 0), 0);
  assert.equal(guest.read(fd), 'OF the host');
  assert.equal(guest.read(guest.open(3, 'file', read)), 'OF the host');
  assert.equal(guest.call('path_filestat_set_times', 3, 1, ...guest.put(64, 'link'), 1, 1, 5), 0);
  assert.deepEqual(work.changed(), {
    'dir/': { inner: Buffer.from('inner') },
    file: Buffer.from('OF the host'),
  });
  assert.equal(readFileSync(join(below, 'file'), 'utf8'), 'of the host');
});

test('names that are removed are not there, and a directory made anew is empty', (t) => {
  const { below, work, guest } = guestOf(t);
  const [path, other] = [(name) => guest.put(64, name), (name) => guest.put(128, name)];
  const all = ['.', '..', 'absolute', 'dir', 'file', 'link', 'out'];
  assert.deepEqual(names(guest, 3), all);
  const open = guest.open(3, 'file');
  assert.equal(guest.call('path_unlink_file', 3, ...path('file')), 0);
  assert.equal(guest.read(open), 'of the host', 'it stays open');
  assert.equal(guest.open(3, 'file'), -ERRNO.NOENT);
  assert.equal(guest.call('path_remove_directory', 3, ...path('dir')), NOTEMPTY);
  assert.equal(guest.call('path_rename', 3, ...path('dir'), 3, ...other('moved')), 0);
  assert.equal(guest.call('path_create_directory', 3, ...path('dir')), 0);
  assert.equal(guest.call('path_link', 3, 0, ...path('moved/inner'), 3, ...other('dir/second')), 0);
  assert.deepEqual(names(guest, guest.open(3, 'dir', { oflags: O.DIRECTORY, rights: 0n })), [
    '.',
    '..',
    'second',
  ]);
  assert.deepEqual(names(guest, 3), ['.', '..', 'absolute', 'dir', 'link', 'moved', 'out']);
  const inner = Buffer.from('inner');
  assert.deepEqual(work.changed(), {
    'dir/': { second: inner },
    'moved/': { 'deep/': {}, inner },
  });
  assert.deepEqual(work.removed(), ['dir/', 'file']);
  assert.deepEqual(fs.readdirSync(join(below, 'dir')), ['deep', 'inner']);
});

test('no link of the host leads out, and none that the guest makes', (t) => {
  const { below, work, guest } = guestOf(t);
  for (const name of ['out', 'absolute', '../outside', 'dir/../../outside'])
    for (const rights of [RIGHT.FD_READ, RIGHT.ALL])
      assert.equal(guest.open(3, name, { rights }), -ERRNO.NOTCAPABLE, name);
  const [target, at] = [guest.put(64, '../../outside'), guest.put(128, 'dir/made')];
  assert.equal(guest.call('path_symlink', ...target, 3, ...at), 0);
  assert.equal(guest.open(3, 'dir/made'), -ERRNO.NOTCAPABLE);
  assert.throws(() => work.readFile('out'), { code: 'ENOTCAPABLE' });
  assert.throws(() => work.writeFile('out', ''), { code: 'ENOTCAPABLE' });
  assert.throws(() => work.copyTo(join(below, '../copy')), { code: 'ERR_INVALID_ARG_VALUE' });
  work.rm('out');
  assert.equal(readFileSync(join(below, '../outside'), 'utf8'), 'outside');
});

test(
  'what the embedder can not read it is told of',
  { skip: process.platform !== 'linux' },
  (t) => {
    const { below, work } = guestOf(t);
    const odd = Buffer.concat([Buffer.from(`${below}/`), Buffer.from([0xff])]);
    fs.writeFileSync(odd, 'no text');
    assert.throws(() => work.tree(), { code: 'EILSEQ' });
    assert.deepEqual(work.changed(), {});
    fs.unlinkSync(odd);
    assert.deepEqual(Object.keys(work.tree()), ['absolute', 'dir/', 'file', 'link', 'out']);
    if (process.getuid() === 0) return; // nothing is closed to it
    fs.chmodSync(join(below, 'dir'), 0);
    t.after(() => fs.chmodSync(join(below, 'dir'), 0o700));
    assert.throws(() => work.tree(), { code: 'EACCES' });
  },
);

test('it is a MemoryDirectory, and a file of the host may be larger than its limit', (t) => {
  const { below } = guestOf(t);
  const work = overlay({ lower: below, upper: memory({}, { limit: 5 }) });
  assert.ok(work instanceof MemoryDirectory);
  assert.equal(work.readFile('file', 'utf8'), 'of the host');
  assert.deepEqual(work.tree().file, Buffer.from('of the host'));
  assert.deepEqual([work.used, work.limit], [0, 5]);
  assert.throws(() => work.writeFile('file', 'longer than 5'), { code: 'ENOSPC' });
  assert.equal(memory.shared(work.share()).readFile('file', 'utf8'), 'of the host');
});
