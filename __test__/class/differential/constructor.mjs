// Options of every type, alone and two at a time.

import { describe } from 'node:test';
import { sameOutcomes } from './compare.mjs';
import { OPTIONS, VALUES } from './values.mjs';

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
