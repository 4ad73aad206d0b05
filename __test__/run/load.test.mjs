// load(): modules that live on, whose exports are called from JavaScript.

import assert from 'node:assert/strict';
import { AsyncResource } from 'node:async_hooks';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { compile, load } from '../../index.js';
import { deferred } from '../support/deferred.mjs';
import { root, temporaryFolder } from '../support/host.mjs';
import { assemble, assembleAny } from '../support/wat.mjs';

const P1 = 'wasi_snapshot_preview1';
const cache = false;

/** A module with a memory of a page. @param {string} items @param {string} [imports] */
const module = (items, imports = '') =>
  assemble(`(module ${imports} (memory (export "memory") 1) ${items})`);

const CALCULATOR = module(`
  (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
  (func (export "i64") (param i64) (result i64) (local.get 0))
  (func (export "f32") (param f32) (result f32) (local.get 0))
  (func (export "f64") (param f64) (result f64) (local.get 0))
  (func (export "none"))
  (func (export "swap") (param i32 i64) (result i64 i32) (local.get 1) (local.get 0))`);

/** Calls `env.host` with its argument; the result is that of the host. */
const CALLER = module(
  `(func (export "call") (param i32) (result i32) (call $host (local.get 0)))
   (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
   (data (i32.const 8) "text\\00")`,
  '(import "env" "host" (func $host (param i32) (result i32)))',
);
const withHost = (host, options) => load(CALLER, { cache, imports: { env: { host } }, ...options });

const ENDLESS = module(`
  (func (export "spin") (loop (br 0)))
  (func (export "one") (result i32) (i32.const 1))`);

