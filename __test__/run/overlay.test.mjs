// Directories in memory above one of the host, in run(), spawn(), load() and all that runs programs.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { Runner, WASI, compile, load, loadSync, memory, overlay, run } from '../../index.js';
import { forEachEngine } from '../support/engine.mjs';
import { temporaryFolder } from '../support/host.mjs';
import { assemble } from '../support/wat.mjs';
import { creates, reflectWithFile } from '../support/programs.mjs';

const at = (text, address) => `(data (i32.const ${address}) "${text}")`;

/** Each call must succeed: the exit code is the number of the one that has not, and the error 100 times. */
const steps = (...calls) =>
  calls.map((call, index) => `(call $check (i32.const ${index + 1}) (call $${call}))`).join('\n');

const dir = '(i32.const 3)';
const name = (address, length) => `(i32.const ${address}) (i32.const ${length})`;

/**
 * Removes `gone`, renames `dir` to `moved`, appends `+` to `moved/inner`, and makes the directory `dir` anew:
 * as a program, or as the export `change`.
 */
const changes = assemble(`(module
  (import "wasi_snapshot_preview1" "path_unlink_file" (func $unlink (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_rename"
    (func $rename (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_create_directory"
    (func $mkdir (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  ${at('gone', 0)} ${at('dir', 16)} ${at('moved', 32)} ${at('moved/inner', 48)} ${at('+', 64)}
  (data (i32.const 80) "\\40\\00\\00\\00\\01\\00\\00\\00")
  (func $check (param i32 i32)
    (if (local.get 1)
      (then (call $exit (i32.add (local.get 0) (i32.mul (i32.const 100) (local.get 1)))))))
  (func $main (export "_start") ${steps(
    `unlink ${dir} ${name(0, 4)}`,
    `rename ${dir} ${name(16, 3)} ${dir} ${name(32, 5)}`,
    `open ${dir} (i32.const 0) ${name(48, 11)} (i32.const 0) (i64.const 64) (i64.const 0)
      (i32.const 1) (i32.const 96)`,
    'write (i32.load (i32.const 96)) (i32.const 80) (i32.const 1) (i32.const 100)',
    `mkdir ${dir} ${name(16, 3)}`,
  )}))`);

/** The same as a library. */
const LIBRARY = assemble(`(module
  (import "wasi_snapshot_preview1" "path_unlink_file" (func $unlink (param i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  ${at('gone', 0)}
  (func (export "change") (result i32) (call $unlink ${dir} ${name(0, 4)})))`);

/** All that a directory has, with all that only reading leaves as it is. */
function attributesOf(root) {
  const all = {};
  for (const entry of ['', ...fs.readdirSync(root, { recursive: true })].sort()) {
    const file = path.join(root, entry);
    const { mode, ino, nlink, size, mtimeNs, ctimeNs } = fs.lstatSync(file, { bigint: true });
    const content = fs.lstatSync(file).isFile() ? fs.readFileSync(file, 'latin1') : undefined;
    all[entry] = { mode, ino, nlink, size, mtimeNs, ctimeNs, content };
  }
  return all;
}

/** A directory of the host that a program would like to change. */
function planted(t) {
  const lower = temporaryFolder(t);
  fs.mkdirSync(path.join(lower, 'dir/deep'), { recursive: true });
  fs.writeFileSync(path.join(lower, 'file'), 'of the host');
  fs.writeFileSync(path.join(lower, 'gone'), 'gone');
  fs.writeFileSync(path.join(lower, 'dir/inner'), 'inner', { mode: 0o640 });
  fs.writeFileSync(path.join(lower, 'dir/deep/x'), 'x');
  fs.symlinkSync('dir/inner', path.join(lower, 'link'));
  return lower;
}

const CHANGED = {
  'dir/': {},
  'moved/': { 'deep/': { x: Buffer.from('x') }, inner: Buffer.from('inner+') },
};

