// The limits, each at its least and its most, in both engines and on the command line, with a guest that uses it up.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { run } from '../../index.js';
import { forEachEngine } from '../support/engine.mjs';
import { main, temporaryFolder } from '../support/host.mjs';
import { assemble } from '../support/wat.mjs';

const MOST = Number.MAX_SAFE_INTEGER;

/** As docs/limits.md has them: the flag, the least, the most. */
const LIMITS = {
  memory: ['--max-memory', 0, MOST],
  tableElements: ['--max-table', 0, MOST],
  stack: ['--max-stack', 4096, 64 * 2 ** 20],
  fuel: ['--fuel', 0, MOST],
  openFiles: ['--max-files', 0, MOST],
};

const WASI = (name, type) =>
  `(import "wasi_snapshot_preview1" "${name}" (func $${name} (param ${type}) (result i32)))`;
const EXIT = '(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))';

const program = (items, body, memory = '1') =>
  assemble(
    `(module ${items} (memory (export "memory") ${memory}) (func (export "_start") ${body}))`,
  );

const GROWN = program(EXIT, '(drop (memory.grow (i32.const 3))) (call $exit (memory.size))');
const TABLE = assemble(`(module ${EXIT} (table 0 funcref) (memory (export "memory") 0)
  (func (export "_start")
    (loop (br_if 0 (i32.ne (i32.const -1) (table.grow 0 (ref.null func) (i32.const 1000000)))))
    (call $exit (table.size 0))))`);
const OPENED = program(
  `${EXIT} ${WASI('fd_renumber', 'i32 i32')} ${WASI('fd_fdstat_get', 'i32 i32')}`,
  '(call $exit (call $fd_fdstat_get (i32.const 0) (i32.const 64)))',
);
const WRITTEN = program(
  `${EXIT} ${WASI('fd_write', 'i32 i32 i32 i32')} (data (i32.const 0) "\\10\\00\\00\\00\\05\\00\\00\\00")`,
  '(call $exit (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32)))',
);
const LOOP = program('', '(loop (br_if 0 (i32.const 1)))');
const NOTHING = program('', '');

/** Calls itself for ever, and makes a call of the host each time; how often it did is what it has written last. */
const DEEP = program(
  `${WASI('fd_write', 'i32 i32 i32 i32')} ${WASI('path_filestat_get', 'i32 i32 i32 i32 i32')}
  (data (i32.const 0) "\\10\\00\\00\\00\\04\\00\\00\\00") (data (i32.const 100) "a/b/../c/d/../../e")
  (func $deep (param i64) (result i64)
    (i32.store (i32.const 16) (i32.add (i32.load (i32.const 16)) (i32.const 1)))
    (drop (call $path_filestat_get (i32.const 3) (i32.const 1) (i32.const 100) (i32.const 18) (i32.const 200)))
    (if (i32.eqz (i32.rem_u (i32.load (i32.const 16)) (i32.const 4096)))
      (then (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32)))))
    (i64.add (local.get 0) (call $deep (i64.const 1))))`,
  '(drop (call $deep (i64.const 0)))',
);

const outcome = (wasm, engine, limits, more) =>
  run(wasm, { engine, limits, cache: false, ...more }).catch((error) => error);

