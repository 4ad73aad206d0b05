// start() and initialize() take instances and memories of every kind and realm.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import vm from 'node:vm';
import { command, preview1, symbol } from '../support/class.mjs';
import { ERRNO, Guest } from '../support/guest.mjs';
import { assemble } from '../support/wat.mjs';

describe('instances and memories of every kind', () => {
  /** The parts of a guest's instance. */
  const parts = () => {
    const guest = new Guest({}, { start: '(call $proc_exit (i32.const 6))', bind: false });
    const { _start, memory } = guest.exports;
    return { guest, _start, memory };
  };

  for (const [name, make] of Object.entries({
    'a plain object': ({ _start, memory }) => ({ exports: { _start, memory } }),
    'exports without a prototype': ({ _start, memory }) => ({
      exports: Object.assign(Object.create(null), { _start, memory }),
    }),
    'an object without a prototype': ({ _start, memory }) =>
      Object.assign(Object.create(null), { exports: { _start, memory } }),
    'exports that are inherited': ({ _start, memory }) =>
      Object.create({ exports: Object.create({ _start, memory }) }),
    'exports that are getters': ({ _start, memory }) => ({
      get exports() {
        return {
          get _start() {
            return _start;
          },
          get memory() {
            return memory;
          },
        };
      },
    }),
    'an instance whose exports are a Proxy': ({ guest }) =>
      Object.create(guest.instance, { exports: { value: new Proxy(guest.exports, {}) } }),
    'a Proxy on which only property reads work': ({ _start, memory }) => {
      const refuse = () => assert.fail('only reads were promised');
      const readOnly = (properties) =>
        new Proxy(
          {},
          {
            get: (_, name) => properties[name],
            ...Object.fromEntries(
              [
                ...['has', 'ownKeys', 'getOwnPropertyDescriptor', 'getPrototypeOf'],
                ...['set', 'defineProperty', 'deleteProperty', 'isExtensible'],
              ].map((trap) => [trap, refuse]),
            ),
          },
        );
      return readOnly({ exports: readOnly({ _start, memory }) });
    },
    'an instance of another realm': ({ guest }) => {
      const foreign = vm.runInNewContext('WebAssembly');
      const module = new foreign.Module(
        assemble(`(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
          (memory (export "memory") 1)
          (func (export "_start") (call $exit (i32.const 6))))`),
      );
      return new foreign.Instance(module, guest.wasi.getImportObject());
    },
  })) {
    test(name, () => {
      const all = parts();
      const instance = make(all);
      assert.equal(all.guest.wasi.start(instance), 6);
      assert.equal(all.guest.wasi[symbol(all.guest.wasi, 'kInstance')], instance);
      assert.equal(all.guest.wasi.wasiImport.sched_yield(), 0);
    });
  }

  test('a memory of another realm', () => {
    const memory = vm.runInNewContext('new WebAssembly.Memory({ initial: 1, maximum: 4 })');
    const wasi = preview1();
    wasi.initialize({ exports: { memory } });
    for (const end of [0x10000, 0x20000]) {
      assert.equal(wasi.wasiImport.random_get(end - 16, 16), 0);
      assert.ok(new Uint8Array(memory.buffer, end - 16).some((byte) => byte !== 0));
      assert.equal(wasi.wasiImport.random_get(end - 15, 16), ERRNO.FAULT);
      memory.grow(1);
    }
  });

  test('what only looks like a memory is refused', () => {
    const { memory } = command.exports;
    for (const like of [
      {},
      { buffer: new ArrayBuffer(65536) },
      new ArrayBuffer(65536),
      new Uint8Array(65536),
      new Proxy(memory, {}),
      Object.create(memory),
      Object.create(WebAssembly.Memory.prototype),
      new WebAssembly.Table({ element: 'anyfunc', initial: 1 }),
      null,
      undefined,
      1,
    ]) {
      assert.throws(() => preview1().initialize({ exports: { memory: like } }), {
        name: 'TypeError',
        code: 'ERR_INVALID_ARG_TYPE',
      });
    }
  });

  test('a memory with a buffer property of its own is read where it is', () => {
    const memory = new WebAssembly.Memory({ initial: 1 });
    const bytes = new Uint8Array(memory.buffer);
    Object.defineProperty(memory, 'buffer', { value: new ArrayBuffer(16) });
    const wasi = preview1();
    wasi.initialize({ exports: { memory } });
    assert.equal(wasi.wasiImport.random_get(4096, 32), 0);
    assert.ok(bytes.subarray(4096, 4128).some((byte) => byte !== 0));
  });

  test('an imported memory', () => {
    const memory = new WebAssembly.Memory({ initial: 2, maximum: 8 });
    const guest = new Guest(
      { args: ['imported'] },
      { memory: '(import "env" "memory" (memory 1 8))', imports: { env: { memory } } },
    );
    assert.equal(guest.memory, memory);
    assert.deepEqual(guest.args, ['imported']);
  });
});
