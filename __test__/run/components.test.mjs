// load() and loadSync() of components: values, errors, resources, imports, the end.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';
import { ComponentError, compile, deserialize, load, loadSync, run, spawn } from '../../index.js';
import { runCollecting } from '../support/collect.mjs';
import {
  EMPTY_COMPONENT,
  HOLDING,
  RESOURCES,
  assembleComponent,
  echoing,
  primitives,
} from '../support/components.mjs';

const FLAGS = ['read', 'exec-all', ...Array.from({ length: 40 }, (_, i) => `f${i}`)];

/** The types of the echoes, and what is given to them. */
const TYPES = {
  ...primitives(),
  bytes: { type: '(list u8)', core: 'i32 i32' },
  longs: { type: '(list s64)', core: 'i32 i32' },
  doubles: { type: '(list f64)', core: 'i32 i32' },
  texts: { type: '(list string)', core: 'i32 i32' },
  point: {
    type: '$point',
    core: 'i32 f64 i32 i32 i32',
    define: '(record (field "x" s32) (field "y-pos" f64) (field "label" (option string)))',
  },
  points: { type: '(list $point)', core: 'i32 i32' },
  color: { type: '$color', core: 'i32', define: '(enum "red" "dark-green")' },
  shape: {
    type: '$shape',
    core: 'i32 i32',
    define: '(variant (case "nothing") (case "sides" u32))',
  },
  perms: {
    type: '$perms',
    core: 'i32 i32',
    define: `(flags ${FLAGS.slice(0, 32)
      .map((name) => `"${name}"`)
      .join(' ')})`,
  },
  tuple: { type: '(tuple u8 string bool)', core: 'i32 i32 i32 i32' },
  maybe: { type: '(option u32)', core: 'i32 i32' },
  nested: { type: '(option (option u32))', core: 'i32 i32 i32' },
  result: { type: '(result u32 (error string))', core: 'i32 i32 i32' },
  outcomes: { type: '(list (result (error u8)))', core: 'i32 i32' },
  reply: { type: '(result string (error string))', core: 'i32 i32 i32' },
  failure: { type: '(result (error (list u16)))', core: 'i32 i32 i32' },
  words: { type: '(list u16)', core: 'i32 i32' },
  nothing: { type: '(result)', core: 'i32' },
};
TYPES.perms.core = 'i32'; // 32 flags

const bytes = assembleComponent(echoing(TYPES));

const camel = (name) => name.replace(/-(.)/g, (_, letter) => letter.toUpperCase());

/** Both forms, with functions of the embedder that note what they get. */
async function both(source, imports, act) {
  for (const [name, open] of [
    ['load()', load],
    ['loadSync()', loadSync],
  ]) {
    const instance = await open(source, { imports });
    try {
      await act(instance, name);
    } finally {
      await instance.close();
    }
  }
}

/** Echoes, and the list of what they got. */
function echoes() {
  const got = [];
  const echo = (value) => {
    got.push(value);
    if (value?.tag === 'err') throw new ComponentError(value.val);
    return value?.tag === 'ok' ? value.val : value;
  };
  const imports = Object.fromEntries(Object.keys(TYPES).map((name) => [`echo-${name}`, echo]));
  return { got, imports };
}

/** The message of an error. */
const messageOf = async (act) => {
  try {
    await act();
  } catch (error) {
    return `${error.name}: ${error.message}`;
  }
  throw new assert.AssertionError({ message: 'it did not throw' });
};

