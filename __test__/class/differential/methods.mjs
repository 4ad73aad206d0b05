// start(), initialize(), finalizeBindings() and getImportObject() with instances of every kind, and exit codes.

import { describe } from 'node:test';
import { inspect } from 'node:util';
import vm from 'node:vm';
import { wat } from '../../support/wat.mjs';
import { hasFinalizeBindings } from './classes.mjs';
import { sameOutcomes } from './compare.mjs';
import { VALUES } from './values.mjs';

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
