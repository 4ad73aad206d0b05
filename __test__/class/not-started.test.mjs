// Before a guest is bound to a memory, every system call throws.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { WASI } from '../../index.js';
import { Guest, SYSCALLS } from '../support/guest.mjs';
import { wat } from '../support/wat.mjs';

const PAGE = 0x10000;

describe('before the guest is bound', () => {
  test('every system call throws ERR_WASI_NOT_STARTED, through WebAssembly too', () => {
    const guest = new Guest({}, { bind: false });
    for (const [name, letters] of Object.entries(SYSCALLS)) {
      const call = () => guest.call(name, ...Array(letters.length).fill(0));
      assert.throws(call, { name: 'Error', code: 'ERR_WASI_NOT_STARTED' }, name);
    }
    assert.ok(guest.bytes(0, PAGE).every((byte) => byte === 0));
    guest.wasi.initialize(guest.instance);
    assert.equal(guest.call('sched_yield'), 0);
  });

  test('so does a call from a start function, and the instance is not made', () => {
    const wasi = new WASI({ version: 'preview1' });
    const module = wat(`(module
      (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
      (memory (export "memory") 1)
      (func $init (drop (call $yield)))
      (start $init))`);
    assert.throws(() => new WebAssembly.Instance(module, wasi.getImportObject()), {
      code: 'ERR_WASI_NOT_STARTED',
    });
  });

  test('a guest that is not bound does not use the memory of one that is', () => {
    const bound = new Guest();
    const unbound = new Guest({}, { bind: false });
    assert.equal(bound.call('random_get', 0, 16), 0);
    const seen = Buffer.from(bound.bytes(0, 64));
    assert.throws(() => unbound.call('random_get', 0, 64), { code: 'ERR_WASI_NOT_STARTED' });
    assert.deepEqual(bound.bytes(0, 64), seen);
  });
});
