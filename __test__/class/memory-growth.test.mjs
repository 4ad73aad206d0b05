// The guest's memory is looked up at each call: whoever has made it grow, or has bound another one.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { WASI } from '../../index.js';
import { ERRNO, Guest } from '../support/guest.mjs';
import { runInChild } from '../support/host.mjs';
import { wat } from '../support/wat.mjs';

const { FAULT } = ERRNO;
const PAGE = 0x10000;

/** Whether random bytes have come to the last place of a memory: the chance that all 16 are 0 is none. */
function isFilled(memory, at, length = 16) {
  return new Uint8Array(memory.buffer, at, length).some((byte) => byte !== 0);
}

describe('growth', () => {
  for (const [name, grow] of Object.entries({
    'from WebAssembly': (guest, pages) => guest.exports.grow(pages),
    'from JavaScript': (guest, pages) => guest.memory.grow(pages),
  })) {
    test(`${name} is seen by the very next call`, () => {
      const guest = new Guest({}, { memory: '1 40' });
      for (let pages = 1; pages < 30; pages++) {
        const end = pages * PAGE;
        assert.equal(guest.call('random_get', end - 16, 16), 0);
        assert.equal(guest.call('random_get', end - 16, 17), FAULT);
        assert.equal(guest.call('random_get', end, 16), FAULT);
        assert.equal(grow(guest, 1), pages);
        assert.equal(guest.call('random_get', end, 16), 0);
        assert.ok(isFilled(guest.memory, end));
        assert.equal(guest.call('random_get', end + PAGE, 16), FAULT);
      }
    });
  }

  test('within a call chain: the guest grows and uses the new page at once', () => {
    const wasi = new WASI({ version: 'preview1' });
    const module = wat(`(module
      (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
      (memory (export "memory") 1)
      (global $bad (export "bad") (mut i32) (i32.const 0))
      (func (export "_start") (local $round i32) (local $at i32)
        (loop $next
          (local.set $at (i32.mul (memory.grow (i32.const 1)) (i32.const 65536)))
          (global.set $bad (i32.or (global.get $bad)
            (call $random (local.get $at) (i32.const 65536))))
          (global.set $bad (i32.or (global.get $bad)
            (i32.ne (i32.const ${FAULT})
              (call $random (local.get $at) (i32.const 65537)))))
          (local.set $round (i32.add (local.get $round) (i32.const 1)))
          (br_if $next (i32.lt_u (local.get $round) (i32.const 50))))))`);
    const instance = new WebAssembly.Instance(module, wasi.getImportObject());
    assert.equal(wasi.start(instance), 0);
    assert.equal(instance.exports.bad.value, 0);
    assert.equal(instance.exports.memory.buffer.byteLength, 51 * PAGE);
  });

  test('by no page, which gives the memory another ArrayBuffer', () => {
    const guest = new Guest();
    assert.equal(guest.call('random_get', 0, 16), 0);
    const before = guest.memory.buffer;
    guest.memory.grow(0);
    assert.notEqual(guest.memory.buffer, before);
    guest.bytes(0, 16).fill(0);
    assert.equal(guest.call('random_get', 0, 16), 0);
    assert.ok(isFilled(guest.memory, 0));
  });

  test('to exactly 2 GiB and beyond: pointers with the top bit set', () => {
    const guest = new Guest({ args: ['far'] }, { memory: '1 65536' });
    guest.exports.grow(32767);
    assert.equal(guest.memory.buffer.byteLength, 2 ** 31);
    assert.equal(guest.call('random_get', 2 ** 31 - 16, 16), 0);
    assert.ok(isFilled(guest.memory, 2 ** 31 - 16));
    assert.equal(guest.call('random_get', 2 ** 31 - 16, 17), FAULT);
    assert.equal(guest.call('random_get', 2 ** 31, 16), FAULT);

    guest.exports.grow(1);
    assert.equal(guest.call('random_get', 2 ** 31, 16), 0);
    assert.ok(isFilled(guest.memory, 2 ** 31));
    const { random_get, args_sizes_get } = guest.wasi.wasiImport;
    assert.equal(random_get(-(2 ** 31) + 32, 16), 0); // the same address, as JavaScript gets an i32
    assert.ok(isFilled(guest.memory, 2 ** 31 + 32));
    assert.equal(random_get(-1, 1), FAULT);

    guest.memory.grow(65536 - 32769);
    const end = 2 ** 32;
    assert.equal(guest.memory.buffer.byteLength, end);
    assert.equal(random_get(-16, 16), 0);
    assert.ok(isFilled(guest.memory, end - 16));
    assert.equal(random_get(-16, 17), FAULT);
    assert.equal(args_sizes_get(-4, 0), 0);
    assert.equal(guest.u32(end - 4), 1);
    assert.equal(args_sizes_get(-3, 0), FAULT);
    assert.equal(args_sizes_get(0, 0xfffffffc), 0);
    assert.equal(guest.u32(end - 4), 4);
    assert.equal(guest.call('args_get', end - 4, end - 8), 0);
    assert.deepEqual([guest.u32(end - 4), guest.text(end - 8, 4)], [end - 8, 'far\0']);
    assert.equal(guest.call('random_get', end - 1, 0xffffffff), FAULT);
  });

  test('of one guest is not taken for that of another', () => {
    const [small, big] = [new Guest(), new Guest({}, { memory: '3' })];
    for (let round = 0; round < 10; round++) {
      assert.equal(big.call('random_get', 2 * PAGE, 16), 0);
      assert.equal(small.call('random_get', 2 * PAGE, 16), FAULT);
      assert.equal(small.call('random_get', PAGE - 16, 16), 0);
      assert.equal(big.call('random_get', 3 * PAGE - 16, 16), 0);
    }
    small.memory.grow(2); // now as many pages
    assert.equal(small.call('random_get', PAGE + 64, 16), 0);
    assert.ok(isFilled(small.memory, PAGE + 64));
    assert.ok(!isFilled(big.memory, PAGE + 64));
  });
});

