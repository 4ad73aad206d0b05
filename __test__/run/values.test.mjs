// Values of components as bytes, and back: lib/values.js alone, without an engine or a component.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Codec, Mismatch, Reader, Writer } from '../../lib/values.js';

/** Resources that nobody has. */
const NONE = {
  number: () => assert.fail('no resource is written'),
  object: () => assert.fail('no resource is read'),
};

/**
 * A codec for a type, which has the types that it is made of in it: `{ kind: 'list', of: { kind: 'u8' } }`.
 *
 * @returns {{ codec: Codec, index: number }}
 */
function codecOf(type, resources = NONE) {
  const all = [];
  const place = (one) => {
    if (one === null) return null;
    const flat = { ...one };
    for (const name of ['of', 'ok', 'err']) if (name in one) flat[name] = place(one[name]);
    if (one.types) flat.types = one.types.map(place);
    for (const name of ['fields', 'cases'])
      if (one[name]) flat[name] = one[name].map(([label, part]) => [label, place(part)]);
    return all.push(flat) - 1;
  };
  const index = place(type);
  return { codec: new Codec(all, resources), index };
}

/** The bytes of a value. */
function encoded(type, value, writer = new Writer()) {
  const { codec, index } = codecOf(type);
  codec.encoder(index)(writer, value);
  return writer.copy();
}

/** The value of bytes, of which none are left. */
function decoded(type, bytes) {
  const { codec, index } = codecOf(type);
  const reader = new Reader(new Uint8Array([...bytes, 0xa5]).buffer);
  const value = codec.decoder(index)(reader);
  assert.equal(reader.u8(), 0xa5, 'all of its bytes were read');
  return value;
}

/** The error for a value: `place: problem`. */
function refusal(type, value) {
  try {
    encoded(type, value);
  } catch (error) {
    assert.ok(Mismatch.is(error), error);
    return `${error.path}: ${error.problem}`;
  }
  return assert.fail('it was not refused');
}

const of = (kind, more = {}) => ({ kind, ...more });
const [u8, u32, string] = [of('u8'), of('u32'), of('string')];
const record = of('record', {
  fields: [
    ['first-name', string],
    ['age', u8],
  ],
});
const variant = of('variant', {
  cases: [
    ['none', null],
    ['some-text', string],
    ['many', of('list', { of: u32 })],
  ],
});
const flags = of('flags', { names: Array.from({ length: 9 }, (_, i) => `flag-${i}`) });
const unset = Object.fromEntries(flags.names.map((_, i) => [`flag${i}`, false]));

