// start(), initialize() and finalizeBindings(): what they need, call and answer, and in which order.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { WASI } from '../../index.js';
import {
  alreadyStarted,
  command,
  instanceWith,
  invalidType,
  notStarted,
  preview1,
  reactor,
} from '../support/class.mjs';
import { Guest } from '../support/guest.mjs';
import { thrownBy } from '../support/host.mjs';
import { wat } from '../support/wat.mjs';

describe('start()', () => {
  const noMemory = new WebAssembly.Instance(wat('(module (func (export "_start")))'));
  const notAMemory = invalidType(
    '"instance.exports.memory" property must be a WebAssembly.Memory object',
  );

  test('needs an instance with a memory and _start, and without _initialize', () => {
    const both = instanceWith('(func (export "_start")) (func (export "_initialize"))');
    for (const [instance, error] of [
      [
        undefined,
        invalidType('The "instance" argument must be of type object. Received undefined'),
      ],
      [
        {},
        invalidType('The "instance.exports" property must be of type object. Received undefined'),
      ],
      [noMemory, notAMemory],
      [
        reactor,
        invalidType(
          'The "instance.exports._start" property must be of type function. Received undefined',
        ),
      ],
      [
        both,
        invalidType(
          'The "instance.exports._initialize" property must be undefined. Received function 1',
        ),
      ],
    ]) {
      assert.throws(() => preview1().start(instance), error);
    }
  });

  test('once: another start(), initialize() or finalizeBindings() throws', () => {
    const wasi = preview1();
    wasi.start(command);
    assert.throws(() => wasi.start(command), alreadyStarted);
    assert.throws(() => wasi.initialize(reactor), alreadyStarted);
    assert.throws(() => wasi.finalizeBindings(reactor), alreadyStarted);
  });

  test('a refused instance does not use up the object', () => {
    const wasi = preview1();
    assert.throws(() => wasi.start(noMemory), notAMemory);
    assert.throws(() => wasi.start({}), { code: 'ERR_INVALID_ARG_TYPE' });
    assert.equal(wasi.start(command), 0);
  });

  test('from within the guest throws, and the guest goes on', () => {
    const wasi = preview1();
    let thrown;
    const again = () => (thrown = thrownBy(() => wasi.start(instance)));
    const instance = new WebAssembly.Instance(
      wat(`(module (import "env" "again" (func $again)) (memory (export "memory") 1)
        (func (export "_start") (call $again) (i32.store (i32.const 0) (i32.const 1))))`),
      { env: { again } },
    );
    assert.equal(wasi.start(instance), 0);
    assert.equal(thrown.code, 'ERR_WASI_ALREADY_STARTED');
    assert.equal(new DataView(instance.exports.memory.buffer).getUint32(0, true), 1);
  });

  test('calls _start without arguments and without this', () => {
    let seen;
    function _start(...args) {
      seen = { this: this, args };
    }
    preview1().start({ exports: { memory: command.exports.memory, _start } });
    assert.deepEqual(seen, { this: undefined, args: [] });
  });
});

describe('initialize()', () => {
  test('calls _initialize if there is one, and answers undefined', () => {
    const instance = instanceWith(
      '(func (export "_initialize") (i32.store (i32.const 0) (i32.const 7)))',
    );
    assert.equal(preview1().initialize(instance), undefined);
    assert.equal(new DataView(instance.exports.memory.buffer).getUint32(0, true), 7);
    assert.equal(preview1().initialize(instanceWith()), undefined);
  });

  test('refuses _start', () => {
    assert.throws(
      () => preview1().initialize(command),
      invalidType('The "instance.exports._start" property must be undefined. Received function 0'),
    );
  });

  test('once', () => {
    const wasi = preview1();
    wasi.initialize(reactor);
    assert.throws(() => wasi.initialize(reactor), alreadyStarted);
    assert.throws(() => wasi.start(command), alreadyStarted);
  });

  test('an error of _initialize passes through', () => {
    const instance = instanceWith('(func (export "_initialize") unreachable)');
    assert.throws(() => preview1().initialize(instance), WebAssembly.RuntimeError);
  });
});

describe('finalizeBindings()', () => {
  const guestWithout = () => new Guest({}, { bind: false });

  test('binds and runs nothing', () => {
    const guest = guestWithout();
    assert.throws(() => guest.call('sched_yield'), notStarted);
    assert.equal(guest.wasi.finalizeBindings(guest.instance), undefined);
    assert.equal(guest.call('sched_yield'), 0);
    assert.throws(() => guest.wasi.finalizeBindings(guest.instance), alreadyStarted);
    const trap = instanceWith('(func (export "_start") unreachable)');
    preview1().finalizeBindings(trap);
  });

  test('takes another memory than the exported one', () => {
    const guest = guestWithout();
    const memory = new WebAssembly.Memory({ initial: 1 });
    guest.wasi.finalizeBindings({ exports: {} }, { memory });
    assert.equal(guest.call('random_get', 0, 32), 0);
    assert.ok(new Uint8Array(memory.buffer, 0, 32).some((byte) => byte !== 0));
    assert.ok(guest.bytes(0, 32).every((byte) => byte === 0));
  });

  test('memory: undefined is the exported one', () => {
    const guest = guestWithout();
    guest.wasi.finalizeBindings(guest.instance, { memory: undefined });
    assert.equal(guest.call('sched_yield'), 0);
  });

  test('refuses what is no instance or no memory', () => {
    for (const args of [[], [null], [1], [{}], [{ exports: {} }], [command, { memory: {} }]]) {
      assert.throws(() => preview1().finalizeBindings(...args), { code: 'ERR_INVALID_ARG_TYPE' });
    }
    assert.throws(() => preview1().finalizeBindings(command, null), TypeError);
  });

  test('start() and initialize() go through it', () => {
    class Sub extends WASI {
      calls = [];
      finalizeBindings(...args) {
        this.calls.push(args);
        super.finalizeBindings(...args);
      }
    }
    const [one, other] = [new Sub({ version: 'preview1' }), new Sub({ version: 'preview1' })];
    one.start(command);
    other.initialize(reactor);
    assert.deepEqual(
      [one.calls, other.calls].map((calls) => calls.map((args) => args[0])),
      [[command], [reactor]],
    );
  });
});

describe('start() with empty stand-ins only binds', () => {
  test('start({ exports: { memory, _start() {} } })', () => {
    const wasi = preview1();
    const memory = new WebAssembly.Memory({ initial: 1 });
    assert.equal(wasi.start({ exports: { memory, _start() {} } }), 0);
    assert.equal(wasi.wasiImport.args_sizes_get(0, 4), 0);
  });

  test('initialize({ exports: { memory } })', () => {
    const wasi = preview1();
    wasi.initialize({ exports: { memory: new WebAssembly.Memory({ initial: 1 }) } });
    assert.equal(wasi.wasiImport.args_sizes_get(0, 4), 0);
  });
});
