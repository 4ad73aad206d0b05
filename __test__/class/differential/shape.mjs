// The keys, attributes, names and texts of objects, class and errors.

import { describe } from 'node:test';
import { inspect } from 'node:util';
import { sameOutcomes } from './compare.mjs';

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
