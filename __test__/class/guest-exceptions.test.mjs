// What a guest, or a function that it imports, throws comes out of start() unchanged.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { exitWith, instanceWith, preview1 } from '../support/class.mjs';
import { Guest } from '../support/guest.mjs';
import { thrownBy } from '../support/host.mjs';
import { wat } from '../support/wat.mjs';

describe("the guest's exceptions pass through as they are", () => {
  const throwing = (thrower) =>
    new WebAssembly.Instance(
      wat(`(module (import "env" "f" (func $f)) (memory (export "memory") 1)
        (func (export "_start") (call $f)))`),
      { env: { f: thrower } },
    );

  test('a trap is a WebAssembly.RuntimeError', () => {
    const instance = instanceWith('(func (export "_start") unreachable)');
    const error = thrownBy(() => preview1().start(instance));
    assert.ok(error instanceof WebAssembly.RuntimeError);
    assert.match(error.message, /unreachable/);
    assert.match(error.stack, /wasm/);
  });

  for (const thrown of [
    new Error('by identity'),
    Object.freeze({ frozen: true }),
    () => {},
    'text',
    '',
    0,
    -0,
    NaN,
    7n,
    true,
    false,
    null,
    undefined,
    Symbol('own'),
    Symbol('kExitCode'),
  ]) {
    test(`thrown by a JavaScript import: ${typeof thrown} ${String(thrown?.message ?? thrown)}`, () => {
      const instance = throwing(() => {
        throw thrown;
      });
      for (const method of ['start', 'initialize']) {
        const { _start, memory } = instance.exports;
        const exports = method === 'start' ? { _start, memory } : { _initialize: _start, memory };
        const caught = thrownBy(() => preview1()[method]({ exports }));
        assert.ok(Object.is(caught, thrown));
      }
    });
  }

  test('the object works on afterwards', () => {
    const guest = new Guest({}, { start: 'unreachable', bind: false });
    assert.throws(() => guest.wasi.start(guest.instance), WebAssembly.RuntimeError);
    assert.equal(guest.call('sched_yield'), 0);
  });

  test('too deep a recursion is a RangeError', () => {
    const instance = instanceWith('(func $f (export "_start") (call $f) (call $f))');
    assert.throws(() => preview1().start(instance), RangeError);
    assert.equal(exitWith(4), 4);
  });

  test("an error of a system call's stand-in reaches start()'s caller", () => {
    const thrown = new Error('stand-in');
    const guest = new Guest(
      {},
      {
        start: '(drop (call $sched_yield))',
        bind: false,
        imports: {
          wasi_snapshot_preview1: {
            sched_yield() {
              throw thrown;
            },
          },
        },
      },
    );
    assert.equal(
      thrownBy(() => guest.wasi.start(guest.instance)),
      thrown,
    );
  });
});
