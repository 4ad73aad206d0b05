// wasi.wasiImport: the 46 functions, replaced, wrapped and called too early.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { notStarted, preview1 } from '../support/class.mjs';
import { ERRNO, Guest, SYSCALLS } from '../support/guest.mjs';
import { wat } from '../support/wat.mjs';

describe('wasiImport', () => {
  test("has the standard's 46 functions, own, enumerable and writable", () => {
    const { wasiImport } = preview1();
    assert.deepEqual(Reflect.ownKeys(wasiImport).toString(), Object.keys(wasiImport).toString());
    assert.deepEqual(Object.keys(wasiImport).sort(), Object.keys(SYSCALLS).sort());
    for (const [name, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(wasiImport))) {
      const { value, ...attributes } = descriptor;
      assert.equal(typeof value, 'function', name);
      assert.deepEqual(attributes, { writable: true, enumerable: true, configurable: true }, name);
    }
    assert.equal(wasiImport.then, undefined);
    assert.equal(Object.getPrototypeOf(wasiImport), Object.prototype);
  });

  test('of two objects are two', () => {
    const [one, other] = [preview1(), preview1()];
    assert.notEqual(one.wasiImport, other.wasiImport);
    assert.notEqual(one.wasiImport.fd_write, other.wasiImport.fd_write);
  });

  test('a replaced proc_exit is what the guest calls; the original works with any this', () => {
    const wasi = preview1();
    const { proc_exit: original } = wasi.wasiImport;
    const seen = [];
    wasi.wasiImport.proc_exit = function (code) {
      seen.push(code);
      return original.call({ unrelated: true }, code + 1);
    };
    const instance = new WebAssembly.Instance(
      wat(`(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1) (func (export "_start") (call $exit (i32.const 20))))`),
      wasi.getImportObject(),
    );
    assert.equal(wasi.start(instance), 21);
    assert.deepEqual(seen, [20]);
  });

  test('spread, destructured and proxied, the functions work', () => {
    const guest = new Guest();
    const { sched_yield } = { ...guest.wasi.wasiImport };
    assert.equal(sched_yield(), 0);
    assert.equal(sched_yield.call(undefined), 0);
    assert.equal(new Proxy(guest.wasi.wasiImport, {}).sched_yield(), 0);
    const traced = [];
    const tracing = new Proxy(guest.wasi.wasiImport, {
      get(target, name) {
        return (...args) => {
          traced.push(name);
          return target[name](...args);
        };
      },
    });
    assert.equal(tracing.fd_close(99), ERRNO.BADF);
    assert.deepEqual(traced, ['fd_close']);
  });

  test('before the guest is bound every function throws ERR_WASI_NOT_STARTED', () => {
    const { wasiImport } = preview1();
    for (const [name, letters] of Object.entries(SYSCALLS)) {
      const args = [...letters].map((letter) => (letter === 'I' ? 0n : 0));
      assert.throws(() => wasiImport[name](...args), notStarted, name);
    }
  });
});
