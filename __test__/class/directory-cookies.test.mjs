// Cookies of directories: small enough for a C `long`, good to go back to, and cheap to the host however many there are.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { WASI } from 'wasi-rs';
import { WASI as Compat } from 'wasi-rs/compat';
import { forEachEngine } from '../support/engine.mjs';
import { ERRNO, Guest, O } from '../support/guest.mjs';
import { temporaryFolder } from '../support/host.mjs';
import { assemble } from '../support/wat.mjs';

const [DIRENT, BUFFER, USED] = [24, 65536, 512];
const folder = temporaryFolder({ after });
fs.mkdirSync(path.join(folder, 'few'));
for (const name of ['a', 'b', 'c', 'd', 'e']) fs.writeFileSync(path.join(folder, 'few', name), '');
fs.mkdirSync(path.join(folder, 'many'));
for (let i = 0; i < 3000; i++) fs.writeFileSync(path.join(folder, 'many', `entry-${i}`), '');

const guestOf = (Class = WASI) => new Guest({ preopens: { '/': folder } }, { Class, memory: '4' });
const open = (guest, name) => guest.open(3, name, { oflags: O.DIRECTORY, rights: 0n });

/** One call: the whole entries from a cookie on, each a name and the cookie behind it. */
function some(guest, fd, cookie, length = 4096) {
  const errno = guest.call('fd_readdir', fd, BUFFER, length, cookie, USED);
  assert.equal(errno, 0);
  const bytes = guest.bytes(BUFFER, guest.u32(USED));
  const entries = [];
  for (let at = 0; at + DIRENT <= bytes.length;) {
    const end = at + DIRENT + bytes.readUInt32LE(at + 16);
    if (end > bytes.length) break;
    entries.push({
      name: bytes.toString('utf8', at + DIRENT, end),
      next: bytes.readBigUInt64LE(at),
    });
    at = end;
  }
  return { entries, isEnd: bytes.length < length };
}

/** All entries from a cookie on. */
function rest(guest, fd, cookie = 0n, length = 4096) {
  const found = [];
  for (;;) {
    const { entries, isEnd } = some(guest, fd, found.at(-1)?.next ?? cookie, length);
    found.push(...entries);
    if (isEnd) return found;
  }
}

for (const [edition, Class] of Object.entries({ WASI, Compat })) {
  describe(edition, () => {
    test('cookies fit a C long, and lead back in any order, as seekdir does', () => {
      const guest = guestOf(Class);
      for (const name of ['few', 'many']) {
        const fd = open(guest, name);
        const all = rest(guest, fd);
        assert.ok(all.every(({ next }) => next > 0n && next < 2n ** 31n));
        assert.equal(new Set(all.map(({ next }) => next)).size, all.length);
        const step = name === 'few' ? 1 : 271;
        for (let i = all.length - 1; i >= 0; i -= step) {
          const { entries } = some(guest, fd, all[i].next, 128);
          assert.deepEqual(entries, all.slice(i + 1, i + 1 + entries.length), `${name}: ${i}`);
        }
        assert.deepEqual(rest(guest, fd), all, 'rewound');
      }
    });
  });
}

test('a cookie that no entry had is EINVAL, one that an entry had is the end where nothing is left', () => {
  const guest = guestOf();
  fs.mkdirSync(path.join(folder, 'goes'));
  for (const name of 'abcdef') fs.writeFileSync(path.join(folder, 'goes', name), '');
  const fd = open(guest, 'goes');
  const all = rest(guest, fd);
  for (const cookie of [9n, 10n, 2n ** 31n, 2n ** 32n + 1n, 2n ** 64n - 1n]) {
    const errno = guest.call('fd_readdir', fd, BUFFER, 4096, cookie, USED);
    assert.equal(errno, ERRNO.INVAL, String(cookie));
  }
  for (const name of 'abcdef') fs.rmSync(path.join(folder, 'goes', name));
  assert.deepEqual(rest(guest, fd, all.at(-1).next), []);
  assert.equal(rest(guest, fd).length, 2);
  assert.deepEqual(rest(guest, fd, all.at(-1).next), []);
});

test('a cookie of one descriptor leads to the same place on another of the directory', () => {
  const guest = guestOf();
  const [one, other] = [open(guest, 'many'), open(guest, 'many')];
  const all = rest(guest, one);
  assert.deepEqual(rest(guest, other, all[1500].next), all.slice(1501));
});

test('who removes what it lists sees every entry once', () => {
  const guest = guestOf();
  const where = path.join(folder, 'emptied');
  fs.mkdirSync(where);
  for (let i = 0; i < 2000; i++) fs.writeFileSync(path.join(where, `${i}`), '');
  const fd = open(guest, 'emptied');
  const seen = [];
  for (let cookie = 0n, isEnd = false; !isEnd;) {
    const found = some(guest, fd, cookie, 1000);
    for (const { name } of found.entries) {
      seen.push(name);
      if (!name.startsWith('.'))
        assert.equal(guest.call('path_unlink_file', fd, ...guest.put(0, name)), 0);
    }
    cookie = found.entries.at(-1)?.next ?? cookie;
    ({ isEnd } = found);
  }
  assert.equal(new Set(seen).size, 2002);
  assert.equal(seen.length, 2002);
  assert.deepEqual(fs.readdirSync(where), []);
});

test('a thousand directories that are listed by turns, and left open, hold little', () => {
  const guest = guestOf();
  const fds = Array.from({ length: 200 }, () => open(guest, 'many'));
  for (const fd of fds) some(guest, fd, 0n, 128); // what the allocator keeps for itself
  const before = process.memoryUsage.rss();
  const more = Array.from({ length: 200 }, () => open(guest, 'many'));
  const turns = more.map((fd) => some(guest, fd, 0n, 128).entries);
  const again = more.map((fd, i) => some(guest, fd, turns[i].at(-1).next, 128).entries);
  assert.ok(process.memoryUsage.rss() - before < 8 << 20, 'each of 200 held 64 KiB once');
  const all = rest(guest, fds[0]);
  turns.forEach((entries, i) => {
    assert.deepEqual([...entries, ...again[i]], all.slice(0, entries.length + again[i].length));
  });
});

/** Exits with 1 if the first entry's cookie does not fit a C long, with the errno of a cookie that no entry had, or 0. */
const PROGRAM = `(module
  (import "wasi_snapshot_preview1" "fd_readdir"
    (func $readdir (param i32 i32 i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (drop (call $readdir (i32.const 3) (i32.const 64) (i32.const 4096) (i64.const 0) (i32.const 0)))
    (if (i64.gt_u (i64.load (i32.const 64)) (i64.const 0x7fffffff)) (then (call $exit (i32.const 1))))
    (call $exit
      (call $readdir (i32.const 3) (i32.const 64) (i32.const 99) (i64.const 99) (i32.const 0)))))`;

forEachEngine(({ engine, run }) => {
  test(`run() in ${engine}`, async () => {
    const preopens = { '/': path.join(folder, 'few') };
    const { exitCode } = await run(assemble(PROGRAM), { preopens });
    assert.equal(exitCode, ERRNO.INVAL);
  });
});