describe('values of components', () => {
  const numbers = {
    s8: [-128, 127],
    u8: [0, 255],
    s16: [-32_768, 32_767],
    u16: [0, 65_535],
    s32: [-(2 ** 31), 2 ** 31 - 1],
    u32: [0, 2 ** 32 - 1],
  };

  test('of integers go both ways within their ranges, and are refused beyond', () => {
    for (const [kind, [least, most]] of Object.entries(numbers)) {
      for (const value of [least, most, 1]) {
        assert.equal(decoded(of(kind), encoded(of(kind), value)), value, kind);
      }
      const expected = `: expected ${kind}, an integer from ${least} to ${most}, got `;
      for (const wrong of [least - 1, most + 1, 0.5, NaN, Infinity, '1', 1n, null, undefined]) {
        assert.ok(refusal(of(kind), wrong).startsWith(expected), `${kind}: ${String(wrong)}`);
      }
    }
    const longs = { s64: [-(2n ** 63n), 2n ** 63n - 1n], u64: [0n, 2n ** 64n - 1n] };
    for (const [kind, [least, most]] of Object.entries(longs)) {
      for (const value of [least, most, 1n]) {
        assert.equal(decoded(of(kind), encoded(of(kind), value)), value, kind);
      }
      for (const wrong of [least - 1n, most + 1n, 1, '1', undefined]) {
        assert.ok(refusal(of(kind), wrong).startsWith(`: expected ${kind}, a BigInt from `));
      }
    }
  });

  test('of other types that are not made of others go both ways', () => {
    const all = [
      ['f32', 1.5, [0, 0, 0xc0, 0x3f]],
      ['f64', -0, [0, 0, 0, 0, 0, 0, 0, 0x80]],
      ['f64', NaN],
      ['f64', -Infinity],
      ['bool', true, [1]],
      ['bool', false, [0]],
      ['char', '😀', [0x00, 0xf6, 0x01, 0x00]],
      ['string', '', [0, 0, 0, 0]],
      ['string', 'é\0😀', [7, 0, 0, 0, 0xc3, 0xa9, 0, 0xf0, 0x9f, 0x98, 0x80]],
      ['u32', 0x01020304, [4, 3, 2, 1]],
    ];
    for (const [kind, value, bytes] of all) {
      const written = encoded(of(kind), value);
      if (bytes) assert.deepEqual([...written], bytes, kind);
      assert.ok(Object.is(decoded(of(kind), written), value), kind);
    }
    assert.equal(decoded(of('bool'), encoded(of('bool'), 'yes')), true);
    // A string need not be well-formed, text of a component is.
    assert.equal(decoded(string, encoded(string, 'a\ud800')), 'a\ufffd');
    for (const wrong of ['', 'ab', '😀a', '\ud800', '\udc00', 'e\u0301', 97, null]) {
      assert.match(refusal(of('char'), wrong), /^: expected a string of one character, got /);
    }
    assert.equal(refusal(string, 5), ': expected a string, got 5');
    assert.equal(refusal(of('f32'), '1'), ": expected a number, got '1'");
  });

  test('that are made of others go both ways', () => {
    const result = of('result', { ok: u8, err: null });
    const twice = of('option', { of: of('option', { of: u8 }) });
    const all = [
      [of('list', { of: string }), ['a', ''], [2, 0, 0, 0, 1, 0, 0, 0, 97, 0, 0, 0, 0]],
      [of('list', { of: u8 }), Uint8Array.of(1, 2), [2, 0, 0, 0, 1, 2]],
      [of('list', { of: of('u16') }), Uint16Array.of(0x0102), [1, 0, 0, 0, 2, 1]],
      [of('fixed-list', { of: u8, length: 2 }), Uint8Array.of(1, 2), [1, 2]],
      [of('fixed-list', { of: string, length: 1 }), ['a'], [1, 0, 0, 0, 97]],
      [of('tuple', { types: [u8, string] }), [1, 'a'], [1, 1, 0, 0, 0, 97]],
      [of('enum', { names: ['red', 'dark-red'] }), 'dark-red', [1, 0, 0, 0]],
      [of('option', { of: u8 }), 7, [1, 7]],
      [of('option', { of: u8 }), undefined, [0]],
      [twice, { tag: 'none' }, [0]],
      [twice, { tag: 'some', val: undefined }, [1, 0]],
      [twice, { tag: 'some', val: 7 }, [1, 1, 7]],
      [result, { tag: 'ok', val: 7 }, [0, 7]],
      [result, { tag: 'err', val: undefined }, [1]],
      [variant, { tag: 'none' }, [0, 0, 0, 0]],
      [variant, { tag: 'some-text', val: 'a' }, [1, 0, 0, 0, 1, 0, 0, 0, 97]],
      [record, { firstName: 'a', age: 7 }, [1, 0, 0, 0, 97, 7]],
      [flags, { ...unset, flag1: true, flag8: true }, [2, 1]],
    ];
    for (const [type, value, bytes] of all) {
      assert.deepEqual([...encoded(type, value)], bytes, type.kind);
      assert.deepEqual(decoded(type, bytes), value, type.kind);
    }
  });

  test('may be given in other forms', () => {
    const bytes = of('list', { of: u8 });
    const backing = Uint8Array.of(0, 1, 2, 3);
    for (const form of [
      [1, 2],
      backing.subarray(1, 3),
      backing.slice(1, 3).buffer,
      Uint16Array.of(1, 2),
    ]) {
      assert.deepEqual([...encoded(bytes, form)], [2, 0, 0, 0, 1, 2]);
    }
    assert.deepEqual([...encoded(of('option', { of: u8 }), null)], [0]);
    assert.deepEqual([...encoded(flags, {})], [0, 0]);
    const all = { firstName: 'a', age: 1, more: 'is not looked at' };
    assert.deepEqual(decoded(record, encoded(record, all)), { firstName: 'a', age: 1 });
    class Person {
      firstName = 'b';
      get age() {
        return 2;
      }
    }
    assert.deepEqual(decoded(record, encoded(record, new Person())), { firstName: 'b', age: 2 });
  });

  test('that are read are copies', () => {
    const { codec, index } = codecOf(of('list', { of: u8 }));
    const buffer = Uint8Array.of(2, 0, 0, 0, 1, 2).buffer;
    const read = codec.decoder(index)(new Reader(buffer));
    new Uint8Array(buffer).fill(9);
    assert.deepEqual(read, Uint8Array.of(1, 2));
  });

  test('that are not of their type are told with their place', () => {
    const people = of('list', { of: record });
    const pair = of('tuple', { types: [people, variant] });
    const none = { tag: 'none' };
    const age = 'expected u8, an integer from 0 to 255, got 256';
    const all = [
      [
        people,
        [
          { firstName: 'a', age: 1 },
          { firstName: 'b', age: 256 },
        ],
        `[1].age: ${age}`,
      ],
      [pair, [[{ firstName: 'a', age: 256 }], none], `[0][0].age: ${age}`],
      [pair, [[], { tag: 'many', val: [1, -1] }], /^\[1\]\.val\[1\]: expected u32, /],
      [
        pair,
        [[], { tag: 'someText' }],
        /^\[1\]\.tag: expected 'none' or 'some-text' or 'many', got 'someText'$/,
      ],
      [pair, [[]], ': expected an array of 2, got [ [] ]'],
      [pair, { 0: [], 1: none, length: 2 }, /^: expected an array of 2, got /],
      [people, { length: 0 }, ': expected an array, got { length: 0 }'],
      [people, 'text', ": expected an array, got 'text'"],
      [of('list', { of: u8 }), 'text', ": expected Uint8Array or an array, got 'text'"],
      [of('list', { of: u8 }), Uint16Array.of(1, 256), `[1]: ${age}`],
      [
        of('fixed-list', { of: u8, length: 2 }),
        [1],
        ': expected Uint8Array or an array of 2 elements, got [ 1 ]',
      ],
      [record, null, ': expected an object { firstName, age }, got null'],
      [record, { 'first-name': 'a', age: 1 }, '.firstName: expected a string, got undefined'],
      [of('enum', { names: ['a', 'b'] }), 0, ": expected 'a' or 'b', got 0"],
      [
        of('enum', { names: ['a', 'b'] }),
        'constructor',
        ": expected 'a' or 'b', got 'constructor'",
      ],
      [
        of('option', { of: of('option', { of: u8 }) }),
        undefined,
        ": expected an object { tag: 'none' or 'some' }, got undefined",
      ],
      [of('result', { ok: null, err: u8 }), { tag: 'err', val: 256 }, `.val: ${age}`],
      [
        of('flags', { names: ['a-b'] }),
        { 'a-b': true },
        ": expected an object of booleans { aB }, got a property 'a-b'",
      ],
      [of('flags', { names: ['a-b'] }), 1, ': expected an object of booleans { aB }, got 1'],
    ];
    for (const [type, value, message] of all) {
      const told = refusal(type, value);
      if (typeof message === 'string') assert.equal(told, message);
      else assert.match(told, message);
    }
    const error = new Mismatch('expected a string, got 5');
    error.path = 'a.b';
    const { code, message } = error.toError('f');
    assert.equal(`${code} ${message}`, 'ERR_INVALID_ARG_TYPE f(a.b): expected a string, got 5');
  });

  test('throw the errors of their own getters as they are', () => {
    const own = new RangeError('mine');
    const value = {
      get firstName() {
        throw own;
      },
    };
    assert.throws(
      () => encoded(of('list', { of: record }), [value]),
      (error) => error === own,
    );
  });

  test('that are large have room, which is given back', () => {
    const writer = new Writer();
    const text = '😀'.repeat(2 ** 20);
    assert.equal(decoded(string, encoded(string, text, writer)), text);
    const large = writer.bytes.length;
    writer.reset();
    assert.ok(writer.length === 0 && writer.bytes.length < large);
    // What was written before is kept as the buffer grows, again and again.
    const list = Array.from({ length: 20_000 }, (_, i) => `${i}`);
    const type = of('list', { of: string });
    assert.deepEqual(decoded(type, encoded(type, list, writer)), list);
    const kept = writer.bytes;
    writer.reset();
    assert.equal(writer.bytes, kept, 'a small one is kept');
  });

  test('of resources are numbers, by whoever has them', () => {
    const asked = [];
    const thing = {};
    const resources = {
      number: (...args) => asked.push(args) && 42,
      object: (...args) => asked.push(args) && thing,
    };
    for (const kind of ['own', 'borrow']) {
      const { codec, index } = codecOf(of(kind, { resource: 3 }), resources);
      const writer = new Writer();
      codec.encoder(index)(writer, thing);
      const reader = new Reader(Uint8Array.from(writer.copy()).buffer);
      assert.equal(codec.decoder(index)(reader), thing);
      assert.deepEqual(asked.splice(0), [
        [3, thing, kind === 'own', writer],
        [3, 42, kind === 'own', reader],
      ]);
    }
  });

  test('that can not be handed over are found, however deep', () => {
    const future = of('unsupported', { name: 'a future' });
    const deep = [
      of('list', { of: future }),
      of('option', { of: of('fixed-list', { of: future, length: 1 }) }),
      of('record', {
        fields: [
          ['a', u8],
          ['b', of('tuple', { types: [u8, future] })],
        ],
      }),
      of('variant', {
        cases: [
          ['a', null],
          ['b', future],
        ],
      }),
      of('result', { ok: null, err: future }),
    ];
    for (const type of [future, ...deep]) {
      const { codec, index } = codecOf(type);
      assert.equal(codec.unsupported(index), 'a future', type.kind);
    }
    for (const type of [u8, record, variant, flags, of('own', { resource: 0 })]) {
      const { codec, index } = codecOf(type);
      assert.equal(codec.unsupported(index), undefined, type.kind);
    }
    assert.equal(refusal(future, 1), ": a future can't be handed over");
  });
});