describe('values', () => {
  /** Values as they are given and got, where that is the same. */
  const SAME = {
    bool: [true, false],
    s8: [-128, 127],
    u8: [0, 255],
    s16: [-32768, 32767],
    u16: [65535],
    s32: [-(2 ** 31), 2 ** 31 - 1],
    u32: [2 ** 32 - 1],
    s64: [-(2n ** 63n), 2n ** 63n - 1n],
    u64: [2n ** 64n - 1n, 0n],
    f32: [1.5, NaN, -0, -Infinity],
    f64: [0.1, NaN, -0, Number.MAX_VALUE],
    char: ['a', '\0', '🎉', '\u{10ffff}'],
    string: ['', 'ä€🎉', '\0', 'x'.repeat(100_000)],
    bytes: [new Uint8Array(), Uint8Array.from({ length: 70_000 }, (_, i) => i)],
    longs: [BigInt64Array.of(-1n, 2n ** 62n)],
    words: [Uint16Array.of(), Uint16Array.of(0, 65535)],
    doubles: [Float64Array.of(0.5, -0, NaN)],
    texts: [[], ['a', '', '🎉']],
    point: [
      { x: -1, yPos: 2.5, label: 'here' },
      { x: 0, yPos: NaN, label: undefined },
    ],
    points: [Array.from({ length: 1000 }, (_, x) => ({ x, yPos: -x, label: `${x}` }))],
    color: ['red', 'dark-green'],
    shape: [{ tag: 'nothing' }, { tag: 'sides', val: 5 }],
    tuple: [[7, 'seven', true]],
    maybe: [undefined, 0],
    nested: [{ tag: 'none' }, { tag: 'some', val: undefined }, { tag: 'some', val: 3 }],
    outcomes: [
      [
        { tag: 'ok', val: undefined },
        { tag: 'err', val: 3 },
      ],
    ],
  };

  test('go both ways, as they are in jco', async () => {
    const { got, imports } = echoes();
    await both(bytes, imports, async ({ exports }) => {
      for (const [name, values] of Object.entries(SAME)) {
        for (const value of values) {
          assert.deepEqual(await exports[camel(`run-${name}`)](value), value, name);
          assert.deepEqual(got.pop(), value, `${name} in a function of the embedder`);
        }
      }
    });
  });

  test('may be given in other forms', async () => {
    const { imports } = echoes();
    await both(bytes, imports, async ({ exports }) => {
      assert.deepEqual(await exports.runBytes([1, 2]), Uint8Array.of(1, 2));
      assert.deepEqual(await exports.runBytes(Buffer.from('ab')), Uint8Array.of(97, 98));
      assert.deepEqual(await exports.runBytes(Uint8Array.of(5, 6).buffer), Uint8Array.of(5, 6));
      assert.deepEqual(await exports.runDoubles([1, 2.5]), Float64Array.of(1, 2.5));
      assert.deepEqual(await exports.runLongs([1n]), BigInt64Array.of(1n));
      assert.equal(await exports.runMaybe(null), undefined);
      assert.equal(await exports.runString('a\ud800b'), 'a\ufffdb', 'a lone surrogate');
      assert.deepEqual(await exports.runPoint({ x: 1, yPos: 2 }), {
        x: 1,
        yPos: 2,
        label: undefined,
      });
      const perms = await exports.runPerms({ read: false, execAll: true, f29: 1 });
      const set = Object.keys(perms).filter((name) => perms[name]);
      assert.deepEqual([Object.keys(perms).length, set], [32, ['execAll', 'f29']]);
    });
  });

  test('may be made by calls of the same component', async () => {
    const { imports } = echoes();
    const { exports } = loadSync(bytes, { imports });
    const point = {
      x: 5,
      get yPos() {
        return exports.runF64(2.5);
      },
      get label() {
        return exports.runString('inner');
      },
    };
    assert.deepEqual(exports.runPoint(point), { x: 5, yPos: 2.5, label: 'inner' });
  });

  test('that are not of their type are told with their place', async () => {
    const { imports } = echoes();
    await both(bytes, imports, async ({ exports }) => {
      const { runU8, runU64, runChar, runString, runBytes, runTexts, runPoints, runColor } =
        exports;
      for (const [act, said] of [
        [() => runU8(256), 'runU8(v): expected u8, an integer from 0 to 255, got 256'],
        [() => runU8(), 'runU8(v): expected u8, an integer from 0 to 255, got undefined'],
        [() => runU8('1'), "runU8(v): expected u8, an integer from 0 to 255, got '1'"],
        [() => runU8(1.5), 'runU8(v): expected u8, an integer from 0 to 255, got 1.5'],
        [() => runU64(1), 'runU64(v): expected u64, a BigInt from 0n to 2n ** 64n - 1n, got 1'],
        [() => runU64(-1n), 'runU64(v): expected u64, a BigInt from 0n to 2n ** 64n - 1n, got -1n'],
        [() => runChar('ab'), "runChar(v): expected a string of one character, got 'ab'"],
        [() => runChar(''), "runChar(v): expected a string of one character, got ''"],
        [() => runString(5), 'runString(v): expected a string, got 5'],
        [() => runBytes('ab'), "runBytes(v): expected Uint8Array or an array, got 'ab'"],
        [
          () => runBytes([1, 256]),
          'runBytes(v[1]): expected u8, an integer from 0 to 255, got 256',
        ],
        [() => runTexts(['a', null]), 'runTexts(v[1]): expected a string, got null'],
        [
          () =>
            runPoints([
              { x: 0, yPos: 0 },
              { x: 0, yPos: '0' },
            ]),
          "runPoints(v[1].yPos): expected a number, got '0'",
        ],
        [() => runPoints([0]), 'runPoints(v[0]): expected an object { x, yPos, label }, got 0'],
        [() => runColor('blue'), "runColor(v): expected 'red' or 'dark-green', got 'blue'"],
        [
          () => exports.runShape({ tag: 'sides' }),
          'runShape(v.val): expected u32, an integer from 0 to 4294967295, got undefined',
        ],
        [
          () => exports.runShape({ tag: 'x' }),
          "runShape(v.tag): expected 'nothing' or 'sides', got 'x'",
        ],
        [() => exports.runTuple([1, 'a']), "runTuple(v): expected an array of 3, got [ 1, 'a' ]"],
      ]) {
        assert.equal(await messageOf(act), `TypeError: ${said}`);
      }
      assert.match(
        await messageOf(() => exports.runPerms({ reed: true })),
        /got a property 'reed'$/,
      );
      assert.equal(await runU8(1), 1, 'it lives on');
    });
  });

  test('an error is thrown, with its payload', async () => {
    const { got, imports } = echoes();
    await both(bytes, imports, async ({ exports }) => {
      assert.equal(await exports.runResult({ tag: 'ok', val: 5 }), 5);
      assert.equal(await exports.runReply({ tag: 'ok', val: 'ä' }), 'ä');
      await assert.rejects(async () => exports.runReply({ tag: 'err', val: 'ü' }), {
        payload: 'ü',
      });
      assert.equal(await exports.runFailure({ tag: 'ok' }), undefined);
      const words = Uint16Array.of(1, 65535);
      await assert.rejects(async () => exports.runFailure({ tag: 'err', val: words }), {
        payload: words,
      });
      const thrown = { name: 'ComponentError', message: 'no such thing', payload: 'no such thing' };
      const failing = async () => exports.runResult({ tag: 'err', val: 'no such thing' });
      await assert.rejects(failing, thrown);
      await assert.rejects(failing, ComponentError);
      assert.deepEqual(got.pop(), { tag: 'err', val: 'no such thing' });
      assert.equal(await exports.runNothing({ tag: 'ok' }), undefined);
      await assert.rejects(async () => exports.runNothing({ tag: 'err' }), { payload: undefined });
    });
  });
});

