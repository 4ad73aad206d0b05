// The reference is the running Node: node:wasi and wasi-rs get the same inputs, and must do the same with them.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';
import vm from 'node:vm';
import { WASI as Ours } from '../../compat.js'; // index.js differs in taking more for stdin, stdout and stderr
import { Guest } from '../support/guest.mjs';
import { wat } from '../support/wat.mjs';

process.removeAllListeners('warning'); // node:wasi's ExperimentalWarning
const { WASI: Theirs } = createRequire(import.meta.url)('node:wasi');

/** Before finalizeBindings() came, start() and initialize() set kStarted first; wasi-rs does as the newest Node. */
const hasFinalizeBindings = 'finalizeBindings' in Theirs.prototype;

/** Before, Node looked with `in` into whatever was an object's constructor. */
const wordsAsTheNewest =
  outcome(Theirs, (Class) => new Class({ version: { constructor: 5 } })).code !== undefined;

/**
 * Where wasi-rs differs on purpose: why, how both outcomes look then, and whether this Node still differs. An entry
 * that no input needs fails the tests.
 */
const ON_PURPOSE = [
  {
    why: 'the message of what could not be opened says what it was',
    applies: (ours, theirs) =>
      String(theirs.code).startsWith('UVWASI_') &&
      ours.code === theirs.code &&
      ours.name === theirs.name &&
      theirs.message === `${theirs.code}, uvwasi_init` &&
      ours.message.startsWith(`${theirs.message}: `),
  },
  {
    why: "a NUL in a host's path is refused, where node:wasi opens what stands before it",
    applies: (ours, theirs, name) =>
      name.startsWith('preopens with') &&
      theirs.code === 'UVWASI_ENOENT' &&
      ours.code === 'UVWASI_EINVAL' &&
      ours.message.includes('\0'),
  },
  {
    why: 'to ask for no args succeeds, where uvwasi answers EINVAL',
    applies: (ours, theirs, name) =>
      name === "the guest's args: none" &&
      ours.returned.replace('[ 0, 0 ]', '[ 0, 28 ]') === theirs.returned,
  },
  {
    why: "the engine's own TypeErrors, for what is no object of the class and for Proxies, have other words",
    applies: (ours, theirs) =>
      [ours, theirs].every(({ name, code }) => name === 'TypeError' && code === undefined) &&
      inspect(ours.log) === inspect(theirs.log),
  },
  {
    why: "the class and its methods are Node-API's functions: ordinary ones, not in strict mode",
    applies: (ours, theirs, name) =>
      name.endsWith(': called with new') ||
      (name.endsWith(': own keys') &&
        ours.returned.replace(/ ?'(arguments|caller|prototype)',?/g, '').replace(', ]', ' ]') ===
          theirs.returned.replace(/ ?'prototype',?/, '').replace(', ]', ' ]')),
  },
  {
    why: 'no function of Node-API can tell globalThis from no this at all',
    applies: (ours, theirs, name) => name === 'getImportObject on globalThis',
  },
  {
    why: 'the functions are exports of WebAssembly, whose names are numbers',
    applies: (ours, theirs, name) => name === 'the functions: the names they have themselves',
  },
  {
    why: 'structuredClone names what it met first',
    applies: (ours, theirs, name) =>
      name === 'an object: structuredClone' &&
      ours.name === 'DataCloneError' &&
      ours.name === theirs.name,
  },
  {
    why: 'from JavaScript too, proc_exit takes an i32, as WebAssembly converts it',
    applies: (ours, theirs, name) =>
      /^proc_exit\((2147483648|4294967295|1\.9|'7'|undefined|true)\) from JavaScript/.test(name) &&
      Number.isInteger(Number(ours.returned)),
  },
  {
    why: 'odd constructors are worded as the newest Node does',
    since: wordsAsTheNewest,
    applies: (ours, theirs, name) =>
      /constructor is|constructor has|anonymous class/.test(name) &&
      theirs.name === 'TypeError' &&
      ours.code === 'ERR_INVALID_ARG_TYPE',
  },
];
const needed = new Set();