forEachEngine(({ engine }) => {
  describe(`at its least and its most, in ${engine}`, () => {
    for (const [name, [, least, most]] of Object.entries(LIMITS)) {
      test(`${name} is taken, and nothing beyond`, async () => {
        for (const value of [least, most]) {
          const { code } = await outcome(LOOP, engine, { [name]: value }, { timeout: 50 });
          assert.notEqual(code, 'ERR_OUT_OF_RANGE', String(value));
          assert.ok(!String(code).startsWith('ERR_INTERNAL'), code);
        }
        for (const value of [least - 1, most + 1]) {
          assert.equal(
            (await outcome(NOTHING, engine, { [name]: value })).code,
            'ERR_OUT_OF_RANGE',
          );
        }
      });
    }

    test('memory', async () => {
      assert.equal((await outcome(GROWN, engine, { memory: 0 })).code, 'ERR_WASI_PROGRAM');
      assert.equal((await outcome(GROWN, engine, { memory: 65536 })).exitCode, 1);
      assert.equal((await outcome(GROWN, engine, { memory: MOST })).exitCode, 4);
    });

    test('tableElements', async () => {
      for (const [tableElements, expected] of [
        [0, 0],
        [1_999_999, 1_000_000],
        [MOST, 10_000_000],
        [undefined, 10_000_000],
      ]) {
        assert.equal((await outcome(TABLE, engine, { tableElements })).exitCode, expected);
      }
    });

    test('openFiles', async () => {
      assert.equal((await outcome(OPENED, engine, { openFiles: MOST })).exitCode, 0);
      // Its three streams are three.
      for (const openFiles of [0, 1, 2]) {
        const { code, message } = await outcome(OPENED, engine, { openFiles });
        assert.equal(code, 'UVWASI_EMFILE', String(openFiles));
        assert.match(message, new RegExp(`options.${['stdin', 'stdout', 'stderr'][openFiles]}`));
      }
      assert.equal((await outcome(OPENED, engine, { openFiles: 3 })).exitCode, 0);
    });

    test('maxBuffer', async () => {
      const written = (maxBuffer) => outcome(WRITTEN, engine, {}, { maxBuffer });
      assert.equal((await written(MOST)).stdout.length, 5);
      for (const maxBuffer of [-1, MOST + 1]) {
        assert.equal((await written(maxBuffer)).code, 'ERR_OUT_OF_RANGE');
      }
      const one = await written(1);
      assert.deepEqual([one.code, one.stdout.length], ['ERR_WASI_STDIO_MAXBUFFER', 1]);
    });

    test('stack: it ends with a trap, also in calls of the host at its edge', async (t) => {
      const preopens = { '/': temporaryFolder(t) };
      const depths = [];
      for (const stack of [4096, 65536, 2 ** 20, undefined, 4 * 2 ** 20, 64 * 2 ** 20]) {
        const { code, message, stdout } = await outcome(DEEP, engine, { stack }, { preopens });
        assert.equal(code, 'ERR_WASI_TRAP', `${stack}: ${message}`);
        assert.match(message, /stack/);
        depths.push(stdout.length === 0 ? 0 : stdout.readUInt32LE(stdout.length - 4));
      }
      assert.equal(depths[2], depths[3], 'the default is 1 MiB');
      assert.ok(
        depths[2] > 4096 && depths[4] > 3 * depths[2] && depths[5] > 40 * depths[2],
        depths,
      );
    });
  });
});

describe('on the command line', () => {
  forEachEngine(({ engine }) => {
    test(`in ${engine}`, (t) => {
      const folder = temporaryFolder(t);
      const files = { DEEP, NOTHING };
      for (const [name, wasm] of Object.entries(files)) {
        fs.writeFileSync(path.join(folder, name), wasm);
      }
      const status = (name, ...flags) => {
        const args = [main, '--engine', engine, '--dir', `${folder}::/`, ...flags];
        return spawnSync(process.execPath, [...args, path.join(folder, name)]).status;
      };
      for (const [limit, [flag, least, most]] of Object.entries(LIMITS)) {
        if (flag === undefined || (limit === 'fuel' && engine === 'v8')) continue;
        const codes = { memory: [2, 0], fuel: [134, 0], openFiles: [2, 0], stack: [0, 0] };
        const expected = codes[limit] ?? [0, 0];
        const got = [least, most].map((value) => status('NOTHING', flag, String(value)));
        assert.deepEqual(got, expected, limit);
      }
      for (const stack of ['4K', '64M']) assert.equal(status('DEEP', '--max-stack', stack), 134);
      assert.equal(status('NOTHING', '--timeout', '2147483647ms'), 0);
    });
  });
});