describe('exports', () => {
  test('are functions that return promises', async () => {
    const { exports } = await load(CALCULATOR, { cache });
    assert.deepEqual(Object.keys(exports), ['add', 'i64', 'f32', 'f64', 'none', 'swap']);
    assert.ok(Object.isFrozen(exports));
    assert.deepEqual([exports.add.name, exports.add.length], ['add', 2]);
    const promise = exports.add(1, 2);
    assert.ok(promise instanceof Promise);
    assert.equal(await promise, 3);
    assert.equal(await exports.none(), undefined);
    assert.deepEqual(await exports.swap(1, 2n), [2n, 1]);
  });

  test('take and return values as those of WebAssembly.Instance', async () => {
    const { exports } = await load(CALCULATOR, { cache });
    const v8 = new WebAssembly.Instance(new WebAssembly.Module(CALCULATOR)).exports;
    const values = [
      ...[0, -0, 1, -1, 2 ** 31, 2 ** 32 + 5, 1.9, NaN, Infinity, 16_777_217, 1e300, 5e-324],
      ...[0n, -1n, 2n ** 63n, 2n ** 64n + 3n, '7', 'x', '', true, null, undefined, [], {}],
      ...[{ valueOf: () => 9 }, Symbol('s')],
    ];
    const outcome = async (call) => {
      try {
        return { value: await call() };
      } catch ({ name }) {
        return { name };
      }
    };
    for (const name of ['add', 'i64', 'f32', 'f64']) {
      for (const value of values) {
        const [ours, theirs] = await Promise.all([
          outcome(() => exports[name](value, 1)),
          outcome(async () => v8[name](value, 1)),
        ]);
        assert.deepEqual(ours, theirs, `${name}(${String(value)})`);
      }
    }
    assert.equal(await exports.add(), 0, 'what is missing is undefined');
  });

  test('are called in order, one after the other', async () => {
    const counts = module(`(global $n (mut i32) (i32.const 0))
      (func (export "next") (result i32)
        (global.set $n (i32.add (global.get $n) (i32.const 1))) (global.get $n))`);
    const { exports } = await load(counts, { cache });
    const all = Array.from({ length: 1000 }, () => exports.next());
    assert.deepEqual(
      await Promise.all(all),
      Array.from({ length: 1000 }, (_, i) => i + 1),
    );
  });

  test('that take something else than numbers can not be called', async () => {
    const { exports } = await load(
      assembleAny('(module (func (export "f") (param funcref)) (func (export "g")))'),
      { cache },
    );
    await assert.rejects(exports.f(null), { name: 'TypeError', message: /'f' can't be called/ });
    assert.equal(await exports.g(), undefined);
  });

  test('_initialize and the start function have been called, once', async () => {
    const reactor = module(`(global $n (mut i32) (i32.const 0)) (start $start)
      (func $start (global.set $n (i32.add (global.get $n) (i32.const 1))))
      (func (export "_initialize") (global.set $n (i32.add (global.get $n) (i32.const 10))))
      (func (export "n") (result i32) (global.get $n))`);
    const { exports } = await load(reactor, { cache });
    assert.deepEqual(Object.keys(exports), ['n']);
    assert.equal(await exports.n(), 11);
  });

  test('of a Program, and of a path', async (t) => {
    const file = path.join(temporaryFolder(t), 'calculator.wasm');
    fs.writeFileSync(file, CALCULATOR);
    const { exports } = await load(file, { cache });
    assert.equal(await exports.add(2, 2), 4);
    const program = await compile(assemble('(module (func (export "_start")))'), { cache });
    const instance = await program.load();
    assert.equal(await instance.exports._start(), undefined);
    assert.equal(instance.memory, null);
  });
});

describe('functions of the host', () => {
  test('return values, or promises of them', async () => {
    const sync = await withHost((n) => n + 1);
    assert.equal(await sync.exports.call(1), 2);
    const later = await withHost(async (n) => {
      await turn();
      return n + 2;
    });
    assert.equal(await later.exports.call(1), 3);
  });

  test('get and give all types, and several results', async () => {
    const all = module(
      `(func (export "all") (result f64 i64)
         (call $all (i32.const -1) (i64.const -2) (f32.const 0.5) (f64.const 1e300)))`,
      '(import "env" "all" (func $all (param i32 i64 f32 f64) (result f64 i64)))',
    );
    const got = [];
    const take = (...args) => (got.push(args), [2.5, 3n]);
    const { exports } = await load(all, { cache, imports: { env: { all: take } } });
    assert.deepEqual(await exports.all(), [2.5, 3n]);
    assert.deepEqual(got, [[-1, -2n, 0.5, 1e300]]);
    const wrong = await load(all, { cache, imports: { env: { all: () => [1] } } });
    await assert.rejects(wrong.exports.all(), { name: 'TypeError', message: /2 results .* 1/ });
    const mixed = await load(all, { cache, imports: { env: { all: () => [1, 1] } } });
    await assert.rejects(mixed.exports.all(), TypeError);
  });

  test('throw out of the call, whatever they throw, and the instance lives on', async () => {
    let thrown;
    const fails = () => {
      throw thrown;
    };
    const instance = await withHost(fails);
    const later = await withHost(async () => fails());
    for (thrown of [Object.freeze(new Error('no')), undefined, null, 'text', 0]) {
      for (const { exports } of [instance, later]) {
        const caught = await exports.call(1).then(
          () => assert.fail('it was to reject'),
          (error) => error,
        );
        assert.equal(caught, thrown);
        assert.equal(await exports.add(1, 2), 3);
      }
    }
  });

  test('throw out of load(), when the module is initialized', async () => {
    const initialized = module(
      '(func (export "_initialize") (call $host))',
      '(import "env" "host" (func $host))',
    );
    const error = new Error('no');
    const host = () => {
      throw error;
    };
    const caught = await load(initialized, { cache, imports: { env: { host } } }).catch((e) => e);
    assert.equal(caught, error);
  });

  test('call exports of the instance that waits for them', async () => {
    const instance = await withHost(async (n) => {
      if (n === 0) return 100;
      await turn();
      const inner = await instance.exports.call(n - 1);
      return instance.exports.add(inner, 1);
    });
    assert.equal(await instance.exports.call(5), 105);
  });

  test('call the instance through another one', async () => {
    for (const wait of [() => {}, turn]) {
      const first = await withHost(async (n) => {
        await wait();
        return second.exports.call(n);
      });
      const second = await withHost(async (n) => {
        await wait();
        return first.exports.add(n, 1);
      });
      assert.equal(await first.exports.call(1), 2);
    }
  });

  test('are methods of an object of a class too, and get no `this`', async () => {
    let seen;
    class Env {
      host(n) {
        seen = this;
        return n + 1;
      }
    }
    const { exports } = await load(CALLER, { cache, imports: { env: new Env() } });
    assert.equal(await exports.call(1), 2);
    assert.equal(seen, undefined);
  });

  test('calls from elsewhere wait until the instance is free', async () => {
    const { promise, resolve } = deferred();
    const order = [];
    const instance = await withHost(() => promise);
    const first = instance.exports.call(1).then(() => order.push('first'));
    const second = instance.exports.add(1, 1).then(() => order.push('second'));
    await turn();
    assert.deepEqual(order, []);
    resolve(7);
    await Promise.all([first, second]);
    assert.deepEqual(order, ['first', 'second']);
  });

  test('calls from elsewhere wait as well, in the middle of such a function', async () => {
    const elsewhere = AsyncResource.bind((call) => call());
    let other;
    const instance = await withHost((n) => {
      other = elsewhere(() => instance.exports.add(n, 1));
      return n * 2;
    });
    assert.equal(await instance.exports.call(21), 42);
    assert.equal(await other, 22);
  });

  test('that go on after they have returned call exports like anybody', async () => {
    const { promise, resolve } = deferred();
    const instance = await withHost(() => {
      setImmediate(async () => resolve(await instance.exports.add(20, 3)));
      return 0;
    });
    assert.equal(await instance.exports.call(1), 0);
    assert.equal(await promise, 23);
  });

  test('a trap in an inner call ends the instance, and the outer call with it', async () => {
    const traps = module(
      `(func (export "call") (call $host)) (func (export "trap") (unreachable))`,
      '(import "env" "host" (func $host))',
    );
    let inner;
    const host = async () => {
      inner = await instance.exports.trap().catch((error) => error);
    };
    const instance = await load(traps, { cache, imports: { env: { host } } });
    await assert.rejects(instance.exports.call(), { code: 'ERR_WASI_TRAP' });
    await turn();
    assert.equal(inner.code, 'ERR_WASI_TRAP');
  });

  test('are missing: load() says which', async () => {
    await assert.rejects(load(CALLER, { cache }), {
      code: 'ERR_WASI_IMPORT',
      message: /env\.host \(function\); .*by options\.imports/,
    });
    const wrong = { cache, imports: { env: { hots() {} } } };
    await assert.rejects(load(CALLER, wrong), { code: 'ERR_WASI_IMPORT' });
    const types = '(import "env" "f" (func (param i32))) (import "env" "f" (func (param f64)))';
    await assert.rejects(load(assemble(`(module ${types})`), { cache }), {
      code: 'ERR_WASI_PROGRAM',
      message: /the program imports env\.f twice, as functions of two types/,
    });
    const global = '(module (import "env" "g" (global i32)))';
    await assert.rejects(load(assemble(global), { cache }), {
      code: 'ERR_WASI_IMPORT',
      message: /env\.g \(global\)/,
    });
  });
});

describe('memory', () => {
  test('is read and written between calls', async () => {
    const { memory } = await load(CALLER, { cache, imports: { env: { host: () => 0 } } });
    assert.equal(memory.byteLength, 65536);
    assert.equal(memory.readString(8), 'text');
    assert.equal(memory.readString(8, 2), 'te');
    assert.deepEqual(memory.read(8, 4), Buffer.from('text'));
    assert.equal(memory.writeString(100, 'größe 🦀'), 12);
    assert.equal(memory.readString(100), 'größe 🦀');
    memory.write(200, new Uint16Array([1, 2]));
    assert.deepEqual([...memory.read(200, 4)], [1, 0, 2, 0]);
    const copy = memory.read(8, 4);
    copy.fill(0);
    assert.equal(memory.readString(8, 4), 'text', 'it is a copy');
    assert.equal(memory.read(65536, 0).length, 0);
  });

  test('ends where it ends', async () => {
    const { memory } = await load(CALLER, { cache, imports: { env: { host: () => 0 } } });
    for (const access of [
      () => memory.read(65530, 7),
      () => memory.read(65537, 0),
      () => memory.read(0, 2 ** 40),
      () => memory.read(2 ** 40, 1),
      () => memory.write(65535, Buffer.alloc(2)),
      () => memory.read(-1, 1),
      () => memory.read(0.5, 1),
      () => memory.read(NaN, 1),
    ]) {
      assert.throws(access, { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' });
    }
    memory.write(65000, Buffer.alloc(536, 1));
    assert.throws(() => memory.readString(65000), { code: 'ERR_OUT_OF_RANGE' }, 'without a NUL');
    for (const access of [
      () => memory.read('0', 1),
      () => memory.read(0),
      () => memory.write(0, 'text'),
      () => memory.writeString(0, Buffer.from('text')),
    ]) {
      assert.throws(access, { code: 'ERR_INVALID_ARG_TYPE' });
    }
  });

  test('is not there before the guest has begun', async () => {
    let early;
    const imports = ({ memory }) => {
      early = memory;
      return { env: { host: () => 0 } };
    };
    const loading = load(CALLER, { cache, imports });
    assert.throws(() => early.byteLength, { code: 'ERR_INVALID_STATE', message: /has not begun/ });
    await loading;
    assert.equal(early.byteLength, 65536);
  });

  test('is there in functions of the host, also while the module is initialized', async () => {
    const tells = module(
      `(data (i32.const 8) "begin") (func (export "_initialize") (call $tell (i32.const 8) (i32.const 5)))
       (func (export "grow") (drop (memory.grow (i32.const 1)))
         (i32.store8 (i32.const 65536) (i32.const 33)) (call $tell (i32.const 65536) (i32.const 1)))`,
      '(import "env" "tell" (func $tell (param i32 i32)))',
    );
    const told = [];
    const imports = ({ memory }) => ({
      env: {
        tell(offset, length) {
          told.push(memory.readString(offset, length));
          memory.writeString(offset, '*');
        },
      },
    });
    const instance = await load(tells, { cache, imports });
    assert.equal(instance.memory.readString(8, 5), '*egin');
    await instance.exports.grow();
    assert.deepEqual(told, ['begin', '!']);
    assert.equal(instance.memory.byteLength, 2 * 65536);
  });

  test('can not be reached while the guest is at work, nor when it has ended', async () => {
    const instance = await load(ENDLESS, { cache });
    const spinning = instance.exports.spin();
    const failed = assert.rejects(spinning, { code: 'ERR_WASI_KILLED' });
    assert.throws(() => instance.memory.read(0, 1), {
      code: 'ERR_INVALID_STATE',
      message: /at work/,
    });
    await instance.close();
    await failed;
    assert.throws(() => instance.memory.read(0, 1), {
      code: 'ERR_INVALID_STATE',
      message: /has ended/,
    });
  });
});

describe('the end of an instance', () => {
  test('by its timeout, for each call', async () => {
    const instance = await load(ENDLESS, { cache, timeout: 50 });
    assert.equal(await instance.exports.one(), 1);
    const waiting = instance.exports.spin();
    const behind = instance.exports.one();
    await assert.rejects(waiting, { code: 'ERR_WASI_TIMEOUT', timedOut: true });
    await assert.rejects(behind, { code: 'ERR_INVALID_STATE' }, 'it has not begun');
    await assert.rejects(instance.exports.one(), (error) => {
      assert.equal(error.code, 'ERR_INVALID_STATE');
      assert.equal(error.cause.code, 'ERR_WASI_TIMEOUT');
      return true;
    });
    const never = await withHost(() => new Promise(() => {}), { timeout: 50 });
    await assert.rejects(never.exports.call(1), { code: 'ERR_WASI_TIMEOUT' });
    const loop = module('(func (export "_initialize") (loop (br 0)))');
    await assert.rejects(load(loop, { cache, timeout: 50 }), { code: 'ERR_WASI_TIMEOUT' });
  });

  test('by a trap, with the stack of the caller', async () => {
    const instance = await load(module('(func (export "trap") unreachable)'), { cache });
    const caught = await instance.exports.trap().catch((error) => error);
    assert.equal(caught.code, 'ERR_WASI_TRAP');
    assert.equal(caught.signal, 'SIGABRT');
    assert.match(caught.stack, /load\.test\.mjs/);
    assert.equal(instance.usage, caught.usage);
    await assert.rejects(instance.exports.trap(), { code: 'ERR_INVALID_STATE' });
    await instance.close();
  });

  test('by proc_exit', async () => {
    const exits = module(
      '(func (export "exit") (param i32) (call $exit (local.get 0)))',
      `(import "${P1}" "proc_exit" (func $exit (param i32)))`,
    );
    const { exports } = await load(exits, { cache });
    await assert.rejects(exports.exit(3), { code: 'ERR_WASI_EXIT', exitCode: 3 });
    await assert.rejects(exports.exit(3), { code: 'ERR_INVALID_STATE' });
  });

  test('by close(), while a call waits for the host', async () => {
    const instance = await withHost(() => new Promise(() => {}));
    const failed = [
      assert.rejects(instance.exports.call(1), { code: 'ERR_WASI_KILLED' }),
      assert.rejects(instance.exports.add(1, 1), { code: 'ERR_INVALID_STATE' }),
    ];
    await Promise.all([instance.close(), instance.close()]);
    await Promise.all(failed);
    await assert.rejects(instance.exports.add(1, 1), { code: 'ERR_INVALID_STATE' });
  });

  test('by its signal', async () => {
    const reason = new Error('enough');
    await assert.rejects(load(ENDLESS, { cache, signal: AbortSignal.abort(reason) }), {
      code: 'ABORT_ERR',
      cause: reason,
    });
    const controller = new AbortController();
    const instance = await load(ENDLESS, { cache, signal: controller.signal });
    const failed = assert.rejects(instance.exports.spin(), { code: 'ABORT_ERR', cause: reason });
    controller.abort(reason);
    await failed;
  });

  test('by its fuel, which is for all calls together', async () => {
    const instance = await load(ENDLESS, { cache, limits: { fuel: 1_000_000 } });
    await instance.exports.one();
    assert.ok(instance.usage.fuel > 0 && instance.usage.fuel < 1000);
    await assert.rejects(instance.exports.spin(), { code: 'ERR_WASI_FUEL' });
  });

  test('an instance without calls does not keep the process, one with a call does', async () => {
    const script = `
      import { load } from ${JSON.stringify(path.join(root, 'index.js'))};
      const bytes = Buffer.from('${Buffer.from(CALLER).toString('base64')}', 'base64');
      const host = (n) => new Promise((resolve) => setTimeout(resolve, 50, n).unref());
      const { exports } = await load(bytes, { cache: false, imports: { env: { host } } });
      exports.call(5).then(console.log);`;
    const child = await import('node:child_process').then(({ spawn }) =>
      spawn(process.execPath, ['--input-type=module', '-e', script], {
        stdio: ['ignore', 'pipe', 'inherit'],
      }),
    );
    const output = child.stdout.toArray();
    const [code] = await once(child, 'exit');
    assert.equal(code, 0);
    assert.equal(String(Buffer.concat(await output)), '5\n');
  });

  test('with its worker', async () => {
    const script = `
      const { parentPort, workerData } = require('node:worker_threads');
      const { load } = require(${JSON.stringify(path.join(root, 'index.js'))});
      const host = () => { parentPort.postMessage('waits'); return new Promise(() => {}); };
      load(workerData, { cache: false, imports: { env: { host } } }).then(({ exports }) => exports.call(1));`;
    const worker = new Worker(script, { eval: true, workerData: CALLER });
    assert.deepEqual(await once(worker, 'message'), ['waits']);
    await worker.terminate();
  });
});

describe('options', () => {
  test('files, arguments and streams are those of run()', async (t) => {
    const folder = temporaryFolder(t);
    fs.writeFileSync(path.join(folder, 'a.txt'), 'content');
    const uses = module(
      `(data (i32.const 100) "a.txt")
       (func (export "open") (result i32)
         (call $open (i32.const 3) (i32.const 0) (i32.const 100) (i32.const 5) (i32.const 0)
           (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 0)))
       (func (export "write") (result i32)
         (i32.store (i32.const 8) (i32.const 100)) (i32.store (i32.const 12) (i32.const 5))
         (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 16)))`,
      `(import "${P1}" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
       (import "${P1}" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))`,
    );
    const got = [];
    const instance = await load(uses, {
      cache,
      preopens: { '/': folder },
      stdout: (chunk) => void got.push(chunk),
    });
    assert.equal(await instance.exports.open(), 0);
    assert.equal(await instance.exports.write(), 0);
    await instance.close();
    assert.equal(String(Buffer.concat(got)), 'a.txt');
    assert.equal(instance.usage.calls, 2);
    const silent = await load(uses, { cache, preopens: { '/': folder }, stdout: 'ignore' });
    assert.equal(await silent.exports.write(), 0);
  });

  test('limits.memory holds', async () => {
    const grows = module('(func (export "grow") (result i32) (memory.grow (i32.const 10)))');
    const { exports } = await load(grows, { cache, limits: { memory: 5 * 65536 } });
    assert.equal(await exports.grow(), -1);
    await assert.rejects(load(grows, { cache, limits: { memory: 65535 } }), {
      code: 'ERR_WASI_PROGRAM',
      message: /limits\.memory/,
    });
  });

  test('are checked', async () => {
    for (const [options, code] of [
      [{ engine: 'v8' }, 'ERR_INVALID_ARG_VALUE'],
      [{ encoding: 'utf8' }, 'ERR_INVALID_ARG_VALUE'],
      [{ timout: 5 }, 'ERR_INVALID_ARG_VALUE'],
      [{ stdout: 'pipe' }, 'ERR_INVALID_ARG_VALUE'],
      [{ imports: 5 }, 'ERR_INVALID_ARG_TYPE'],
      [{ imports: async () => ({}) }, 'ERR_INVALID_ARG_TYPE'],
      [{ imports: new Map() }, 'ERR_INVALID_ARG_TYPE'],
      [{ imports: { env: null } }, 'ERR_INVALID_ARG_TYPE'],
      [{ imports: { env: { host: 5 } } }, 'ERR_INVALID_ARG_TYPE'],
      [{ imports: { [P1]: { fd_write() {} } } }, 'ERR_INVALID_ARG_VALUE'],
      [{ timeout: -1 }, 'ERR_OUT_OF_RANGE'],
    ]) {
      await assert.rejects(load(CALLER, { cache, ...options }), { code }, JSON.stringify(options));
    }
    await assert.rejects(load('/nowhere/x.wasm'), { code: 'ENOENT', path: '/nowhere/x.wasm' });
    await assert.rejects(load(new Uint8Array(3)), { code: 'ERR_WASI_PROGRAM' });
  });
});
