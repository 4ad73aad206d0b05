// A system call at the end of the stack is a RangeError.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { runInChild, runInWorker } from '../support/host.mjs';

describe('a stack that is almost full', () => {
  /** Recurses to the end of the stack, and makes calls at each depth on the way. */
  const recurse = `
    const guest = new Guest({ preopens: { '/': '/tmp' } }, { bind: false });
    const ns = '"wasi_snapshot_preview1"';
    const module = wat(\`(module
      (import \${ns} "path_filestat_get" (func $stat (param i32 i32 i32 i32 i32) (result i32)))
      (import \${ns} "path_readlink" (func $readlink (param i32 i32 i32 i32 i32 i32) (result i32)))
      (import \${ns} "path_link" (func $link (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
      (import \${ns} "fd_readdir" (func $readdir (param i32 i32 i32 i64 i32) (result i32)))
      (import \${ns} "random_get" (func $random (param i32 i32) (result i32)))
      (memory (export "memory") 1)
      (data (i32.const 0) "a/../b/../c/../d/x")
      (func $f (export "_start")
        (drop (call $stat (i32.const 3) (i32.const 1) (i32.const 0) (i32.const 18) (i32.const 64)))
        (drop (call $readlink (i32.const 3) (i32.const 0) (i32.const 1) (i32.const 4096) (i32.const 4096) (i32.const 128)))
        (drop (call $link (i32.const 3) (i32.const 1) (i32.const 0) (i32.const 18) (i32.const 3) (i32.const 0) (i32.const 18)))
        (drop (call $readdir (i32.const 3) (i32.const 4096) (i32.const 256) (i64.const 0) (i32.const 128)))
        (drop (call $random (i32.const 4096) (i32.const 9)))
        (call $f)))\`);
    const instance = new WebAssembly.Instance(module, guest.wasi.getImportObject());
    let thrown;
    try { guest.wasi.start(instance); } catch (error) { thrown = error.name; }`;

  test('is a RangeError in the main thread, and the process lives', async () => {
    const child = await runInChild(`${recurse} process.stdout.write(thrown);`);
    assert.deepEqual(child, { code: 0, signal: null, stdout: 'RangeError', stderr: '' });
  });

  test('is a RangeError in a worker with a small stack, and the thread lives', async () => {
    const ends = await runInWorker(`${recurse} parentPort.postMessage(thrown);`, {
      resourceLimits: { stackSizeMb: 1 },
    });
    assert.deepEqual(ends, { code: 0, messages: ['RangeError'] });
  });
});