/** Inputs on which node:wasi aborts the process: an assertion in its C++ fails. Ours must merely come back. */
const KILLS_NODE = new Set(['args: a sparse array', 'args: an array of a species that is odd']);

let compared = 0;

/** A description of a value that both classes' outcomes can be compared by. */
function describeValue(value) {
  if (value instanceof Ours || value instanceof Theirs) return 'a WASI object';
  return inspect(value, { depth: 3 });
}

/**
 * What comes of an input. @param {typeof Ours} Class @param {(Class: typeof Ours, log: unknown[]) => unknown} input
 */
function outcome(Class, input) {
  const log = [];
  try {
    return { returned: describeValue(input(Class, log)), log };
  } catch (thrown) {
    if (!(thrown instanceof Error)) return { thrown: describeValue(thrown), log };
    const { name, code, message } = thrown;
    return {
      ...{ name, code, message, log },
      class: thrown.constructor.name,
      keys: Object.keys(thrown).filter((key) => !['errno', 'syscall'].includes(key)),
    };
  }
}

/** Compares one input; what differs, unless it is meant to. */
function difference(name, input) {
  const ours = outcome(Ours, input);
  if (KILLS_NODE.has(name)) return undefined;
  compared += 1;
  const theirs = outcome(Theirs, input);
  if (inspect(ours, { depth: 9 }) === inspect(theirs, { depth: 9 })) return undefined;
  const purpose = ON_PURPOSE.find(({ applies }) => applies(ours, theirs, name));
  if (purpose) {
    needed.add(purpose);
    return undefined;
  }
  const shown = (all) => {
    const differing = Object.entries(all).filter(
      ([key, value]) =>
        inspect(value, { depth: 9 }) !== inspect(own[all === ours ? 1 : 0][key], { depth: 9 }),
    );
    return inspect(Object.fromEntries(differing), {
      depth: 9,
      breakLength: Infinity,
      maxArrayLength: 200,
    });
  };
  const own = [ours, theirs];
  return `${name}\n    ours:   ${shown(ours)}\n    theirs: ${shown(theirs)}`;
}

/** One test of many inputs: all differences are listed. @param {Iterable<[string, Function]>} inputs */
function sameOutcomes(name, inputs) {
  test(name, () => {
    const differences = [...inputs].flatMap((input) => difference(...input) ?? []);
    assert.equal(differences.length, 0, differences.join('\n'));
  });
}

