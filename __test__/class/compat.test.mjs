// `wasi-rs/compat`: the class with node:wasi's listing of directories, and with no other difference.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { WASI } from 'wasi-rs';
import { WASI as CompatWASI } from 'wasi-rs/compat';
import { ERRNO, Guest, O, RIGHT } from '../support/guest.mjs';
import { temporaryFolder } from '../support/host.mjs';

const DIRENT = 24;
const [BUFFER, USED] = [1024, 512];

const folder = temporaryFolder({ after });
const names = ['.hidden', '..two', '...', 'a', 'file', 'some-longer-name', 'z'];
fs.mkdirSync(path.join(folder, 'empty'));
fs.mkdirSync(path.join(folder, 'full'));
for (const name of names) fs.writeFileSync(path.join(folder, 'full', name), name);

/** A guest of the class that has the folder as descriptor 3. */
const guest = (Class) => new Guest({ preopens: { '/': folder } }, { Class });

/** Opens a directory to read it. */
const open = (guest, name) =>
  guest.open(3, name, { oflags: O.DIRECTORY, rights: RIGHT.ALL & ~RIGHT.FD_WRITE });

/** One call of fd_readdir: the entries that came whole, and how many bytes came. */
function readdir(guest, fd, { length = 4096, cookie = 0n } = {}) {
  assert.equal(guest.call('fd_readdir', fd, BUFFER, length, cookie, USED), ERRNO.SUCCESS);
  const used = guest.u32(USED);
  const bytes = guest.bytes(BUFFER, used);
  const entries = [];
  for (let at = 0; at + DIRENT <= used;) {
    const end = at + DIRENT + bytes.readUInt32LE(at + 16);
    if (end > used) break;
    entries.push({
      next: bytes.readBigUInt64LE(at),
      ino: bytes.readBigUInt64LE(at + 8),
      type: bytes[at + 20],
      name: bytes.toString('utf8', at + DIRENT, end),
    });
    at = end;
  }
  return { entries, used };
}

/** The names in a directory, read to the end through a buffer of this length. */
function list(guest, fd, length) {
  const found = [];
  for (let cookie = 0n; ;) {
    const { entries, used } = readdir(guest, fd, { length, cookie });
    found.push(...entries.map(({ name }) => name));
    if (used < length) return found;
    cookie = entries.at(-1).next;
  }
}

test('required and imported it is one class, and another one than the standard one', () => {
  const required = createRequire(import.meta.url)('wasi-rs/compat');
  assert.equal(required.WASI, CompatWASI);
  assert.deepEqual(Object.keys(required), ['WASI']);
  assert.equal(CompatWASI.name, 'WASI');
  assert.notEqual(CompatWASI, WASI);
});

describe('fd_readdir', () => {
  for (const [name, expected] of Object.entries({ empty: [], full: names })) {
    test(`lists what is in a directory (${expected.length}), no "." and ".."`, () => {
      const compat = guest(CompatWASI);
      const found = list(compat, open(compat, name), 4096);
      assert.deepEqual(found.toSorted(), expected.toSorted());
    });

    test(`of the standard class lists both besides (${expected.length})`, () => {
      const standard = guest(WASI);
      const found = list(standard, open(standard, name), 4096);
      assert.deepEqual(found.toSorted(), ['.', '..', ...expected].toSorted());
    });
  }

  test('lists each entry once through a buffer that holds one or two', () => {
    const compat = guest(CompatWASI);
    const fd = open(compat, 'full');
    for (const length of [41, 48, 64, 100]) {
      assert.deepEqual(list(compat, fd, length).toSorted(), names.toSorted(), `${length} bytes`);
    }
  });

  test('goes on after each cookie, also backwards and after the last', () => {
    const compat = guest(CompatWASI);
    const fd = open(compat, 'full');
    const { entries } = readdir(compat, fd);
    for (let i = entries.length - 1; i >= 0; i--) {
      assert.deepEqual(
        readdir(compat, fd, { cookie: entries[i].next }).entries,
        entries.slice(i + 1),
      );
    }
  });

  test("has the file system's serial numbers and types", () => {
    const compat = guest(CompatWASI);
    const found = Object.fromEntries(
      readdir(compat, 3).entries.map(({ name, ino, type }) => [name, { ino, type }]),
    );
    const ino = (name) => fs.statSync(path.join(folder, name), { bigint: true }).ino;
    const DIRECTORY = 3;
    assert.deepEqual(found, {
      empty: { ino: ino('empty'), type: DIRECTORY },
      full: { ino: ino('full'), type: DIRECTORY },
    });
  });
});

test('"." and ".." can be opened, as names', () => {
  const compat = guest(CompatWASI);
  assert.ok(open(compat, '.') > 3);
  assert.ok(open(compat, 'full/..') > 3);
  assert.equal(open(compat, '..'), -ERRNO.NOTCAPABLE);
});

test('the version is as mandatory as with node:wasi, and proc_exit returns', () => {
  assert.throws(() => new CompatWASI({}), { code: 'ERR_INVALID_ARG_TYPE' });
  const start = '(call $proc_exit (i32.const 7))';
  assert.equal(new Guest({}, { Class: CompatWASI, start }).result, 7);
});