describe('functions of the embedder', () => {
  const types = { u32: TYPES.u32, result: TYPES.result };
  const source = assembleComponent(echoing(types));
  const given = (more) => ({ 'echo-u32': (value) => value, 'echo-result': () => 0, ...more });

  test('may be asynchronous for load(), and not for loadSync()', async () => {
    const later = async (value) => {
      await new Promise((resolve) => setImmediate(resolve));
      return value + 1;
    };
    const instance = await load(source, {
      imports: given({ echoU32: later, 'echo-u32': undefined }),
    });
    assert.deepEqual(
      await Promise.all([1, 2, 3].map((value) => instance.exports.runU32(value))),
      [2, 3, 4],
    );
    await instance.close();
    const sync = loadSync(source, { imports: given({ 'echo-u32': later }) });
    assert.match(
      await messageOf(() => sync.exports.runU32(1)),
      /has returned a promise: with loadSync\(\)/,
    );
  });

  test('throw an error that the component gets, or end it', async () => {
    const error = new Error('mine');
    const throwing = (thrown) =>
      given({
        'echo-result': () => {
          throw thrown;
        },
      });
    for (const thrown of [
      new ComponentError('a'),
      Object.assign(new Error('b'), { payload: 'a' }),
      'a',
    ]) {
      await both(source, throwing(thrown), async ({ exports }) => {
        await assert.rejects(async () => exports.runResult({ tag: 'ok', val: 1 }), {
          payload: 'a',
        });
        assert.equal(await exports.runU32(4), 4, 'it lives on');
      });
    }
    await both(source, throwing(new DOMException('aborted', 'AbortError')), async ({ exports }) => {
      await assert.rejects(async () => exports.runResult({ tag: 'ok', val: 1 }), {
        name: 'AbortError',
      });
    });
    await both(source, throwing(error), async ({ exports }) => {
      await assert.rejects(
        async () => exports.runResult({ tag: 'ok', val: 1 }),
        (one) => one === error,
      );
      await assert.rejects(async () => exports.runU32(4), {
        code: 'ERR_INVALID_STATE',
        cause: error,
      });
    });
    await both(source, given({ 'echo-u32': () => 'x' }), async ({ exports }) => {
      assert.match(
        await messageOf(() => exports.runU32(1)),
        /^TypeError: echoU32\(the result\): expected u32/,
      );
    });
  });

  test('can not call the component that waits for them', async () => {
    let instance;
    const imports = given({ 'echo-u32': () => instance.exports.runU32(1) });
    instance = await load(source, { imports });
    await assert.rejects(instance.exports.runU32(1), { code: 'ERR_INVALID_STATE' });
    instance = loadSync(source, { imports });
    assert.throws(() => instance.exports.runU32(1), { code: 'ERR_INVALID_STATE' });
  });

  test('that are missing are named', async () => {
    const code = 'ERR_WASI_IMPORT';
    const message =
      'the program imports what WASI does not have: echoResult(); give it what it imports by options.imports; `wasi-rs types FILE` tells all of it';
    const imports = given({ 'echo-result': undefined });
    await assert.rejects(load(source, { imports }), { code, message });
    assert.throws(() => loadSync(source, { imports }), { code, message });
    await assert.rejects(load(source, {}), {
      code,
      message: /echoU32\(\), echoResult\(\)/,
    });
    await assert.rejects(load(source, { imports: { echos: imports } }), {
      code,
      message: /; it does not import 'echos', which is there; /,
    });
    await assert.rejects(load(assembleComponent(RESOURCES)), {
      code,
      message: /have: class Gauge, see\(\), offer\(\) and 1 more; /,
    });
  });

  test('may be in an object with `default`, as jco has them', async () => {
    await both(
      source,
      given({ 'echo-u32': { default: (value) => value * 2 } }),
      async ({ exports }) => {
        assert.equal(await exports.runU32(4), 8);
      },
    );
  });
});

