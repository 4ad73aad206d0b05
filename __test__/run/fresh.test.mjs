// load() with `fresh`, and program.prepare(): where an instance begins.

import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { describe, test } from 'node:test';
import { compile, deserialize, load, loadSync } from '../../index.js';
import {
  HOLDING,
  RESOURCES,
  assembleComponent,
  echoing,
  primitives,
} from '../support/components.mjs';
import { HANGS } from '../support/host.mjs';
import { textOf } from '../support/wasi-0.3.mjs';
import { assemble } from '../support/wat.mjs';

const cache = false;
const SECRET = 0x5ec2e7;

/** A module with state in a memory, a global and a table, that grows, traps, loops and calls the host. */
const STATEFUL = assemble(`(module
  (import "env" "wait" (func $wait (param i32) (result i32)))
  (memory (export "memory") 1) (table 4 funcref) (elem func $one)
  (global $count (mut i32) (i32.const 0))
  (func $one)
  (func (export "count") (result i32)
    (global.set $count (i32.add (global.get $count) (i32.const 1))) (global.get $count))
  (func (export "wait") (param i32) (result i32) (call $wait (local.get 0)))
  (func (export "trap") unreachable)
  (func (export "spin") (loop $l (br $l)))
  (func (export "hide") (param $pages i32) (local $at i32)
    (drop (memory.grow (local.get $pages)))
    (table.set (i32.const 1) (ref.func $one))
    (loop $l (i32.store (local.get $at) (i32.const ${SECRET}))
      (local.set $at (i32.add (local.get $at) (i32.const 4)))
      (br_if $l (i32.lt_u (local.get $at) (i32.mul (memory.size) (i32.const 65536))))))
  (func (export "seek") (param $pages i32) (result i32) (local $at i32) (local $found i32)
    (drop (memory.grow (local.get $pages)))
    (loop $l (if (i32.eq (i32.load (local.get $at)) (i32.const ${SECRET}))
        (then (local.set $found (i32.add (local.get $found) (i32.const 1)))))
      (local.set $at (i32.add (local.get $at) (i32.const 4)))
      (br_if $l (i32.lt_u (local.get $at) (i32.mul (memory.size) (i32.const 65536)))))
    (i32.add (local.get $found) (i32.eqz (ref.is_null (table.get (i32.const 1)))))))`);
/** A module that copies bytes from stdin to stdout. */
const COPIES = assemble(`(module
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "copy") (result i32)
    (i32.store (i32.const 0) (i32.const 64))
    (i32.store (i32.const 4) (i32.const 100))
    (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 4)))
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
    (i32.load (i32.const 4))))`);
const wait = async (value) => {
  await new Promise((resolve) => setImmediate(resolve));
  return value;
};
const imports = { env: { wait } };

