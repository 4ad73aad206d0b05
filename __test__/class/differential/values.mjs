// What the inputs are made of.

import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import vm from 'node:vm';
import { wat } from '../../support/wat.mjs';

/** A value of every type: a new one for each class. */
export const VALUES = {
  undefined: () => undefined,
  null: () => null,
  true: () => true,
  false: () => false,
  0: () => 0,
  '-0': () => -0,
  1: () => 1,
  2: () => 2,
  NaN: () => NaN,
  1.5: () => 1.5,
  '-1': () => -1,
  '-1.5': () => -1.5,
  Infinity: () => Infinity,
  '-Infinity': () => -Infinity,
  1e21: () => 1e21,
  '-1e21': () => -1e21,
  1e-7: () => 1e-7,
  '2**31-1': () => 2 ** 31 - 1,
  '2**31': () => 2 ** 31,
  '-(2**31)': () => -(2 ** 31),
  '2**32': () => 2 ** 32,
  '2**32+1': () => 2 ** 32 + 1,
  '2**33': () => 2 ** 33,
  '-(2**33)': () => -(2 ** 33),
  '2**53': () => 2 ** 53,
  123456789012.5: () => 123456789012.5,
  MAX_VALUE: () => Number.MAX_VALUE,
  MIN_VALUE: () => Number.MIN_VALUE,
  "''": () => '',
  "'text'": () => 'text',
  "'0'": () => '0',
  "'it is 28 characters, exactly'": () => 'it is 28 characters, exactly',
  "'it is 29 characters, not more'": () => 'it is 29 characters, not more',
  'a quote': () => "it's",
  'both quotes': () => `'"`,
  'all quotes': () => '\'"`',
  'quotes and dollar': () => `'"\${}`,
  'a quote past the cut': () => `${'x'.repeat(27)}'`,
  'a quote before the cut': () => `'${'x'.repeat(40)}`,
  'control characters': () => '\0\x01\x07\b\t\n\v\f\r\x1b\x7f\x9f',
  'control characters and a quote': () => "'\0\x01\x07\b\t\n\v\f\r\x1b\x7f\x9f",
  'line separators': () => "\u2028\u2029 '",
  'a backslash': () => 'a\\b',
  'a backslash and a quote': () => "a\\'b",
  newlines: () => 'first line\nsecond line\r\n',
  'many newlines': () => 'line\n'.repeat(60),
  'a long string': () => 'long '.repeat(100),
  'a very long string': () => 'x'.repeat(20000),
  '127 characters': () => 'x'.repeat(127),
  'emoji across the cut': () => '🐎'.repeat(20),
  'emoji across the other cut': () => `x${'🐎'.repeat(20)}`,
  'a lone surrogate': () => 'a\ud800b',
  'a lone surrogate and a quote': () => "a\udc00'b",
  'a flag and joiners': () => '🇨🇿👩‍👩‍👧',
  '7n': () => 7n,
  '-0n': () => -0n,
  '2n**100n': () => 2n ** 100n,
  '-(2n**100n)': () => -(2n ** 100n),
  "Symbol('s')": () => Symbol('s'),
  'Symbol()': () => Symbol(),
  "Symbol('')": () => Symbol(''),
  'Symbol.iterator': () => Symbol.iterator,
  "Symbol('two\\nlines')": () => Symbol('two\nlines'),
  'a named function': () => function named() {},
  'an anonymous function': () => (() => () => {})(),
  'a function named by a symbol': () => ({ [Symbol('key')]() {} })[Symbol('key')] ?? (() => {}),
  'a function without a name': () => {
    const f = () => {};
    delete f.name;
    return f;
  },
  'a function whose name is a number': () => Object.defineProperty(() => {}, 'name', { value: 12 }),
  'a function whose name is an object': () =>
    Object.defineProperty(() => {}, 'name', { value: { toString: () => 'an object' } }),
  'a function whose name is a symbol': () =>
    Object.defineProperty(() => {}, 'name', { value: Symbol('x') }),
  'a function whose name throws': () =>
    Object.defineProperty(() => {}, 'name', {
      get() {
        throw new Error('no name');
      },
    }),
  'an async function': () => async function later() {},
  'a generator': () => function* gives() {},
  'an arrow': () => (a) => a,
  'a bound function': () => function original() {}.bind(null),
  'a built-in function': () => Math.max,
  'a class': () => class Foo {},
  'an anonymous class': () => (() => class {})(),
  'a class with a static name': () =>
    class Bar {
      static name = 'not Bar';
    },
  '[]': () => [],
  "['a', 1]": () => ['a', 1],
  '[undefined, null]': () => [undefined, null],
  'a sparse array': () => [1, , 3], // eslint-disable-line no-sparse-arrays
  'an array with a symbol': () => ['a', Symbol('s')],
  'an array with a nested array': () => [['a', ['b']], {}],
  'an array with an object that throws': () => [
    {
      toString() {
        throw new Error('no string');
      },
    },
  ],
  'an array with an object without a prototype': () => [Object.create(null)],
  'an array with a NUL inside': () => ['a\0b'],
  'an array with a lone surrogate': () => ['\ud800'],
  'an array of an own class': () => new (class List extends Array {})(),
  'an array with a hostile map': () => Object.assign([1], { map: () => ['hostile'] }),
  'an array with a throwing getter': () =>
    Object.defineProperty(['a'], 0, {
      get() {
        throw new Error('no element');
      },
    }),
  'a frozen array': () => Object.freeze(['a']),
  'a Proxy of an array': () => new Proxy(['a', 'b'], {}),
  'a Proxy of an array of another species': () =>
    new Proxy(['a'], {
      get: (target, key) => (key === 'constructor' ? { [Symbol.species]: Array } : target[key]),
    }),
  'an array of a species that throws': () => {
    const array = ['a'];
    array.constructor = {
      get [Symbol.species]() {
        throw new Error('no species');
      },
    };
    return array;
  },
  'an array of a species that is odd': () => {
    const array = ['a'];
    array.constructor = {
      [Symbol.species]: function Odd() {
        return { odd: true };
      },
    };
    return array;
  },
  'an array of another realm': () => vm.runInNewContext("['a']"),
  '{}': () => ({}),
  '{ a: 1 }': () => ({ a: 1 }),
  'an object without a prototype': () => Object.create(null),
  'an object without a prototype, with a property': () =>
    Object.assign(Object.create(null), { a: '1' }),
  'an object of another realm': () => vm.runInNewContext("({ a: '1' })"),
  'an object of an own class': () => new (class Foo {})(),
  'an object of an anonymous class': () => new (class {})(),
  'an object whose constructor is null': () => ({ constructor: null }),
  'an object whose constructor is undefined': () => ({ constructor: undefined }),
  'an object whose constructor is a number': () => ({ constructor: 5 }),
  'an object whose constructor is a string': () => ({ constructor: 'text' }),
  'an object whose constructor is false': () => ({ constructor: false }),
  'an object whose constructor is a symbol': () => ({ constructor: Symbol('x') }),
  'an object whose constructor has no name': () => ({ constructor: {} }),
  'an object whose constructor has a numeric name': () => ({ constructor: { name: 5 } }),
  'an object whose constructor has an empty name': () => ({ constructor: { name: '' } }),
  'an object whose constructor has an odd name': () => ({ constructor: { name: "it's\n'" } }),
  'an object whose constructor throws': () => ({
    get constructor() {
      throw new Error('no constructor');
    },
  }),
  'an object whose constructor has a name that throws': () => ({
    constructor: {
      get name() {
        throw new Error('no name');
      },
    },
  }),
  'an object with throwing toString and valueOf': () => ({
    toString() {
      throw new Error('no string');
    },
    valueOf() {
      throw new Error('no value');
    },
  }),
  'an object with toString': () => ({ toString: () => 'preview1', valueOf: () => 1 }),
  'an object with toPrimitive': () => ({ [Symbol.toPrimitive]: () => 'preview1' }),
  'an object with an odd toStringTag': () => ({ [Symbol.toStringTag]: 'Array' }),
  'an object with custom inspect': () => ({
    __proto__: null,
    [inspect.custom]: () => 'custom inspected',
  }),
  'an object with a throwing getter': () => ({
    get a() {
      throw new Error('no a');
    },
  }),
  'an object with a throwing primitive getter': () => ({
    get a() {
      throw 'a primitive';
    },
  }),
  'an object with symbol keys': () => ({ [Symbol('a')]: 1 }),
  'an object with inherited keys': () => Object.create({ a: '1' }),
  'an object with hidden keys': () => Object.defineProperty({}, 'a', { value: '1' }),
  'an object with integer keys': () => ({ 2: '/', 1: '/', x: '/' }),
  'a Proxy of an object': () => new Proxy({ a: '/' }, {}),
  'a Proxy of a function': () => new Proxy(function named() {}, {}),
  'a Proxy whose traps throw': () =>
    new Proxy(
      {},
      {
        ownKeys() {
          throw new Error('no keys');
        },
        get() {
          throw new Error('no value');
        },
      },
    ),
  'a revoked Proxy': () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    return proxy;
  },
  'a revoked Proxy of an array': () => {
    const { proxy, revoke } = Proxy.revocable([], {});
    revoke();
    return proxy;
  },
  'a Date': () => new Date(0),
  'a RegExp': () => /a+/g,
  'a Map': () => new Map([['a', 'b']]),
  'a Set': () => new Set(['a']),
  'a WeakMap': () => new WeakMap(),
  'a Promise': () => Promise.resolve(1),
  'an Error': () => new TypeError('text'),
  'a boxed string': () => new String('preview1'),
  'a boxed number': () => new Number(1),
  'a boxed boolean': () => new Boolean(true),
  'a boxed symbol': () => Object(Symbol('x')),
  'a boxed bigint': () => Object(1n),
  'a Uint8Array': () => new Uint8Array(2),
  'a Buffer': () => Buffer.from('ab'),
  'an ArrayBuffer': () => new ArrayBuffer(2),
  'a SharedArrayBuffer': () => new SharedArrayBuffer(2),
  'a DataView': () => new DataView(new ArrayBuffer(2)),
  arguments: () =>
    (function () {
      return arguments;
    })('a', 'b'),
  globalThis: () => globalThis,
  'a module namespace': () => assert,
  'an iterator': () => [1][Symbol.iterator](),
  'a WebAssembly.Memory': () => new WebAssembly.Memory({ initial: 1 }),
  'a WebAssembly.Module': () => empty,
  'a WebAssembly.Instance': () => new WebAssembly.Instance(empty),
  Intl: () => Intl,
  Math: () => Math,
  JSON: () => JSON,
};
const empty = wat('(module)');

export const OPTIONS = [
  'version',
  'args',
  'env',
  'preopens',
  'stdin',
  'stdout',
  'stderr',
  'returnOnExit',
];