describe('resources', () => {
  const source = assembleComponent(RESOURCES);

  /** A class of the embedder, and what became of its objects. */
  function gauges() {
    const seen = { ended: 0, made: 0 };
    class Gauge {
      constructor(start) {
        this.start = start;
        seen.made++;
      }

      read() {
        return this.start;
      }

      static count() {
        return seen.made;
      }

      [Symbol.dispose ?? Symbol.for('nodejs.dispose')]() {
        seen.ended++;
      }
    }
    const see = (gauge) => (gauge instanceof Gauge ? gauge.start * 10 : 0);
    return { Gauge, seen, imports: { Gauge, see, offer() {}, offerOr() {} } };
  }

  test('of the component are classes', async () => {
    await both(source, gauges().imports, async ({ exports }) => {
      const { Thing } = exports;
      const [one, other] = [new Thing(5), new Thing(7)];
      assert.equal(Thing.name, 'Thing');
      assert.deepEqual([await one.valueOfIt(), await other.valueOfIt()], [5, 7]);
      const { length } = one.valueOfIt;
      assert.deepEqual([length, Thing.merge.length, exports.measure.length], [0, 2, 1]);
      const merged = await Thing.merge(one, other);
      assert.ok(merged instanceof Thing);
      assert.deepEqual([await merged.valueOfIt(), await exports.ended()], [12, 5]);
      const gone =
        'TypeError: Thing.valueOfIt(this): this Thing has been dropped, given away, or was lent';
      assert.equal(await messageOf(() => one.valueOfIt()), gone);
      const dispose = Symbol.dispose ?? Symbol.for('nodejs.dispose');
      other[dispose]();
      other[dispose]();
      assert.equal(await exports.ended(), 12);
      assert.equal(await messageOf(() => other.valueOfIt()), gone);
      const foreign =
        /^TypeError: Thing\.merge\(one\): expected an instance of Thing of this component$/;
      assert.match(await messageOf(() => Thing.merge({}, merged)), foreign);
      assert.equal(await merged.valueOfIt(), 12);
      // What a call was refused with is not given away.
      assert.match(
        await messageOf(() => Thing.merge(merged, 5)),
        /^TypeError: Thing\.merge\(other\): /,
      );
      assert.match(
        await messageOf(() => Thing.merge(merged, merged)),
        /merge\(other\): this Thing has/,
      );
      assert.equal(await merged.valueOfIt(), 12);
      new Thing(3)[dispose]();
      await exports.ended();
      assert.equal(await exports.ended(), 15, 'one that is not there yet ends too');
    });
  });

  test('of the component end after the calls that were made before', async () => {
    const { exports } = await load(source, { imports: gauges().imports });
    const dispose = Symbol.dispose ?? Symbol.for('nodejs.dispose');
    const thing = new exports.Thing(6);
    const value = thing.valueOfIt();
    thing[dispose]();
    await assert.rejects(thing.valueOfIt(), /has been dropped/);
    assert.equal(await value, 6);
    await assert.rejects(thing.valueOfIt(), /has been dropped/);
    assert.equal(await exports.ended(), 6);
  });

  test('of the component may be in values when they are made', async () => {
    await both(assembleComponent(HOLDING), undefined, async ({ exports }) => {
      const { Thing, heaviest } = exports;
      assert.equal(await heaviest([{ thing: new Thing(3) }, { thing: new Thing(8) }]), 8);
      const [one, gone] = [new Thing(5), new Thing(6)];
      gone[Symbol.dispose ?? Symbol.for('nodejs.dispose')]();
      assert.match(
        await messageOf(() => heaviest([{ thing: one }, { thing: gone }])),
        /^TypeError: heaviest.*has been dropped/,
      );
      assert.equal(await heaviest([{ thing: one }]), 5);
      await assert.rejects(
        async () => heaviest([{ thing: one }, { thing: new Thing(-1) }]),
        /^TypeError: new Thing\(value\): expected u32/,
      );
      assert.equal(await heaviest([{ thing: one }]), 5);
    });
  });

  test('of the component end when nobody has their objects', async () => {
    const bytes = Buffer.from(source).toString('base64');
    const ended = await runCollecting(`
      const { load, loadSync } = await import('./index.js');
      class Gauge {
        read() {}
        static count() {}
      }
      const imports = { Gauge, see() {}, offer() {}, offerOr() {} };
      const told = [];
      for (const open of [load, loadSync]) {
        const { exports } = await open(Buffer.from('${bytes}', 'base64'), { imports });
        await (async () => {
          for (const value of [1, 10, 100]) await new exports.Thing(value).valueOfIt();
        })();
        let last = 0;
        for (let round = 0; round < 100 && last < 111; round++) {
          let isOver = false;
          await collect(() => isOver || !(isOver = true));
          last = await exports.ended();
        }
        told.push(last);
      }
      console.log(JSON.stringify(told));`);
    assert.deepEqual(ended, [111, 111]);
  });

  test('of the component may end while it waits for the embedder', async () => {
    const dispose = Symbol.dispose ?? Symbol.for('nodejs.dispose');
    let thing;
    const { imports } = gauges();
    const see = () => {
      thing[dispose]();
      return 0;
    };
    await both(source, { ...imports, see }, async ({ exports }) => {
      thing = new exports.Thing(3);
      assert.equal(await thing.valueOfIt(), 3);
      await exports.measure(1);
      assert.equal(await exports.ended(), 3);
    });
  });

  test('of one instance are none of another', async () => {
    await both(source, gauges().imports, async ({ exports }) => {
      const other = loadSync(source, { imports: gauges().imports });
      const foreign = new other.exports.Thing(1);
      assert.match(
        await messageOf(() => exports.Thing.merge(foreign, foreign)),
        /of this component/,
      );
    });
  });

  test('of the embedder are objects of its classes', async () => {
    const { Gauge, seen, imports } = gauges();
    await both(source, imports, async ({ exports }) => {
      seen.ended = seen.made = 0;
      assert.equal(await exports.measure(3), 3 + 30 + 1);
      assert.deepEqual(seen, { ended: 1, made: 1 });
      const gauge = new Gauge(9);
      assert.equal(await exports.same(gauge), gauge);
      assert.equal(await exports.look(gauge), 9);
      assert.equal(await exports.look(gauge), 9, 'it is lent only');
      assert.equal(seen.ended, 1);
      assert.match(
        await messageOf(() => exports.look({ start: 1 })),
        /expected an instance of Gauge of/,
      );
    });
  });
});

