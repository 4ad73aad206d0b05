// Guests that take turns, and guests that call each other, keep their own answers, although all share one call page.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { WASI } from '../../index.js';
import { ERRNO, Guest } from '../support/guest.mjs';
import { wat } from '../support/wat.mjs';

const { FAULT } = ERRNO;

describe('one call page for all', () => {
  test('guests that take turns keep their own arguments, memories and answers', () => {
    const guests = Array.from({ length: 20 }, (_, index) =>
      Object.assign(
        new Guest({ args: Array(index).fill(`guest ${index}`) }, { memory: `${1 + (index % 3)}` }),
        { index },
      ),
    );
    for (let round = 0; round < 20; round++) {
      for (const guest of guests) {
        assert.deepEqual(guest.args, Array(guest.index).fill(`guest ${guest.index}`));
        const end = guest.memory.buffer.byteLength;
        assert.equal(guest.call('random_get', end - 1, 1), 0);
        assert.equal(guest.call('random_get', end, 1), FAULT);
      }
    }
  });

  for (const when of ['before', 'after']) {
    test(`a stand-in that calls another guest ${when} the original: each keeps its answer`, () => {
      const inner = new Guest({ args: ['inner', 'inner', 'inner'] }, { memory: '2' });
      const answers = [];
      const outer = new Guest({ args: ['outer'] }, { bind: false });
      const { wasiImport } = outer.wasi;
      const ask = () => answers.push(inner.call('fd_close', 77), inner.args.length);
      const standIns = Object.fromEntries(
        Object.entries(wasiImport).map(([name, original]) => [
          name,
          (...args) => {
            if (when === 'before') ask();
            const answer = original(...args);
            if (when === 'after') ask();
            return answer;
          },
        ]),
      );
      const instance = new WebAssembly.Instance(
        wat(`(module
          (import "wasi_snapshot_preview1" "args_sizes_get"
            (func $sizes (param i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "clock_time_get"
            (func $time (param i32 i64 i32) (result i32)))
          (memory (export "memory") 1)
          (func (export "sizes") (result i32) (call $sizes (i32.const 16) (i32.const 20)))
          (func (export "time") (param i32) (result i32)
            (call $time (local.get 0) (i64.const 0) (i32.const 24))))`),
        { wasi_snapshot_preview1: standIns },
      );
      outer.wasi.initialize(instance);
      const { sizes, time, memory } = instance.exports;
      assert.equal(sizes(), 0);
      assert.equal(new DataView(memory.buffer).getUint32(16, true), 1);
      assert.equal(time(1), 0);
      assert.equal(time(99), ERRNO.INVAL);
      assert.deepEqual(answers, Array(3).fill([ERRNO.BADF, 3]).flat());
    });
  }

  test('process.exit, replaced by a test runner, may call other guests', (t) => {
    const inner = new Guest({ args: ['inner'] });
    const seen = [];
    t.mock.method(process, 'exit', (code) =>
      seen.push(code, inner.args, inner.call('fd_close', 9)),
    );
    const outer = new Guest(
      { returnOnExit: false },
      { start: '(call $proc_exit (i32.const 5))', bind: false },
    );
    assert.equal(outer.wasi.start(outer.instance), 5);
    assert.deepEqual(seen, [5, ['inner'], ERRNO.BADF]);
  });

  test('a guest that starts a guest that starts a guest', () => {
    const run = (depth) => {
      const wasi = new WASI({ version: 'preview1', args: Array(depth).fill('x') });
      const instance = new WebAssembly.Instance(
        wat(`(module
          (import "wasi_snapshot_preview1" "args_sizes_get"
            (func $sizes (param i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
          (import "env" "next" (func $next (result i32)))
          (memory (export "memory") 1)
          (func (export "_start") (local $inner i32)
            (local.set $inner (call $next))
            (drop (call $sizes (i32.const 0) (i32.const 4)))
            (call $exit (i32.add (local.get $inner) (i32.load (i32.const 0))))))`),
        { ...wasi.getImportObject(), env: { next: () => (depth > 0 ? run(depth - 1) : 0) } },
      );
      return wasi.start(instance);
    };
    assert.equal(run(20), (20 * 21) / 2);
  });
});
