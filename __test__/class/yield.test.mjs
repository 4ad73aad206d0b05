// sched_yield: which calls go down to Rust, and so to the kernel. They are counted where they leave WebAssembly: the addon
// makes its instances with the WebAssembly.Instance that is there when it is loaded.

import assert from 'node:assert/strict';
import { test } from 'node:test';

let entered = 0;
const { Instance } = WebAssembly;
WebAssembly.Instance = function (module, imports) {
  const { syscall, ...others } = imports['wasi-rs'];
  const counted = () => {
    entered++;
    syscall();
  };
  return new Instance(module, { 'wasi-rs': syscall ? { syscall: counted, ...others } : others });
};
const { WASI } = await import('../../index.js');
const { wat } = await import('../support/wat.mjs'); // loads the addon too
WebAssembly.Instance = Instance;

/** For each of so many calls: whether it went down. */
function yields(wasi, count) {
  return Array.from({ length: count }, () => {
    const before = entered;
    assert.equal(wasi.wasiImport.sched_yield(), 0);
    return entered > before;
  });
}

/** A guest that is nothing but a memory. */
function bound(memory, options) {
  const wasi = new WASI({ version: 'preview1', ...options });
  wasi.initialize({ exports: { memory } });
  return wasi;
}

const own = () => new WebAssembly.Memory({ initial: 1 });
const shared = () => new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
const all = (count) => Array(count).fill(true);

test('a guest with a memory of its own yields at the first call, and skips seven in a row, never more', () => {
  const one = bound(own());
  const expected = Array.from({ length: 80 }, (_, index) => index % 8 === 0);
  assert.deepEqual(yields(one, 80), expected);
  assert.deepEqual(yields(bound(own()), 8), expected.slice(0, 8), 'each guest counts its own');
  assert.deepEqual(yields(one, 8), expected.slice(0, 8));
});

test('calls from WebAssembly are counted as those from JavaScript', () => {
  const module = wat(`(module
    (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
    (memory (export "memory") 1)
    (func (export "_start") (local $n i32)
      (local.set $n (i32.const 800))
      (loop $again
        (if (call $yield) (then unreachable))
        (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))`);
  const wasi = new WASI({ version: 'preview1' });
  const before = entered;
  wasi.start(new Instance(module, wasi.getImportObject()));
  assert.equal(entered - before, 100);
});

test('a guest whose memory threads share yields each time', () => {
  assert.deepEqual(yields(bound(shared()), 20), all(20));
});

test('so does one that is traced', () => {
  assert.deepEqual(yields(bound(own(), { trace: true }), 9), all(9));
});

test('a memory that is bound later decides anew', () => {
  const wasi = bound(own());
  const setMemory = Object.getOwnPropertySymbols(wasi).find(
    (symbol) => symbol.description === 'kSetMemory',
  );
  wasi[setMemory](shared());
  assert.deepEqual(yields(wasi, 9), all(9));
  wasi[setMemory](own());
  assert.deepEqual(yields(wasi, 9), [true, ...Array(7).fill(false), true]);
});

test('a guest that has not been started is told so', () => {
  const { wasiImport } = new WASI({ version: 'preview1' });
  assert.throws(() => wasiImport.sched_yield(), { code: 'ERR_WASI_NOT_STARTED' });
});