describe('a component', () => {
  const exiting = assembleComponent(`(component
    (import "wasi:cli/exit@0.2.0" (instance $exit (export "exit" (func (param "status" (result))))))
    (core func $exit (canon lower (func $exit "exit")))
    (core module $main (import "exit" "exit" (func $exit (param i32)))
      (func (export "run") (result i32) (call $exit (i32.const 1)) (i32.const 0))
      (func (export "spin") (loop (br 0)))
      (func (export "trap") unreachable))
    (core instance $main (instantiate $main (with "exit" (instance (export "exit" (func $exit))))))
    (func $run (result (result)) (canon lift (core func $main "run")))
    (instance $command (export "run" (func $run)))
    (export "wasi:cli/run@0.2.0" (instance $command))
    (func $spin (canon lift (core func $main "spin")))
    (export "spin" (func $spin))
    (func $trap (canon lift (core func $main "trap")))
    (export "trap" (func $trap)))`);

  test('is run as a command', async () => {
    assert.equal((await run(exiting, { cache: false })).exitCode, 1);
    const program = await compile(exiting, { cache: false });
    assert.deepEqual([program.kind, program.version, program.missing], ['command', '0.2', []]);
    assert.deepEqual(program.imports, [
      { module: '', name: 'wasi:cli/exit@0.2.0', kind: 'interface' },
    ]);
    const copy = await deserialize(await program.serialize());
    assert.equal((await copy.run()).exitCode, 1);
  });

  test('that is no command, or for V8, is refused', async () => {
    const code = 'ERR_WASI_PROGRAM';
    const message =
      'the program is a component that is no command, since it exports no wasi:cli/run: load() gives its exports';
    await assert.rejects(run(EMPTY_COMPONENT, { cache: false }), { code, message });
    await assert.rejects(run(exiting, { cache: false, engine: 'v8' }), {
      code,
      message: 'the program is a component, which V8 does not run; wasmtime does',
    });
    assert.equal((await compile(EMPTY_COMPONENT, { cache: false })).kind, 'component');
  });

  test('ends by a trap, a timeout, its fuel, or an exit', async () => {
    const ended = async (options, act) => {
      const codes = [];
      for (const open of [load, loadSync]) {
        const { exports } = await open(exiting, options);
        await assert.rejects(
          async () => act(exports),
          (error) => codes.push(error.code) > 0,
        );
        await assert.rejects(async () => exports.trap(), { code: 'ERR_INVALID_STATE' });
      }
      return codes;
    };
    const twice = (code) => [code, code];
    assert.deepEqual(await ended({}, ({ trap }) => trap()), twice('ERR_WASI_TRAP'));
    assert.deepEqual(await ended({ timeout: 50 }, ({ spin }) => spin()), twice('ERR_WASI_TIMEOUT'));
    assert.deepEqual(
      await ended({ limits: { fuel: 10_000 } }, ({ spin }) => spin()),
      twice('ERR_WASI_FUEL'),
    );
    const exit = (exports) => exports['wasi:cli/run'].run();
    assert.deepEqual(await ended({}, exit), twice('ERR_WASI_EXIT'));
  });

  test('gives its interfaces under three names', async () => {
    await both(exiting, undefined, async ({ exports, memory }) => {
      const command = exports['wasi:cli/run@0.2.0'];
      assert.equal(exports['wasi:cli/run'], command);
      assert.equal(exports.run, command);
      assert.ok(Object.isFrozen(exports) && Object.isFrozen(command));
      assert.equal(memory, null);
    });
  });

  test('with a shared memory, or too much in it, is refused', async () => {
    const refusal = (text, message) =>
      assert.rejects(compile(assembleComponent(text), { cache: false }), {
        code: 'ERR_WASI_PROGRAM',
        message,
      });
    await refusal('(component (core module (memory 1 1 shared)))', /a module with a shared memory/);
    let nested = '';
    for (let depth = 0; depth < 30; depth++) {
      nested = `(component ${nested} ${nested && '(instance (instantiate 0)) (instance (instantiate 0))'})`;
    }
    await refusal(nested, /is too hard to compile: it has \d+ instances, types and functions/);
  });
});