describe("a function of the embedder's that binds another memory, or makes it grow, during a call", () => {
  const memoryOf = (kind, pages, more = 0) => {
    if (kind === 'shared') {
      return `new WebAssembly.Memory({ initial: ${pages}, maximum: ${pages + more}, shared: true })`;
    }
    if (kind === 'both') {
      return `new WebAssembly.Memory({ address: 'i64', initial: ${pages}n, maximum: ${pages + more}n, shared: true })`;
    }
    if (kind === 'plain') return `new WebAssembly.Memory({ initial: ${pages} })`;
    return `new WebAssembly.Memory({ address: 'i64', initial: ${pages}n })`;
  };
  const hasWide = () => {
    try {
      return new WebAssembly.Memory({ address: 'i64', initial: 1n }) instanceof WebAssembly.Memory;
    } catch {
      return false;
    }
  };

  // In a process of its own: it once ended by SIGSEGV.
  const script = (large, small, trace) => `
    const bind = (wasi, memory) =>
      wasi[Object.getOwnPropertySymbols(wasi).find((key) => key.description === 'kSetMemory')](memory);
    const FAR = 200 * 65536;
    const results = [];
    const set = (memory, at) => new Uint32Array(memory.buffer).set([at + 64, 4], at / 4);
    const start = (memory, stdio) => {
      const wasi = new WASI({ version: 'preview1', trace: ${trace}, ...stdio });
      wasi.initialize({ exports: { memory } });
      return wasi;
    };
    for (const at of [0, FAR]) {
      let wasi, large = ${large}, small = ${small};
      set(large, at);
      set(small, 0);
      const rebind = () => bind(wasi, small);
      wasi = start(large, { stdin: () => (rebind(), Buffer.from('read')) });
      results.push(wasi.wasiImport.fd_read(0, at, 1, at + 8));
      results.push(Buffer.from(new Uint8Array(small.buffer, 64, 4)).toString());
      wasi = start(large, { stdout: rebind });
      results.push(wasi.wasiImport.fd_write(1, at, 1, at + 8));
      results.push(wasi.wasiImport.random_get(FAR, 8), wasi.wasiImport.random_get(0, 8));
    }
    process.stdout.write(JSON.stringify(results));`;

  const kinds = ['plain', 'shared', 'wide', 'both'];
  for (const from of kinds) {
    for (const to of kinds) {
      test(`${from} to ${to}`, async (t) => {
        if (/wide|both/.test(from + to) && !hasWide()) return t.skip('no memories of 64 bits');
        for (const trace of [false, true]) {
          const child = await runInChild(script(memoryOf(from, 201), memoryOf(to, 1), trace));
          assert.equal(child.signal, null);
          const expected = [0, 'read', 0, FAULT, 0, FAULT, '\0\0\0\0', 0, FAULT, 0];
          assert.deepEqual(JSON.parse(child.stdout), expected);
          assert.equal(child.stderr.includes('fd_read'), trace);
        }
      });
    }
  }

  test('what has grown is there at once', () => {
    for (const options of [{}, { maximum: 9, shared: true }]) {
      const memory = new WebAssembly.Memory({ initial: 1, ...options });
      const stdin = () => {
        memory.grow(1);
        new Uint32Array(memory.buffer).set([PAGE + 64, 4], 0); // where it is read to
        return Buffer.from('read');
      };
      const wasi = new WASI({ version: 'preview1', stdin });
      wasi.initialize({ exports: { memory } });
      new Uint32Array(memory.buffer).set([64, 4], 0);
      assert.equal(wasi.wasiImport.fd_read(0, 0, 1, 8), 0);
      assert.equal(Buffer.from(new Uint8Array(memory.buffer, PAGE + 64, 4)).toString(), 'read');
    }
  });
});

describe('a memory of no pages', () => {
  test('has no valid address, and calls without one work', () => {
    const guest = new Guest({}, { memory: '0 2' });
    assert.equal(guest.memory.buffer.byteLength, 0);
    assert.equal(guest.call('sched_yield'), 0);
    assert.equal(guest.call('fd_close', 99), ERRNO.BADF);
    for (const at of [0, 1, PAGE, 0x7fffffff, 0x80000000, 0xffffffff]) {
      assert.equal(guest.call('random_get', at, 1), FAULT);
      assert.equal(guest.call('clock_time_get', 0, 0, at), FAULT);
      assert.equal(guest.call('args_sizes_get', at, at), FAULT);
      assert.equal(guest.call('fd_write', 1, at, 1, at), FAULT);
    }
    guest.memory.grow(1);
    assert.equal(guest.call('random_get', 0, 16), 0);
    assert.ok(isFilled(guest.memory, 0));
  });
});