/** A value of every type: a new one for each class. */
const VALUES = {
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

const OPTIONS = ['version', 'args', 'env', 'preopens', 'stdin', 'stdout', 'stderr', 'returnOnExit'];

describe('the constructor', () => {
  sameOutcomes(
    'options of every type',
    Object.entries(VALUES).map(([type, make]) => [
      `new WASI(${type})`,
      (Class) => new Class(make()),
    ]),
  );

  for (const option of OPTIONS) {
    sameOutcomes(
      `${option} of every type`,
      Object.entries(VALUES).map(([type, make]) => [
        `${option}: ${type}`,
        (Class) => new Class({ version: 'preview1', [option]: make() }),
      ]),
    );
  }

  for (const option of ['args', 'env', 'preopens']) {
    sameOutcomes(
      `${option} with an element of every type`,
      Object.entries(VALUES).map(([type, make]) => [
        `${option} with ${type}`,
        (Class) =>
          new Class({
            version: 'preview1',
            [option]: option === 'args' ? [make()] : { a: make() },
          }),
      ]),
    );
  }

  sameOutcomes(
    'two wrong options: which is found first',
    OPTIONS.flatMap((one, index) =>
      OPTIONS.slice(index + 1).map((other) => [
        `wrong ${one} and ${other}`,
        (Class) =>
          new Class({ version: 'preview1', [one]: Symbol('one'), [other]: Symbol('other') }),
      ]),
    ),
  );

  sameOutcomes(
    'a wrong option and a preopen that is missing',
    OPTIONS.filter((option) => option !== 'preopens').map((option) => [
      `wrong ${option} and a missing folder`,
      (Class) => new Class({ version: 'preview1', preopens: { '/': '/no/such' }, [option]: null }),
    ]),
  );

  sameOutcomes('how it is called', [
    ['without new', (Class) => Class({ version: 'preview1' })],
    ['without new and options', (Class) => Class()],
    ['called on an object', (Class) => Class.call(new Class({ version: 'preview1' }), {})],
    ['without options', (Class) => new Class()],
    ['Reflect.construct', (Class) => Reflect.construct(Class, [{ version: 'preview1' }])],
    [
      'Reflect.construct for another class',
      (Class) => {
        class Other {}
        const made = Reflect.construct(Class, [{ version: 'preview1' }], Other);
        return [made instanceof Other, Object.keys(made)];
      },
    ],
    [
      'Reflect.construct for a class whose prototype is no object',
      (Class) => {
        function Other() {}
        Other.prototype = null;
        const made = Reflect.construct(Class, [{ version: 'preview1' }], Other);
        return Object.getPrototypeOf(made) === Object.prototype;
      },
    ],
    [
      'a subclass without options',
      (Class) => {
        class Sub extends Class {}
        return new Sub();
      },
    ],
    [
      'a subclass with a field',
      (Class) => {
        class Sub extends Class {
          field = Object.keys(this);
        }
        return new Sub({ version: 'preview1' }).field;
      },
    ],
    ['more arguments', (Class) => new Class({ version: 'preview1' }, 1, 2)],
  ]);
});

describe('what the guest sees', () => {
  const strings = Object.entries(VALUES).filter(([, make]) => typeof make() === 'string');
  const hasNul = ([, make]) => make().includes('\0');
  const numbers = ['-0', 'NaN', '1.5', '2**53', '7n', 'null', 'true', "['a', 1]", 'a Date'];
  const values = [
    ...strings.filter((value) => !hasNul(value)),
    ...numbers.map((name) => [name, VALUES[name]]),
  ];

  /** What a pair of calls hands over: the answers, how many, the addresses and the bytes. */
  const handedOver = (Class, options, sizes, get) => {
    const guest = new Guest(options, { Class, memory: '2' });
    const errnos = [guest.call(sizes, 0, 4), guest.call(get, 64, 1024)];
    const [count, length] = [guest.u32(0), guest.u32(4)];
    const addresses = Array.from({ length: count }, (_, index) => guest.u32(64 + 4 * index));
    return { errnos, addresses, bytes: guest.bytes(1024, length).toString('latin1') };
  };
  const args = ([type, make]) => [
    `the guest's args: ${type}`,
    (Class) => handedOver(Class, { args: [make()].flat() }, 'args_sizes_get', 'args_get'),
  ];
  const env = ([type, make]) =>
    [{ A: make() }, { [make()]: '1' }, { B: '2', [make()]: make(), A: undefined }].map(
      (variables, index) => [
        `the guest's env: ${type}, form ${index}`,
        (Class) => handedOver(Class, { env: variables }, 'environ_sizes_get', 'environ_get'),
      ],
    );
  const preopens = ([type, make]) => [
    `the guest's preopen: ${type}`,
    (Class) => {
      const guest = new Guest({ preopens: { [make()]: '/', last: '/' } }, { Class, memory: '2' });
      return [3, 4, 5].map((fd) => {
        if (guest.call('fd_prestat_get', fd, 0) !== 0) return 'none';
        const length = guest.u32(4);
        const errno = guest.call('fd_prestat_dir_name', fd, 64, length);
        return [errno, guest.bytes(64, length).toString('latin1')];
      });
    },
  ];

  sameOutcomes('of args', [...values, ['several', () => ['a', '', 'b']]].map(args));
  sameOutcomes('of no args', [args(['none', () => []])]);
  sameOutcomes('of env', values.flatMap(env));
  sameOutcomes('of the names of preopens', values.map(preopens));
  sameOutcomes(
    'of strings with a NUL inside',
    strings.filter(hasNul).flatMap((value) => [args(value), ...env(value), preopens(value)]),
  );
});

describe('property reads', () => {
  /** A Proxy that logs everything done to it, and to the objects that it gives, under a path. */
  function logging(target, log, path = 'options') {
    const handler = {};
    for (const trap of Reflect.ownKeys(Reflect).filter((key) => typeof key === 'string')) {
      handler[trap] = (...args) => {
        log.push([trap, path, ...args.slice(1, 2).map(String)]);
        const found = Reflect[trap](...args);
        const wraps = trap === 'get' && typeof found === 'object' && found !== null;
        return wraps ? logging(found, log, `${path}.${String(args[1])}`) : found;
      };
    }
    return new Proxy(target, handler);
  }

  const full = {
    version: 'preview1',
    args: ['a', 'b'],
    env: { A: '1', B: undefined },
    preopens: { '/': '/', '/x': '/' },
    stdin: 0,
    stdout: 1,
    stderr: 2,
    returnOnExit: true,
  };

  const variants = {
    'all options': full,
    'no option': {},
    'version alone': { version: 'unstable' },
    'a wrong version': { version: 'preview9' },
    'empty ones': { ...full, args: [], env: {}, preopens: {} },
    'inherited ones': Object.create(full),
    'args null': { ...full, args: null },
    'args 0': { ...full, args: 0 },
    'args false': { ...full, args: false },
    'all undefined': Object.fromEntries(
      OPTIONS.map((option) => [option, option === 'version' ? 'preview1' : undefined]),
    ),
    ...Object.fromEntries(
      OPTIONS.map((option) => [`a wrong ${option}`, { ...full, [option]: 1.5 }]),
    ),
    ...Object.fromEntries(
      OPTIONS.map((option) => [`a null ${option}`, { ...full, [option]: null }]),
    ),
    ...Object.fromEntries(
      OPTIONS.map((option) => [`a function as ${option}`, { ...full, [option]() {} }]),
    ),
  };

  sameOutcomes(
    'of the options, and of what they hold: the same, in the same order',
    Object.entries(variants).map(([name, options]) => [
      name,
      (Class, log) => new Class(logging(options, log)),
    ]),
  );

  sameOutcomes(
    'a getter that answers something else each time',
    OPTIONS.flatMap((option) =>
      [0, 1, 2, 3].map((after_) => [
        `${option} changes after ${after_} reads`,
        (Class, log) => {
          let reads = 0;
          const options = { ...full };
          Object.defineProperty(options, option, {
            get() {
              log.push(option);
              return reads++ < after_ ? full[option] : Symbol('changed');
            },
          });
          return new Class(options);
        },
      ]),
    ),
  );

  sameOutcomes(
    'a getter that throws',
    OPTIONS.flatMap((option) =>
      [0, 1, 2].map((after_) => [
        `${option} throws after ${after_} reads`,
        (Class) => {
          let reads = 0;
          const options = { ...full };
          Object.defineProperty(options, option, {
            get() {
              if (reads++ < after_) return full[option];
              throw new RangeError(`no ${option}`);
            },
          });
          return new Class(options);
        },
      ]),
    ),
  );
});

describe('methods', () => {
  const memory = () => new WebAssembly.Memory({ initial: 1 });
  const { exports: wasm } = new WebAssembly.Instance(
    wat('(module (func (export "_start")) (func (export "_initialize")))'),
  );

  /** Instances, from good to odd. */
  const instances = {
    ...VALUES,
    'exports: {}': () => ({ exports: {} }),
    'a command': () => ({ exports: { memory: memory(), _start: wasm._start } }),
    'a reactor': () => ({ exports: { memory: memory(), _initialize: wasm._initialize } }),
    'a memory alone': () => ({ exports: { memory: memory() } }),
    both: () => ({ exports: { memory: memory(), ...wasm } }),
    'a command without memory': () => ({ exports: { _start() {} } }),
    'a command that throws': () => ({
      exports: {
        memory: memory(),
        _start() {
          throw new RangeError('from the guest');
        },
      },
    }),
    'a command that throws a primitive': () => ({
      exports: {
        memory: memory(),
        _start() {
          throw 7;
        },
      },
    }),
    'a command that ends with proc_exit': (wasi) => ({
      exports: { memory: memory(), _start: () => wasi.wasiImport.proc_exit(3) },
    }),
    'a reactor that ends with proc_exit': (wasi) => ({
      exports: { memory: memory(), _initialize: () => wasi.wasiImport.proc_exit(3) },
    }),
    'a reactor that throws': () => ({
      exports: {
        memory: memory(),
        _initialize() {
          throw null;
        },
      },
    }),
    'a command that returns': () => ({ exports: { memory: memory(), _start: () => 'a value' } }),
    'an async command': () => ({ exports: { memory: memory(), async _start() {} } }),
    'a class as _start': () => ({ exports: { memory: memory(), _start: class Foo {} } }),
    'a Proxy as _start': () => ({
      exports: { memory: memory(), _start: new Proxy(() => {}, {}) },
    }),
    'throwing exports': () => ({
      get exports() {
        throw new Error('no exports');
      },
    }),
    'throwing memory': () => ({
      exports: {
        get memory() {
          throw new Error('no memory');
        },
      },
    }),
    'throwing _start': () => ({
      exports: {
        memory: memory(),
        get _start() {
          throw new Error('no _start');
        },
      },
    }),
    'throwing _initialize': () => ({
      exports: {
        memory: memory(),
        get _initialize() {
          throw new Error('no _initialize');
        },
      },
    }),
    'a function with exports': () => Object.assign(() => {}, { exports: { memory: memory() } }),
    'an array with exports': () => Object.assign([], { exports: { memory: memory() } }),
    'exports that are a function': () => ({
      exports: Object.assign(() => {}, { memory: memory(), _start() {} }),
    }),
    'a shared memory': () => ({
      exports: {
        memory: new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }),
        _start() {},
      },
    }),
    'a memory with 64-bit addresses': () => ({
      exports: { memory: new WebAssembly.Memory({ address: 'i64', initial: 1n }), _start() {} },
    }),
    'a Proxy of a memory': () => ({ exports: { memory: new Proxy(memory(), {}), _start() {} } }),
    'an heir of a memory': () => ({ exports: { memory: Object.create(memory()), _start() {} } }),
    'a memory of another realm': () => ({
      exports: {
        memory: vm.runInNewContext('new WebAssembly.Memory({ initial: 1 })'),
        _start() {},
      },
    }),
    ...Object.fromEntries(
      ['exports', 'memory', '_start', '_initialize'].flatMap((part) =>
        Object.entries(VALUES).map(([type, make]) => [
          `${part}: ${type}`,
          () =>
            part === 'exports'
              ? { exports: make() }
              : { exports: { memory: memory(), _start() {}, [part]: make() } },
        ]),
      ),
    ),
  };
  // Where only one export may be there.
  for (const [type, make] of Object.entries(VALUES)) {
    instances[`_initialize alone: ${type}`] = () => ({
      exports: { memory: memory(), _initialize: make() },
    });
  }

  const methods = ['start', 'initialize', ...(hasFinalizeBindings ? ['finalizeBindings'] : [])];
  for (const method of methods) {
    sameOutcomes(
      `${method}() with odd instances`,
      Object.entries(instances).map(([name, make]) => [
        `${method}(${name})`,
        (Class) => {
          const wasi = new Class({ version: 'preview1' });
          return wasi[method](make(wasi));
        },
      ]),
    );

    if (!hasFinalizeBindings) continue;

    sameOutcomes(
      `${method}() with odd instances: what it leaves behind`,
      Object.entries(instances).map(([name, make]) => [
        `${method}(${name})`,
        (Class) => {
          const wasi = new Class({ version: 'preview1' });
          const instance = make(wasi);
          try {
            wasi[method](instance);
          } catch {
            // compared above
          }
          return Object.getOwnPropertySymbols(wasi).map((symbol) => [
            symbol.description,
            wasi[symbol] === instance ? 'the instance' : typeof wasi[symbol],
            typeof wasi[symbol] === 'boolean' && wasi[symbol],
          ]);
        },
      ]),
    );

    sameOutcomes(
      `${method}(): property reads of the instance`,
      ['a command', 'a reactor', 'both', 'a memory alone', 'exports: {}', '{}'].flatMap((name) =>
        [false, true].map((again) => [
          `${method}(${name})${again ? ', a second time' : ''}`,
          (Class, log) => {
            const wasi = new Class({ version: 'preview1' });
            const watch = (object, path) =>
              new Proxy(object, {
                get(target, key) {
                  log.push(`${path}.${String(key)}`);
                  const value = target[key];
                  return key === 'exports' && value ? watch(value, `${path}.exports`) : value;
                },
              });
            const instance = watch(instances[name](), 'instance');
            if (again) wasi.start(instances['a command']());
            return wasi[method](instance);
          },
        ]),
      ),
    );

    sameOutcomes(
      `${method}() on odd objects`,
      Object.entries({
        ...VALUES,
        'a Proxy of the object': (Class) => new Proxy(new Class({ version: 'preview1' }), {}),
        'an heir of the object': (Class) => Object.create(new Class({ version: 'preview1' })),
        'the prototype': (Class) => Class.prototype,
        'an object that was started': (Class) => {
          const wasi = new Class({ version: 'preview1' });
          wasi.start(instances['a command']());
          return wasi;
        },
        'an object whose kStarted is truthy': (Class) => {
          const wasi = new Class({ version: 'preview1' });
          for (const symbol of Object.getOwnPropertySymbols(wasi)) {
            if (symbol.description === 'kStarted') wasi[symbol] = 'yes';
          }
          return wasi;
        },
        'an object without kSetMemory': (Class) => {
          const wasi = new Class({ version: 'preview1' });
          for (const symbol of Object.getOwnPropertySymbols(wasi)) {
            if (symbol.description === 'kSetMemory') delete wasi[symbol];
          }
          return wasi;
        },
        'a frozen object': (Class) => Object.freeze(new Class({ version: 'preview1' })),
      }).map(([name, make]) => [
        `${method} on ${name}`,
        (Class) => Class.prototype[method].call(make(Class), instances['a command']()),
      ]),
    );
  }

  if (hasFinalizeBindings) {
    sameOutcomes(
      'finalizeBindings() with odd second arguments',
      [
        ...Object.entries(VALUES),
        ...Object.entries(VALUES).map(([type, make]) => [
          `{ memory: ${type} }`,
          () => ({ memory: make() }),
        ]),
        [
          'a throwing memory',
          () => ({
            get memory() {
              throw new Error('no memory');
            },
          }),
        ],
      ].flatMap(([type, make]) =>
        ['a memory alone', 'exports: {}', 'undefined'].map((instance) => [
          `finalizeBindings(${instance}, ${type})`,
          (Class) =>
            new Class({ version: 'preview1' }).finalizeBindings(instances[instance](), make()),
        ]),
      ),
    );
  }

  sameOutcomes(
    'start() and initialize() one after the other',
    ['start', 'initialize'].flatMap((first) =>
      ['start', 'initialize'].flatMap((second) =>
        ['a command', 'a reactor'].flatMap((one) =>
          ['a command', 'a reactor'].map((other) => [
            `${first}(${one}), ${second}(${other})`,
            (Class) => {
              const wasi = new Class({ version: 'preview1' });
              if (!hasFinalizeBindings && (first === 'start') !== (one === 'a command')) return 0;
              let error;
              try {
                wasi[first](instances[one]());
              } catch ({ code }) {
                error = code;
              }
              return [error, wasi[second](instances[other]())];
            },
          ]),
        ),
      ),
    ),
  );

  sameOutcomes(
    'getImportObject() on odd objects',
    Object.entries({
      ...VALUES,
      'a Proxy of the object': (Class) => new Proxy(new Class({ version: 'preview1' }), {}),
      'an heir of the object': (Class) => Object.create(new Class({ version: 'unstable' })),
      'the prototype': (Class) => Class.prototype,
    }).map(([name, make]) => [
      `getImportObject on ${name}`,
      (Class) => Object.keys(Class.prototype.getImportObject.call(make(Class))),
    ]),
  );

  const exiting = (code) =>
    wat(`(module
      (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
      (memory (export "memory") 1)
      (func (export "_start") (call $exit (i32.const ${code}))))`);

  sameOutcomes('exit codes', [
    ...[0, 1, 255, 256, '0x7fffffff', '0x80000000', '0xffffffff', -1].map((code) => [
      `proc_exit(${code}) from WebAssembly`,
      (Class) => {
        const wasi = new Class({ version: 'preview1' });
        return wasi.start(new WebAssembly.Instance(exiting(code), wasi.getImportObject()));
      },
    ]),
    ...[0, 1, 2 ** 31 - 1, -1, -(2 ** 31), 2 ** 31, 2 ** 32 - 1, 1.9, '7', undefined, true].map(
      (code) => [
        `proc_exit(${inspect(code)}) from JavaScript`,
        (Class) => {
          const wasi = new Class({ version: 'preview1' });
          const _start = () => wasi.wasiImport.proc_exit(code);
          return wasi.start({ exports: { memory: memory(), _start } });
        },
      ],
    ),
  ]);
});