forEachEngine(({ engine, run, spawn }) => {
  describe(engine, () => {
    test('what a program changes is above, and the directory stays as it was', async (t) => {
      const lower = planted(t);
      const before = attributesOf(lower);
      const work = overlay({ lower });
      const read = await run(reflectWithFile(), { preopens: { '/': work } });
      assert.match(String(read.stdout), /of the host$/);
      assert.equal(work.used, 0);
      assert.equal((await run(changes, { preopens: { '/': work } })).exitCode, 0);
      assert.deepEqual(work.changed(), CHANGED);
      assert.deepEqual(work.removed(), ['dir/', 'gone']);
      assert.deepEqual(work.tree(), {
        ...CHANGED,
        file: Buffer.from('of the host'),
        link: memory.link('dir/inner'),
      });
      // Once more, with what the first one has left.
      assert.equal((await run(changes, { preopens: { '/': work } })).exitCode, 4401, 'ENOENT');
      assert.deepEqual(attributesOf(lower), before);
    });

    test('for reading only', async (t) => {
      const work = overlay({ lower: planted(t) });
      const preopens = { '/': { directory: work, readOnly: true } };
      assert.equal((await run(creates(), { preopens })).exitCode, 69);
      assert.equal((await run(changes, { preopens })).exitCode, 6901);
      assert.match(String((await run(reflectWithFile(), { preopens })).stdout), /of the host$/);
      assert.deepEqual(work.changed(), {});
    });

    test('a limit is one of what is above', async (t) => {
      const lower = planted(t);
      const before = attributesOf(lower);
      const work = overlay({ lower, upper: memory({}, { limit: 500 }) });
      const { exitCode } = await run(changes, { preopens: { '/': work } });
      assert.equal(exitCode, 5102, 'ENOSPC');
      assert.equal(work.readFile('dir/inner', 'utf8'), 'inner');
      assert.deepEqual(attributesOf(lower), before);
    });

    test('several runs have one directory beneath, and each its own above', async (t) => {
      const lower = planted(t);
      const before = attributesOf(lower);
      const all = Array.from({ length: 8 }, () => overlay({ lower }));
      await Promise.all(
        all.map(async (work) => {
          const { exitCode } = await spawn(changes, { preopens: { '/': work } }).result;
          assert.equal(exitCode, 0);
          assert.deepEqual(work.changed(), CHANGED);
        }),
      );
      assert.deepEqual(attributesOf(lower), before);
    });

    test('the host changes its directory meanwhile', async (t) => {
      const lower = planted(t);
      const work = overlay({ lower });
      const preopens = { '/': work };
      const read = async () => String((await run(reflectWithFile(), { preopens })).stdout);
      assert.match(await read(), /of the host$/);
      fs.writeFileSync(path.join(lower, 'file'), 'another');
      assert.match(await read(), /another$/);
      work.writeFile('file', 'above');
      fs.rmSync(lower, { recursive: true });
      assert.match(await read(), /above$/);
      assert.equal((await run(creates(), { preopens })).exitCode, 0);
      assert.deepEqual(work.tree(), { file: Buffer.from('above'), made: Buffer.from('made') });
      assert.equal((await run(changes, { preopens })).exitCode, 4401);
    });
  });
});

describe('one directory', () => {
  test('is in a Runner, in compile(), in load() and loadSync()', async (t) => {
    const lower = planted(t);
    const before = attributesOf(lower);
    const uses = {
      runner: async (preopens) => (await new Runner({ preopens }).run(changes)).exitCode,
      compile: async (preopens) => (await (await compile(changes)).run({ preopens })).exitCode,
      load: async (preopens) => {
        const instance = await load(LIBRARY, { preopens });
        const errno = await instance.exports.change();
        await instance.close();
        return errno;
      },
      loadSync: (preopens) => {
        const instance = loadSync(LIBRARY, { preopens });
        const errno = instance.exports.change();
        instance.close();
        return errno;
      },
    };
    for (const [use, change] of Object.entries(uses)) {
      const work = overlay({ lower });
      assert.equal(await change({ '/': work }), 0, use);
      assert.ok(work.removed().includes('gone'), use);
      assert.throws(() => work.readFile('gone'), { code: 'ENOENT' });
    }
    assert.deepEqual(attributesOf(lower), before);
  });

  test('is written into another directory, or an archive, with all that is beneath', async (t) => {
    const work = overlay({ lower: planted(t) });
    await run(changes, { preopens: { '/': work } });
    const copy = path.join(temporaryFolder(t), 'copy');
    work.rm('link');
    work.copyTo(copy);
    assert.equal(fs.readFileSync(path.join(copy, 'moved/inner'), 'utf8'), 'inner+');
    assert.equal(fs.readFileSync(path.join(copy, 'file'), 'utf8'), 'of the host');
    assert.deepEqual(memory.fromTar(work.toTar()).tree(), work.tree());
  });

  test('that is beneath one is refused as a preopen', async (t) => {
    const upper = memory();
    overlay({ lower: planted(t), upper });
    const message = /is the upper one of an overlay/;
    await assert.rejects(run(creates(), { preopens: { '/': upper } }), { message });
    assert.throws(() => upper.tree(), { code: 'ERR_INVALID_STATE', message });
    const options = { version: 'preview1', preopens: { '/': upper } };
    assert.throws(() => new WASI(options), { code: 'UVWASI_EBUSY' });
  });

  test('a deterministic run leaves the same', async (t) => {
    const lower = planted(t);
    const archive = async () => {
      const work = overlay({ lower });
      const { exitCode } = await run(changes, { preopens: { '/': work }, deterministic: true });
      assert.equal(exitCode, 0);
      return work.toTar();
    };
    assert.deepEqual(await archive(), await archive());
  });
});