describe('fresh', { timeout: HANGS }, () => {
  test('has nothing of the call before', async () => {
    const instance = await load(STATEFUL, { cache, imports, fresh: true });
    const { count, hide, seek } = instance.exports;
    assert.equal(instance.memory, null);
    assert.deepEqual([await count(), await count(), await count()], [1, 1, 1]);
    for (let i = 0; i < 20; i++) {
      await Promise.all([hide(100), hide(7)]);
      assert.deepEqual(await Promise.all([seek(100), seek(7), seek(0)]), [0, 0, 0]);
    }
    await instance.close();
    // The same without it, so that the test is known to look in the right place.
    const kept = await load(STATEFUL, { cache, imports });
    await kept.exports.hide(1);
    assert.ok((await kept.exports.seek(0)) > 32_000);
  });

  test('makes calls at the same time, which end alone', async () => {
    const options = { cache, imports, fresh: true, timeout: 300, concurrency: 3 };
    const instance = await load(STATEFUL, options);
    const { count, spin, trap, wait: waits } = instance.exports;
    const values = Array.from({ length: 20 }, (_, i) => i);
    const results = await Promise.allSettled([
      ...values.map((i) => waits(i)),
      trap(),
      spin(),
      count(),
    ]);
    const shown = results.map(({ value, reason }) => value ?? reason.code);
    assert.deepEqual(shown, [...values, 'ERR_WASI_TRAP', 'ERR_WASI_TIMEOUT', 1]);
    const { usage } = instance;
    assert.ok(usage.wall > 0 && usage.memory >= 65_536);
    await instance.close();
    await assert.rejects(count(), { code: 'ERR_INVALID_STATE' });
  });

  test('is closed with what is in a call', async () => {
    const never = { env: { wait: () => new Promise(() => {}) } };
    const instance = await load(STATEFUL, { cache, imports: never, fresh: true });
    const waiting = instance.exports.wait(1);
    const rejected = assert.rejects(waiting, { code: 'ERR_WASI_KILLED' });
    await new Promise((resolve) => setImmediate(resolve));
    await instance.close();
    await rejected;
  });

  test('is closed with what is being loaded, and takes copies', async () => {
    const instance = await load(STATEFUL, { cache, imports, fresh: true });
    const spinning = Array.from({ length: 8 }, () => instance.exports.spin());
    const rejected = Promise.all(spinning.map((one) => assert.rejects(one)));
    await Promise.resolve();
    await instance.close();
    await rejected;
    const types = { bytes: { type: '(list u8)', core: 'i32 i32' } };
    const source = assembleComponent(echoing(types));
    const given = { 'echo-bytes': (value) => value };
    const { exports } = await load(source, { cache, imports: given, fresh: true, concurrency: 1 });
    const bytes = Buffer.from([1, 2, 3]);
    const calls = [exports.runBytes(bytes), exports.runBytes(bytes)];
    bytes.fill(9);
    for (const one of calls) assert.deepEqual(await one, Uint8Array.of(1, 2, 3));
  });

  test('is there for components, without resources', async () => {
    const types = { u32: primitives().u32, string: primitives().string };
    const source = assembleComponent(echoing(types));
    const echo = (value) => value;
    const given = { 'echo-u32': echo, 'echo-string': echo };
    const { exports, close } = await load(source, { cache, imports: given, fresh: true });
    assert.equal(await exports.runString('text'), 'text');
    assert.equal(typeof close, 'function');
    class Gauge {
      read() {}
      static count() {}
    }
    const others = { Gauge, see() {}, offer() {}, offerOr() {} };
    const resources = load(assembleComponent(RESOURCES), { cache, imports: others, fresh: true });
    await assert.rejects(resources, {
      code: 'ERR_INVALID_ARG_VALUE',
      message: /'options\.fresh' can't be had for a component that exports a resource, Thing/,
    });
  });

  test('makes the imports of each instance, and reads other options once', async () => {
    const memories = [];
    const options = {
      cache,
      fresh: true,
      concurrency: 1,
      imports({ memory }) {
        memories.push(memory);
        if (memories.length === 3) throw new RangeError('no third one');
        return imports;
      },
    };
    const instance = await load(STATEFUL, options);
    options.imports = 'odd';
    options.timeout = 'odd';
    const { count } = instance.exports;
    assert.deepEqual([await count(), await count()], [1, 1]);
    await assert.rejects(count(), { name: 'RangeError', message: 'no third one' });
    assert.equal(await count(), 1);
    assert.equal(new Set(memories).size, memories.length);
    await instance.close();
  });

  test('loads one instance ahead, however many calls there are', async () => {
    let count = 0;
    const make = () => (count++, imports);
    const instance = await load(STATEFUL, { cache, fresh: true, imports: make });
    const calls = Array.from({ length: 5 }, () => instance.exports.count());
    assert.deepEqual(await Promise.all(calls), [1, 1, 1, 1, 1]);
    assert.equal(count, 6);
    await instance.close();
  });

  test('has the streams of the embedder for each instance', async () => {
    const written = [];
    const stdout = new WritableStream({ write: (chunk) => void written.push(`${chunk}`) });
    const stdin = Readable.from([Buffer.from('input')]);
    const instance = await load(COPIES, { cache, fresh: true, stdin, stdout });
    const { copy } = instance.exports;
    assert.equal(await copy(), 5);
    assert.deepEqual([await copy(), await copy()], [0, 0]); // it has been read to its end
    await instance.close();
    assert.deepEqual(written, ['input']);
  });

  test('is for load(), and concurrency for it', async () => {
    assert.throws(() => loadSync(STATEFUL, { imports, fresh: true }), {
      code: 'ERR_INVALID_ARG_VALUE',
    });
    await assert.rejects(load(STATEFUL, { imports, concurrency: 5 }), {
      code: 'ERR_INVALID_ARG_VALUE',
    });
    await assert.rejects(load(STATEFUL, { imports, fresh: 1 }), { code: 'ERR_INVALID_ARG_TYPE' });
    await assert.rejects(load(STATEFUL, { cache, fresh: true }), { code: 'ERR_WASI_IMPORT' });
  });
});