describe('loadSync()', () => {
  test('refuses what needs the event loop', () => {
    const code = 'ERR_INVALID_ARG_VALUE';
    const message = /needs the event loop, which loadSync\(\) does not run/;
    for (const options of [
      { stdout: () => {} },
      { stderr: process.stderr },
      { signal: new AbortController().signal },
    ]) {
      assert.throws(() => loadSync(bytes, options), { code, message });
    }
    assert.throws(() => loadSync(bytes, { limits: { stack: 2 ** 21 } }), {
      code,
      message: /use load\(\)/,
    });
    assert.throws(() => loadSync('nowhere.wasm'), { code: 'ENOENT' });
    assert.throws(() => loadSync(5), { code: 'ERR_INVALID_ARG_TYPE' });
  });
});

test('calls that wait for each other have the parameters and results of their own', async () => {
  const { imports } = echoes();
  const slow = async (value) => {
    await new Promise((resolve) => setImmediate(resolve));
    return value;
  };
  for (const given of [imports, { ...imports, 'echo-string': slow, 'echo-u32': slow }]) {
    const instance = await load(bytes, { imports: given });
    const { runString, runU32 } = instance.exports;
    const numbers = [1, 2, 3, 4, 5, 6, 7, 8];
    const texts = numbers.map((number) => `${number}`.repeat(number * 1000));
    const pairs = numbers.map((number, i) => Promise.all([runU32(number), runString(texts[i])]));
    const expected = numbers.map((number, i) => [number, texts[i]]);
    assert.deepEqual(await Promise.all(pairs), expected);
    await instance.close();
  }
});

