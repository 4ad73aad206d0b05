// The root directory as a preopen, which every napi-rs package asks for: absolute links lead where they lead for the host,
// in each edition, in both engines and on the command line. In any other directory they are refused.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { WASI } from 'wasi-rs';
import { WASI as Compat } from 'wasi-rs/compat';
import { WASI as Legacy } from 'wasi-rs/legacy';
import { forEachEngine } from '../support/engine.mjs';
import { ERRNO, Guest, O } from '../support/guest.mjs';
import { main, runNode, temporaryFolder } from '../support/host.mjs';

const onLinux = { skip: process.platform !== 'linux' };
const folder = temporaryFolder({ after });
fs.mkdirSync(path.join(folder, 'store'));
fs.writeFileSync(path.join(folder, 'store', 'file'), 'text');
fs.symlinkSync(path.join(folder, 'store'), path.join(folder, 'absolute'));
fs.symlinkSync(path.join(folder, 'store', 'file'), path.join(folder, 'to-file'));
fs.symlinkSync('../'.repeat(40) + 'etc', path.join(folder, 'above'));

/** A path in the folder, from the root. */
const at = (name) => path.join(folder, name).slice(1);

for (const [edition, Class] of Object.entries({ WASI, Compat, Legacy })) {
  describe(`the root directory in ${edition}`, onLinux, () => {
    const guest = new Guest({ preopens: { '/': '/' } }, { Class });
    const stat = (name, flags = 0) =>
      guest.call('path_filestat_get', 3, flags, ...guest.put(0, name), 1024);

    test('absolute links lead on, in every call', () => {
      assert.equal(guest.read(guest.open(3, at('absolute/file'))), 'text');
      assert.equal(guest.read(guest.open(3, at('to-file'))), 'text');
      assert.equal(guest.read(guest.open(3, path.join(folder, 'absolute/file'))), 'text');
      assert.equal(stat(at('absolute/file')), 0);
      assert.equal(stat(at('to-file'), 1), 0);
      const made = guest.put(0, at('absolute/made'));
      assert.equal(guest.call('path_create_directory', 3, ...made), 0);
      const moved = guest.put(512, at('absolute/moved'));
      assert.equal(guest.call('path_rename', 3, ...made, 3, ...moved), 0);
      assert.equal(guest.call('path_remove_directory', 3, ...moved), 0);
      const link = guest.put(0, at('to-file'));
      assert.equal(guest.call('path_link', 3, 1, ...link, 3, ...moved), 0);
      assert.equal(guest.call('path_unlink_file', 3, ...moved), 0);
      const times = [guest.put(0, at('to-file')), 0, 5_000_000_000, 4].flat();
      assert.equal(guest.call('path_filestat_set_times', 3, 1, ...times), 0);
      assert.equal(fs.statSync(path.join(folder, 'store/file')).mtimeMs, 5000);
    });

    test('the root is above itself', () => {
      assert.ok(guest.open(3, '../../proc', { oflags: O.DIRECTORY, rights: 0n }) > 0);
      assert.ok(guest.open(3, at('above'), { oflags: O.DIRECTORY, rights: 0n }) > 0);
    });

    test('a link that the guest makes may be absolute', () => {
      const name = guest.put(512, at('absolute/link'));
      assert.equal(guest.call('path_symlink', ...guest.put(0, folder), 3, ...name), 0);
      assert.equal(guest.read(guest.open(3, at('store/link/store/file'))), 'text');
      assert.equal(guest.call('path_unlink_file', 3, ...name), 0);
    });

    test('magic links are refused', () => {
      for (const name of ['fd/0', 'fd/1', 'exe', 'cwd', 'root', 'root/etc', 'cwd/package.json']) {
        assert.ok(guest.open(3, `proc/self/${name}`, { rights: 0n }) < 0, name);
        assert.notEqual(stat(`proc/self/${name}`, 1), 0, name);
      }
      for (const name of ['dev/fd/0', 'dev/stdin', 'dev/stdout', `proc/${process.pid}/root/etc`]) {
        assert.ok(guest.open(3, name, { rights: 0n }) < 0, name);
      }
    });

    test('a directory that is opened in it keeps a fence of its own', () => {
      const fd = guest.open(3, folder.slice(1), { oflags: O.DIRECTORY, rights: 0n });
      assert.equal(guest.open(fd, 'absolute/file'), -ERRNO.NOTCAPABLE);
      assert.equal(guest.open(fd, '../x'), -ERRNO.NOTCAPABLE);
    });
  });

  test(`another directory in ${edition} refuses absolute links`, () => {
    const guest = new Guest({ preopens: { '/': folder } }, { Class });
    assert.equal(guest.open(3, 'absolute/file'), -ERRNO.NOTCAPABLE);
    assert.equal(guest.open(3, '../x'), -ERRNO.NOTCAPABLE);
    const link = [guest.put(0, '/etc'), 3, guest.put(64, 'link')].flat();
    assert.equal(guest.call('path_symlink', ...link), ERRNO.NOTCAPABLE);
  });
}

test('the directories of the descriptors are no way to the streams of the host', onLinux, () => {
  for (const host of ['/proc/self/fd', '/dev/fd', '/proc/self']) {
    const guest = new Guest({ preopens: { '/': host } });
    for (const name of ['0', '1', '2', 'fd/1'])
      assert.ok(guest.open(3, name) < 0, `${host}/${name}`);
  }
});

describe('another name of the root directory', onLinux, () => {
  for (const root of ['/.', '/proc/..', '/proc/self/root']) {
    test(root, () => {
      const guest = new Guest({ preopens: { '/host': root } });
      assert.equal(guest.read(guest.open(3, at('absolute/file'))), 'text');
    });
  }

  test('for reading only it stays for reading only', () => {
    const guest = new Guest({ preopens: { '/': { path: '/', readOnly: true } } });
    assert.equal(guest.read(guest.open(3, at('absolute/file'), { rights: 2n })), 'text');
    assert.equal(guest.open(3, at('absolute/made'), { oflags: O.CREAT }), -69);
  });
});

/** A program that opens a path beneath descriptor 3 and exits with the errno. */
const opens = (name) => `(module
  (import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1) (data (i32.const 0) "${name}")
  (func (export "_start") (call $exit (call $open (i32.const 3) (i32.const 1) (i32.const 0)
    (i32.const ${name.length}) (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 4096)))))`;

forEachEngine(({ engine, run }) => {
  test(`run() in ${engine}, and the command line`, onLinux, async () => {
    const { assemble } = await import('../support/wat.mjs');
    const program = assemble(opens(at('absolute/file')));

    assert.equal((await run(program, { preopens: { '/': '/' } })).exitCode, 0);
    const file = path.join(folder, `${engine}.wasm`);
    fs.writeFileSync(file, program);
    const flags = ['--engine', engine, '--no-cache'];
    const { code, stderr } = await runNode([main, ...flags, '--dir', '/', file]);
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
    const magic = assemble(opens('proc/self/fd/1'));
    assert.notEqual((await run(magic, { preopens: { '/': '/' } })).exitCode, 0);
    const beneath = assemble(opens('absolute/file'));
    const { exitCode } = await run(beneath, { preopens: { '/': folder } });
    assert.equal(exitCode, ERRNO.NOTCAPABLE);
  });
});