describe('the shape', () => {
  const description = ({ value, ...attributes }) => ({ ...attributes, value: typeof value });

  sameOutcomes('of objects and class', [
    ['the class: own keys', (Class) => Reflect.ownKeys(Class).sort()],
    ['the class: name', (Class) => Class.name],
    ['the class: typeof', (Class) => typeof Class],
    ['the class: prototype of', (Class) => Object.getPrototypeOf(Class) === Function.prototype],
    [
      'the class: descriptor of prototype',
      (Class) => description(Object.getOwnPropertyDescriptor(Class, 'prototype')),
    ],
    ['the class: length', (Class) => Class.length],
    [
      'the prototype: keys',
      (Class) =>
        Object.getOwnPropertyNames(Class.prototype)
          .filter((key) => key !== 'finalizeBindings')
          .sort(),
    ],
    ['the prototype: enumerable keys', (Class) => Object.keys(Class.prototype)],
    [
      'the prototype: prototype of',
      (Class) => Object.getPrototypeOf(Class.prototype) === Object.prototype,
    ],
    [
      'the prototype: descriptor of constructor',
      (Class) => description(Object.getOwnPropertyDescriptor(Class.prototype, 'constructor')),
    ],
    ...['start', 'initialize', 'getImportObject'].flatMap((method) => [
      [
        `${method}: descriptor`,
        (Class) => description(Object.getOwnPropertyDescriptor(Class.prototype, method)),
      ],
      [`${method}: name`, (Class) => Class.prototype[method].name],
      [`${method}: length`, (Class) => Class.prototype[method].length],
      [`${method}: called with new`, (Class) => new (Reflect.get(Class.prototype, method))()],
      [`${method}: own keys`, (Class) => Reflect.ownKeys(Class.prototype[method]).sort()],
    ]),
    [
      'an object: symbols',
      (Class) => {
        const wasi = new Class({ version: 'preview1' });
        return Object.getOwnPropertySymbols(wasi).map(({ description: text }) => text);
      },
    ],
    ['an object: keys', (Class) => Object.keys(new Class({ version: 'preview1' }))],
    ['an object: names', (Class) => Object.getOwnPropertyNames(new Class({ version: 'preview1' }))],
    [
      'an object: order of all keys',
      (Class) => Reflect.ownKeys(new Class({ version: 'preview1' })).map(String),
    ],
    [
      'an object: descriptors',
      (Class) => {
        const wasi = new Class({ version: 'preview1' });
        return Reflect.ownKeys(wasi).map((key) => [
          String(key),
          description(Object.getOwnPropertyDescriptor(wasi, key)),
        ]);
      },
    ],
    ['an object: String', (Class) => String(new Class({ version: 'preview1' }))],
    ['an object: JSON', (Class) => JSON.stringify(new Class({ version: 'preview1' })).length],
    ['an object: extensible', (Class) => Object.isExtensible(new Class({ version: 'preview1' }))],
    ['an object: structuredClone', (Class) => structuredClone(new Class({ version: 'preview1' }))],
    [
      'an object: inspected',
      (Class) =>
        inspect(new Class({ version: 'preview1' }), { depth: 0, compact: false }).replace(
          /wasiImport: .*/,
          '',
        ),
    ],
    ['the functions: count', (Class) => functions(Class).length],
    [
      'the functions: how many arguments they take',
      (Class) =>
        functions(Class)
          .map(([name, { length }]) => `${name} ${length}`)
          .sort(),
    ],
    [
      'the functions: the names they have themselves',
      (Class) =>
        functions(Class)
          .map(([, { name }]) => name)
          .sort(),
    ],
    [
      'the functions: names',
      (Class) =>
        functions(Class)
          .map(([name]) => name)
          .sort(),
    ],
    [
      'the functions: descriptors',
      (Class) => {
        const { wasiImport } = new Class({ version: 'preview1' });
        return functions(Class)
          .map(([name]) => [name, description(Object.getOwnPropertyDescriptor(wasiImport, name))])
          .sort();
      },
    ],
    ['the functions: then', (Class) => new Class({ version: 'preview1' }).wasiImport.then],
    [
      'getImportObject: descriptors',
      (Class) => {
        const imports = new Class({ version: 'preview1' }).getImportObject();
        return [
          Object.getPrototypeOf(imports) === Object.prototype,
          Reflect.ownKeys(imports),
          description(Object.getOwnPropertyDescriptor(imports, 'wasi_snapshot_preview1')),
        ];
      },
    ],
    [
      'a function before start',
      (Class) => new Class({ version: 'preview1' }).wasiImport.sched_yield(),
    ],
  ]);

  function functions(Class) {
    return Object.entries(new Class({ version: 'preview1' }).wasiImport);
  }

  // The class, code and message are compared above; this is how an error prints.
  sameOutcomes(
    'errors as text, and the first line of their stack',
    [
      (Class) => new Class({}),
      (Class) => new Class({ version: 'x' }),
      (Class) => new Class({ version: 'preview1', stdin: -1 }),
      (Class) => new Class({ version: 'preview1' }).start(),
      (Class) => new Class({ version: 'preview1' }).start({ exports: {} }),
      (Class) => new Class({ version: 'preview1' }).wasiImport.sched_yield(),
      (Class) => Class(),
    ].map((run) => [
      String(run),
      (Class) => {
        try {
          return run(Class);
        } catch (error) {
          return [String(error), error.stack.split('\n')[0], Object.keys(error)];
        }
      },
    ]),
  );
});

test('every difference on purpose was met', (t) => {
  t.diagnostic(`${compared} inputs compared with node:wasi of Node ${process.version}`);
  assert.deepEqual(
    ON_PURPOSE.filter((entry) => !needed.has(entry) && !entry.since).map(({ why }) => why),
    [],
  );
});