test('a list is asked for its length once', async () => {
  const { imports } = echoes();
  await both(bytes, imports, async ({ exports }) => {
    let asked = 0;
    const growing = new Proxy([1, 2, 3], {
      get: (target, name) => (name === 'length' ? 3 + asked++ : Reflect.get(target, name)),
    });
    assert.deepEqual(await exports.runWords(growing), new Uint16Array([1, 2, 3]));
    class Odd extends Uint16Array {
      get length() {
        return 100;
      }
    }
    assert.deepEqual(await exports.runWords(new Odd([4, 5])), new Uint16Array([4, 5]));
    const named = { [Symbol.toStringTag]: 'Uint16Array', buffer: {}, length: 2 };
    assert.match(
      await messageOf(() => exports.runWords(named)),
      /runWords\(v\): expected Uint16Array or/,
    );
    assert.deepEqual(await exports.runWords([6]), new Uint16Array([6]));
  });
});

test('names that are the same in JavaScript are refused, and two are changed', async () => {
  const core = `(core module $m (func (export "f") (result i32) (i32.const 42)) (func (export "p") (param i32) (result i32) (local.get 0)))
    (core instance $i (instantiate $m))`;
  const lifted = (name) => `(func (export "${name}") (result u32) (canon lift (core func $i "f")))`;
  const clash = assembleComponent(`(component ${core} ${lifted('a1')} ${lifted('a-1')})`);
  const message = 'the program has the names a1 and a-1, which JavaScript has as a1, both';
  await assert.rejects(load(clash), { code: 'ERR_WASI_PROGRAM', message });
  assert.throws(() => loadSync(clash), { code: 'ERR_WASI_PROGRAM', message });
  const flags =
    assembleComponent(`(component ${core} (type $f (flags "a1" "a-1")) (export $e "f" (type $f))
    (func (export "same") (param "f" $e) (result $e) (canon lift (core func $i "p"))))`);
  await assert.rejects(load(flags), { code: 'ERR_WASI_PROGRAM', message });
  const thing = assembleComponent(`(component ${core}
    (type $is (resource (rep i32))) (export $thing "thing" (type $is))
    (core func $new (canon resource.new $is))
    (func (export "[constructor]thing") (param "rep" u32) (result (own $thing)) (canon lift (core func $new)))
    (func (export "[method]thing.then") (param "self" (borrow $thing)) (result u32) (canon lift (core func $i "p")))
    (func (export "[static]thing.prototype") (result u32) (canon lift (core func $i "f")))
    (func (export "make") (param "rep" u32) (result (own $thing)) (canon lift (core func $new))))`);
  const { exports } = await load(thing);
  const made = await exports.make(7);
  assert.deepEqual([await made.then_(), await exports.Thing.prototype_()], [7, 42]);
  const sync = loadSync(thing).exports;
  assert.deepEqual([sync.make(8).then(), sync.Thing.prototype_()], [8, 42]);
});

test('run() gives a component its imports, from a file too', async (t) => {
  const source = assembleComponent(`(component
    (import "answer" (func $answer (param "n" u32) (result u32)))
    (import "wasi:cli/exit@0.2.0" (instance $exit (export "exit-with-code" (func (param "status-code" u8)))))
    (core func $answer (canon lower (func $answer)))
    (core func $exit (canon lower (func $exit "exit-with-code")))
    (core module $main
      (import "host" "answer" (func $answer (param i32) (result i32)))
      (import "host" "exit" (func $exit (param i32)))
      (func (export "run") (result i32) (call $exit (call $answer (i32.const 40))) (i32.const 0)))
    (core instance $main (instantiate $main
      (with "host" (instance (export "answer" (func $answer)) (export "exit" (func $exit))))))
    (func $run (result (result)) (canon lift (core func $main "run")))
    (instance $command (export "run" (func $run)))
    (export "wasi:cli/run@0.2.3" (instance $command)))`);
  const file = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'wasi-rs-')), 'a.wasm');
  t.after(() => fs.rmSync(path.dirname(file), { recursive: true }));
  fs.writeFileSync(file, source);
  for (const program of [source, file]) {
    const imports = { answer: async (n) => n + 2 };
    assert.equal((await run(program, { imports, cache: false })).exitCode, 42);
    const child = spawn(program, { imports: () => imports, cache: false });
    assert.equal((await child.result).exitCode, 42);
    const missing = { code: 'ERR_WASI_IMPORT', message: /answer(?:\(\)| \(function\))/ };
    await assert.rejects(run(program, { imports: {}, cache: false }), missing);
    await assert.rejects(run(program, { cache: false }), missing);
    const error = new Error('mine');
    const throwing = {
      answer: () => {
        throw error;
      },
    };
    await assert.rejects(run(program, { imports: throwing, cache: false }), {
      code: 'ERR_WASI_HOST',
      cause: error,
    });
  }
});

