// The object: its keys and symbols, subclasses, Proxies, and what packages for threads do with it.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { WASI } from '../../index.js';
import {
  alreadyStarted,
  command,
  invalidType,
  preview1,
  reactor,
  symbol,
} from '../support/class.mjs';
import { ERRNO, Guest } from '../support/guest.mjs';

describe('the object', () => {
  test('has one string key and five symbols, found by description', () => {
    const wasi = preview1();
    assert.deepEqual(Object.keys(wasi), ['wasiImport']);
    assert.deepEqual(
      Object.getOwnPropertySymbols(wasi).map(({ description }) => description),
      ['kBindingName', 'kSetMemory', 'kStarted', 'kExitCode', 'kInstance'],
    );
    assert.equal(wasi[symbol(wasi, 'kStarted')], false);
    assert.equal(wasi[symbol(wasi, 'kExitCode')], 0);
    assert.equal(wasi[symbol(wasi, 'kInstance')], undefined);
    assert.equal(wasi[symbol(wasi, 'kBindingName')], 'wasi_snapshot_preview1');
    wasi.start(command);
    assert.equal(wasi[symbol(wasi, 'kStarted')], true);
    assert.equal(wasi[symbol(wasi, 'kInstance')], command);
  });

  test('is made with new only', () => {
    assert.throws(() => WASI({ version: 'preview1' }), {
      name: 'TypeError',
      message: "Class constructor WASI cannot be invoked without 'new'",
    });
    assert.throws(() => WASI.call(preview1(), { version: 'preview1' }), TypeError);
  });

  test('methods belong to the prototype and are shared', () => {
    assert.equal(preview1().start, WASI.prototype.start);
    assert.ok(preview1() instanceof WASI);
    assert.equal(preview1().constructor, WASI);
  });

  test('a subclass can override and call super', () => {
    class Sub extends WASI {
      constructor() {
        super({ version: 'preview1', args: ['sub'] });
        this.own = true;
      }
      start(instance) {
        return super.start(instance) + 100;
      }
      getImportObject() {
        return { ...super.getImportObject(), extra: {} };
      }
    }
    const wasi = new Sub();
    assert.ok(wasi instanceof Sub && wasi instanceof WASI && wasi.own);
    assert.deepEqual(Object.keys(wasi.getImportObject()), ['wasi_snapshot_preview1', 'extra']);
    assert.equal(wasi.start(command), 100);
  });

  test('works behind a Proxy', () => {
    class Proxied extends WASI {
      constructor(options) {
        super(options);
        return new Proxy(this, {});
      }
    }
    for (const Class of [Proxied, new Proxy(WASI, {})]) {
      assert.deepEqual(new Guest({ args: ['proxied'] }, { Class }).args, ['proxied']);
    }
    const wasi = preview1();
    const proxy = new Proxy(wasi, {});
    assert.equal(proxy.start(command), 0);
    assert.equal(wasi[symbol(wasi, 'kStarted')], true);
    assert.throws(() => wasi.start(command), alreadyStarted);
  });

  test('works through an object that inherits from it', () => {
    const guest = new Guest({}, { start: '(call $proc_exit (i32.const 8))', bind: false });
    const heir = Object.create(guest.wasi);
    assert.equal(heir.getImportObject().wasi_snapshot_preview1, guest.wasi.wasiImport);
    assert.equal(heir.start(guest.instance), 8);
    assert.deepEqual(Object.keys(heir), []);
    assert.equal(heir[symbol(guest.wasi, 'kStarted')], true);
    assert.equal(guest.call('sched_yield'), 0);
  });

  test('start can be replaced, and the original called with any object of the class', () => {
    const wasi = preview1();
    const original = wasi.start;
    wasi.start = function (instance) {
      return original.call(this, instance) + 1;
    };
    assert.equal(wasi.start(command), 1);
  });
});

describe('the symbols, as packages for threads use them', () => {
  test('wasi[kSetMemory](memory) binds before start, and binds again', () => {
    const guest = new Guest({ args: ['x'] }, { bind: false });
    const setMemory = symbol(guest.wasi, 'kSetMemory');
    const memories = [1, 3, 1].map((initial) => new WebAssembly.Memory({ initial }));
    for (const memory of memories) {
      guest.wasi[setMemory](memory);
      assert.equal(guest.call('args_sizes_get', 0, 4), 0);
      assert.equal(new DataView(memory.buffer).getUint32(0, true), 1);
      new Uint8Array(memory.buffer).fill(0);
      const end = memory.buffer.byteLength;
      assert.equal(guest.call('args_sizes_get', 0, end - 4), 0);
      assert.equal(guest.call('args_sizes_get', 0, end - 3), ERRNO.FAULT);
    }
    guest.wasi[setMemory](guest.memory);
    assert.deepEqual(guest.args, ['x']);
  });

  test('wasi[kSetMemory] refuses what is no memory, and keeps the one it had', () => {
    const guest = new Guest({ args: ['kept'] });
    const setMemory = symbol(guest.wasi, 'kSetMemory');
    for (const wrong of [undefined, null, 1, 'x', {}, [], new ArrayBuffer(8), () => {}]) {
      assert.throws(
        () => guest.wasi[setMemory](wrong),
        invalidType('"instance.exports.memory" property must be a WebAssembly.Memory object'),
      );
    }
    assert.deepEqual(guest.args, ['kept']);
  });

  test('kStarted set back to false lets start() run again, with another instance', () => {
    const wasi = preview1({ args: ['again'] });
    const started = symbol(wasi, 'kStarted');
    for (let round = 0; round < 3; round++) {
      assert.equal(wasi.start(command), 0);
      assert.throws(() => wasi.start(command), alreadyStarted);
      wasi[started] = false;
      wasi.initialize(reactor);
      wasi[started] = false;
    }
  });

  test('start() answers what stands in kExitCode', () => {
    const wasi = preview1();
    wasi[symbol(wasi, 'kExitCode')] = 'anything';
    assert.equal(wasi.start(command), 'anything');
  });
});
