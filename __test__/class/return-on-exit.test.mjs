// options.returnOnExit: proc_exit ends start(), the process or the worker.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { command, exitWith, preview1, symbol } from '../support/class.mjs';
import { Guest } from '../support/guest.mjs';
import { runInChild, runInWorker, thrownBy } from '../support/host.mjs';
import { wat } from '../support/wat.mjs';

describe('returnOnExit', () => {
  test('true, the default: start() answers the code, over the whole 32-bit range', () => {
    for (const code of [0, 1, 42, 255, 256, 0x7fffffff, -0x80000000, -2, -1]) {
      assert.equal(exitWith(code), code);
      assert.equal(exitWith(code, { returnOnExit: true }), code);
    }
    assert.equal(exitWith('0xffffffff'), -1);
    assert.equal(exitWith('0x80000000'), -0x80000000);
  });

  test('a guest that returns from _start has exit code 0', () => {
    assert.equal(preview1().start(command), 0);
  });

  test('proc_exit leaves the guest at once, however deep', () => {
    const guest = new Guest(
      {},
      {
        start: `(call $proc_exit (i32.const 3)) (i32.store (i32.const 0) (i32.const 1))`,
      },
    );
    assert.deepEqual([guest.result, guest.u32(0)], [3, 0]);
  });

  test('each start() answers its own code', () => {
    const wasi = preview1();
    const module = wat(`(module
      (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
      (import "env" "code" (global $code i32))
      (memory (export "memory") 1)
      (func (export "_start") (call $exit (global.get $code))))`);
    for (const code of [5, 6]) {
      const imports = { ...wasi.getImportObject(), env: { code } };
      wasi[symbol(wasi, 'kStarted')] = false;
      assert.equal(wasi.start(new WebAssembly.Instance(module, imports)), code);
      assert.equal(wasi[symbol(wasi, 'kExitCode')], code);
    }
  });

  for (const [code, status] of [
    [0, 0],
    [1, 1],
    [42, 42],
    [255, 255],
    [256, 0],
    [-1, 255],
    [-0x80000000, 0],
  ]) {
    test(`false: proc_exit(${code}) ends the process with ${status}, after its exit handlers`, async () => {
      const child = await runInChild(`
        process.on('exit', (code) => process.stdout.write('exit handler ' + code));
        new Guest({ returnOnExit: false }, { start: '(call $proc_exit (i32.const ${code}))' });
        process.stdout.write('not reached');`);
      assert.deepEqual([child.code, child.stdout], [status, `exit handler ${code}`], child.stderr);
    });
  }

  test('false: a guest that returns from _start does not end the process', () => {
    assert.equal(preview1({ returnOnExit: false }).start(command), 0);
  });

  test('false: proc_exit after start() ends the process as well', async () => {
    const child = await runInChild(`
      const guest = new Guest({ returnOnExit: false });
      guest.call('proc_exit', 7);`);
    assert.equal(child.code, 7, child.stderr);
  });

  test('false, in a worker: only the worker ends', async () => {
    const script = `
      parentPort.postMessage('before');
      new Guest({ returnOnExit: false }, { start: '(call $proc_exit (i32.const 9))' });
      parentPort.postMessage('after');`;
    assert.deepEqual(await runInWorker(script), { code: 9, messages: ['before'] });
  });

  test('true: proc_exit outside start() throws the symbol that start() catches', () => {
    const guest = new Guest();
    const thrown = thrownBy(() => guest.call('proc_exit', 11));
    assert.equal(thrown, symbol(guest.wasi, 'kExitCode'));
    assert.equal(typeof thrown, 'symbol');
    assert.equal(guest.wasi[thrown], 11);
    assert.equal(guest.call('sched_yield'), 0);
  });

  test('a guest that ended with proc_exit leaves the thread in order', () => {
    for (let code = 0; code < 1000; code++) assert.equal(exitWith(code), code);
  });
});