describe('program.prepare()', { timeout: HANGS }, () => {
  const REACTOR = assemble(`(module
    (import "env" "seed" (func $seed (param i32) (result i32)))
    (memory (export "memory") 1)
    (global $ready (mut i32) (i32.const 0)) (global $wide (mut i64) (i64.const 1)) (global $f (mut f64) (f64.const 0))
    (func (export "_initialize") (global.set $ready (i32.add (global.get $ready) (i32.const 1))))
    (func (export "init")
      (global.set $ready (i32.add (global.get $ready) (i32.const 10)))
      (global.set $wide (i64.const 0x123456789abc)) (global.set $f (f64.const 2.5))
      (drop (memory.grow (i32.const 2)))
      (i32.store (i32.const 131072) (call $seed (i32.const 1))))
    (func (export "add") (param i32) (global.set $ready (i32.add (global.get $ready) (local.get 0))))
    (func (export "state") (result i32 i64 f64 i32 i32)
      (global.get $ready) (global.get $wide) (global.get $f) (memory.size)
      (if (result i32) (i32.gt_u (memory.size) (i32.const 2))
        (then (i32.load (i32.const 131072))) (else (i32.const -1)))))`);
  const given = { env: { seed: async (value) => value + 76 } };

  test('begins with the state after a function', async () => {
    const program = await compile(REACTOR, { cache });
    const before = await program.load({ imports: given });
    assert.deepEqual(await before.exports.state(), [1, 1n, 0, 1, -1]);
    const prepared = await program.prepare('init', { imports: given });
    const state = [11, 0x123456789abcn, 2.5, 3, 77];
    const first = await prepared.load({ imports: given });
    assert.deepEqual(await first.exports.state(), state);
    await first.exports.add(5);
    // What one instance writes is not there for the next.
    const second = await prepared.load({ imports: given });
    assert.deepEqual(await second.exports.state(), state);
    const again = await prepared.prepare(({ exports }) => exports.add(100), { imports: given });
    const third = await again.load({ imports: given, fresh: true });
    assert.equal((await third.exports.state())[0], 111);
    const kept = await deserialize(await prepared.serialize());
    assert.deepEqual(await (await kept.load({ imports: given })).exports.state(), state);
  });

  test('is there for components', async () => {
    const source = assembleComponent(`(component
      (core module $m (global $g (mut i32) (i32.const 1)) (memory (export "memory") 1)
        (func (export "init") (global.set $g (i32.const 9)) (i32.store (i32.const 8) (i32.const 33)))
        (func (export "get") (result i32) (i32.add (global.get $g) (i32.load (i32.const 8)))))
      (core instance $i (instantiate $m))
      (func $init (canon lift (core func $i "init")))
      (func (export "get") (result u32) (canon lift (core func $i "get")))
      (instance $api (export "init" (func $init)))
      (export "my:pack/api" (instance $api)))`);
    const program = await compile(source, { cache });
    assert.equal(await (await program.load()).exports.get(), 1);
    for (const init of ['api.init', 'my:pack/api.init', ({ exports }) => exports.api.init()]) {
      const prepared = await program.prepare(init);
      assert.equal(await (await prepared.load()).exports.get(), 42);
      assert.equal(prepared.loadSync().exports.get(), 42);
    }
  });

  test('is there for components with asynchronous imports, of the embedder and of WASI', async () => {
    const source = assembleComponent(`(component
      (import "ask" (func $ask async (param "n" u32) (result u32)))
      (core func $ask (canon lower (func $ask)))
      (core module $m (import "host" "ask" (func $ask (param i32) (result i32)))
        (memory (export "memory") 1) (global $g (mut i32) (i32.const 1))
        (func (export "init") (global.set $g (call $ask (i32.const 41)))
          (i32.store8 (i32.const 70) (i32.const 1)))
        (func (export "get") (result i32) (i32.add (global.get $g) (i32.load8_u (i32.const 70)))))
      (core instance $i (instantiate $m (with "host" (instance (export "ask" (func $ask))))))
      (func (export "init") async (canon lift (core func $i "init")))
      (func (export "get") (result u32) (canon lift (core func $i "get"))))`);
    const program = await compile(source, { cache });
    const asked = { ask: async (n) => n + 100 };
    const prepared = await program.prepare('init', { imports: asked });
    assert.equal(await (await prepared.load({ imports: asked })).exports.get(), 142);
    const code = `(global $g (mut i32) (i32.const 1))
      (func (export "next") (result i32)
        (global.set $g (i32.add (global.get $g) (i32.const 1))) (global.get $g))`;
    const exported = `(func $next (result u32) (canon lift (core func $main "next")))
      (export "next" (func $next))`;
    const text = textOf({ uses: ['wasi:clocks/monotonic-clock'], code, exports: exported });
    const waiting = await compile(assembleComponent(text), { cache });
    const begun = await waiting.prepare('next');
    assert.equal(await (await begun.load()).exports.next(), 3);
  });

  test('is there for components of libraries, whose start functions call their initialisers', async () => {
    const source = assembleComponent(`(component
      (core module $library (global $g (mut i32) (i32.const 1))
        (func (export "_initialize") (global.set $g (i32.mul (global.get $g) (i32.const 10))))
        (func (export "get") (result i32)
          (global.set $g (i32.add (global.get $g) (i32.const 1))) (global.get $g)))
      (core instance $i (instantiate $library))
      (core module $init (import "library" "_initialize" (func $f)) (start $f))
      (core instance (instantiate $init (with "library" (instance $i))))
      (func (export "get") (result u32) (canon lift (core func $i "get"))))`);
    const program = await compile(source, { cache });
    assert.equal(await (await program.load()).exports.get(), 11);
    const prepared = await program.prepare('get');
    assert.equal(await (await prepared.load()).exports.get(), 12);
    const again = await prepared.prepare('get');
    assert.equal(await (await again.load()).exports.get(), 13);
  });

  test('says why there is no program', async () => {
    const program = await compile(REACTOR, { cache });
    const rejects = (promise, expected) => assert.rejects(promise, expected);
    await rejects(program.prepare(), { code: 'ERR_INVALID_ARG_TYPE' });
    await rejects(program.prepare('init'), { code: 'ERR_WASI_IMPORT' });
    await rejects(program.prepare('no', { imports: given }), {
      code: 'ERR_INVALID_ARG_VALUE',
      message: "the program exports no function 'no'",
    });
    await rejects(program.prepare('add', { imports: given }), {
      code: 'ERR_INVALID_ARG_VALUE',
      message: /^the function 'add' has parameters: /,
    });
    const holding = await compile(assembleComponent(HOLDING), { cache });
    for (const [name, message] of [
      ['heaviest', /^the function 'heaviest' has parameters: /],
      ['Thing', /^the program exports no function 'Thing'$/],
    ]) {
      await rejects(holding.prepare(name), { code: 'ERR_INVALID_ARG_VALUE', message });
    }
    const mine = new Error('mine');
    const fails = () => {
      throw mine;
    };
    await rejects(program.prepare(fails, { imports: given }), mine);
    const message = /^the program can't be prepared: its instance has ended, or is in a call$/;
    await rejects(
      program.prepare((instance) => instance.close(), { imports: given }),
      { code: 'ERR_WASI_PROGRAM', message },
    );
    const never = { env: { seed: () => new Promise(() => {}) } };
    const begin = ({ exports }) => void exports.init().catch(() => {});
    await rejects(program.prepare(begin, { imports: never }), {
      code: 'ERR_WASI_PROGRAM',
      message,
    });
    const tables = await compile(STATEFUL, { cache });
    await rejects(tables.prepare('count', { imports }), {
      code: 'ERR_WASI_PROGRAM',
      message: /^the program can't be prepared: unsupported `table\.set` instruction$/,
    });
    const code = await deserialize(await program.serialize());
    await rejects(code.prepare('init', { imports: given }), /is machine code/);
    const module = await compile(
      new WebAssembly.Module(assemble('(module (func (export "_start")))')),
    );
    await rejects(
      module.prepare(() => {}),
      { code: 'ERR_INVALID_ARG_VALUE' },
    );
  });
});