test('flags in a list count what they take of the host', async () => {
  // A million of them were two gigabytes, of four megabytes of the guest.
  const names = [...Array(32).keys()].map((i) => `"f${i.toString(36)}"`).join(' ');
  const listing = (length) =>
    assembleComponent(`(component
      (type $flags-is (flags ${names}))
      (core module $main (memory (export "memory") 62)
        (func (export "all") (result i32)
          (memory.fill (i32.const 16) (i32.const 255) (i32.const ${4 * length}))
          (i32.store (i32.const 0) (i32.const 16))
          (i32.store (i32.const 4) (i32.const ${length}))
          (i32.const 0)))
      (core instance $main (instantiate $main))
      (export $flags "flags" (type $flags-is))
      (func $all (result (list $flags)) (canon lift (core func $main "all") (memory (core memory $main "memory"))))
      (export "all" (func $all)))`);
  await both(listing(1000), undefined, async ({ exports }) => {
    const all = await exports.all();
    assert.equal(all.length, 1000);
    assert.equal(Object.values(all[999]).filter(Boolean).length, 32);
  });
  await both(listing(1_000_000), undefined, async ({ exports }) => {
    await assert.rejects(async () => exports.all(), /too much data is being copied/);
  });
});

test('more resources than can be described are refused', async () => {
  const resources = [...Array(10_001).keys()].map((i) => `(export "r${i}" (type (sub resource)))`);
  const source = assembleComponent(
    `(component (import "my:pkg/many" (instance ${resources.join('')})))`,
  );
  const refusal = /more functions, resources and types than can be described: 10000 is the most/;
  await assert.rejects(load(source, { cache: false }), refusal);
});

test('results outside of its memory, or that are none, end a component', async () => {
  const pair = (start, length) =>
    `(i32.store (i32.const 8) (i32.const ${start})) (i32.store (i32.const 12) (i32.const ${length}))`;
  const answer = (body, type, returned = '(i32.const 8)') =>
    assembleComponent(`(component
      (core module $main (memory (export "memory") 1) (data (i32.const 64) "\\ff\\fe")
        (func (export "run") (result i32) ${body} ${returned}))
      (core instance $main (instantiate $main))
      (func $run (result ${type}) (canon lift (core func $main "run") (memory (core memory $main "memory"))))
      (export "run" (func $run)))`);
  for (const [what, source] of Object.entries({
    'a list beyond the end': answer(pair(65535, 2), '(list u8)'),
    'a list of 4 GiB': answer(pair(0, -1), '(list u8)'),
    'a list whose length in bytes wraps': answer(pair(0, 0x40000001), '(list u32)'),
    'a list that is not aligned': answer(pair(1, 1), '(list u32)'),
    'a string beyond the end': answer(pair(65535, 2), 'string'),
    'a string that is no UTF-8': answer(pair(64, 2), 'string'),
    'a result area beyond the end': answer('', 'string', '(i32.const 65532)'),
    'a result area that is not aligned': answer('', 'string', '(i32.const 9)'),
    'a case that there is not': answer(
      '(i32.store (i32.const 8) (i32.const 2))',
      '(result string)',
    ),
    'a char that there is not': answer('', 'char', '(i32.const 0xd800)'),
  })) {
    for (const open of [load, loadSync]) {
      const { exports } = await open(source);
      await assert.rejects(async () => exports.run(), { code: 'ERR_WASI_TRAP' }, what);
      await assert.rejects(async () => exports.run(), { code: 'ERR_INVALID_STATE' }, what);
    }
  }
});
