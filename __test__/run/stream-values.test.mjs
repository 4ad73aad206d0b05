// Streams and futures between a component and its embedder, by load().

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { compile, load, loadSync } from '../../index.js';
import { HANGS, runNode } from '../support/host.mjs';
import { numbers, textOf, typeAtRandom, valueAtRandom } from '../support/random-types.mjs';
import { streaming } from '../support/streaming.mjs';

const bounded = { timeout: HANGS };

/** The types of the streams: bytes, texts, numbers, none. */
const [BYTES, TEXTS, LONGS, UNITS] = [0, 1, 2, 3];
const program = await compile(streaming(['u8', 'string', 'u64', undefined]), { cache: false });

const imports = {
  ask: async (/** @type {number} */ what) => what + 1,
  listen: async (/** @type {AsyncIterable<number>} */ from) => doubled(from),
};

async function* doubled(from) {
  for await (const one of from) yield 2 * one;
}

/** An instance until the test is over. */
async function open(t, options = {}) {
  const instance = await program.load({ imports, ...options });
  t.after(() => instance.close());
  return instance.exports;
}

async function collect(stream) {
  const all = [];
  for await (const one of stream) all.push(one);
  return all;
}

const range = (count, make = (n) => n) => Array.from({ length: count }, (_, n) => make(n));
const sum = (all) => all.reduce((a, b) => a + b, 0);

/** A promise, and the function that settles it. */
function later() {
  let resolve;
  const promise = new Promise((settle) => void (resolve = settle));
  return { promise, resolve };
}

describe('values of types at random come back', bounded, () => {
  for (const seed of process.env.WASI_RS_SEED ? [Number(process.env.WASI_RS_SEED)] : [1, 2, 3]) {
    test(`by streams and futures, of seed ${seed}`, async (t) => {
      const below = numbers(seed);
      const named = [];
      const types = range(15, () => typeAtRandom(below, 3, named));
      const definitions = named.map(
        (type) =>
          `(type $${type.name}-is ${textOf(type, true)}) (import "${type.name}" (type $${type.name} (eq $${type.name}-is)))`,
      );
      const source = streaming(
        types.map((type) => textOf(type)),
        { definitions },
      );
      const instance = await load(source, { imports, cache: false });
      t.after(() => instance.close());
      const { exports } = instance;
      for (const [index, type] of types.entries()) {
        if (type.kind === 'u8') continue; // bytes come in pieces
        const values = range(10, () => valueAtRandom(below, type));
        const given = values.map(([value]) => value);
        const expected = values.map(([, value]) => value);
        const place = `${textOf(type, true)} (${index})`;
        assert.deepEqual(await collect(await exports[`streamOf${index}`](given)), expected, place);
        const future = await exports[`futureOf${index}`](Promise.resolve(given[0]));
        assert.deepEqual(future, expected[0], place);
      }
    });
  }
});

describe('a stream', bounded, () => {
  test('of bytes takes and gives pieces', async (t) => {
    const hand = (await open(t))[`streamOf${BYTES}`];
    const bytes = Buffer.from(range(100_000));
    const forms = {
      'a Buffer': bytes,
      'an ArrayBuffer': new Uint8Array(bytes).buffer,
      pieces: [bytes.subarray(0, 5), bytes.subarray(5)],
      'a view': [new DataView(new Uint8Array(bytes).buffer)],
      'a generator': (async function* () {
        yield bytes.subarray(0, 70_000);
        yield new Uint8Array();
        yield* bytes.subarray(70_000, 70_010);
        yield bytes.subarray(70_010);
      })(),
      'a Readable': Readable.from([bytes]),
      'a ReadableStream': new Blob([bytes]).stream(),
      'a Set': new Set([bytes]),
    };
    for (const [form, given] of Object.entries(forms)) {
      const got = await collect(await hand(given));
      assert.ok(
        got.every((piece) => piece instanceof Uint8Array),
        form,
      );
      assert.ok(Buffer.concat(got).equals(bytes), form);
    }
    assert.deepEqual(await collect(await hand([])), []);
  });

  test('can be read by what takes AsyncIterables', async (t) => {
    const hand = (await open(t))[`streamOf${BYTES}`];
    const readable = Readable.from(await hand([Buffer.from('to '), Buffer.from('read')]));
    assert.equal(Buffer.concat(await collect(readable)).toString(), 'to read');
  });

  test('without elements has so many of them', async (t) => {
    const hand = (await open(t))[`streamOf${UNITS}`];
    assert.deepEqual(
      await collect(await hand(range(10))),
      range(10, () => undefined),
    );
  });

  test('has every element, whatever pieces they come in', async (t) => {
    const exports = await open(t);
    assert.deepEqual(await collect(await exports.count(1000)), range(1000));
    const longs = range(5000, (n) => 2n ** 64n - 1n - BigInt(n));
    assert.deepEqual(await collect(await exports[`streamOf${LONGS}`](longs)), longs);
    const some = range(20, async (n) => (await collect(await exports.count(n * 10))).length);
    assert.deepEqual(
      await Promise.all(some),
      range(20, (n) => n * 10),
    );
  });

  test('is asked one after the other', async (t) => {
    const stream = await (await open(t)).count(3);
    const all = await Promise.all(range(5, () => stream.next()));
    assert.deepEqual(
      all.map(({ value }) => value),
      [0, 1, 2, undefined, undefined],
    );
    assert.equal(stream[Symbol.asyncIterator](), stream);
  });

  test('waits on both sides until elements are wanted', async (t) => {
    const hand = (await open(t))[`streamOf${TEXTS}`];
    let pulled = 0;
    const stream = await hand(
      (async function* () {
        for (;;) yield `${pulled++}`;
      })(),
    );
    assert.deepEqual(await stream.next(), { done: false, value: '0' });
    for (let i = 0; i < 100; i++) await turn();
    assert.ok(pulled < 10, `${pulled}`);
    await stream.return();
  });

  test('that is left ends at its source', async (t) => {
    const exports = await open(t);
    const { promise: returned, resolve } = later();
    const stream = await exports[`streamOf${TEXTS}`](
      (async function* () {
        try {
          for (;;) yield 'x';
        } finally {
          resolve();
        }
      })(),
    );
    await Readable.from(stream).take(1).toArray();
    await returned;
    assert.deepEqual(await stream.next(), { done: true, value: undefined });
    const endless = await exports.count(2 ** 32 - 1);
    await endless.next();
    await endless[Symbol.asyncDispose ?? Symbol.for('nodejs.asyncDispose')]();
    assert.equal(await exports.total([1, 2]), 3, 'the component lives on');
  });

  test('goes back to where it comes from, and is the same there', async (t) => {
    const exports = await open(t);
    assert.deepEqual(await collect(await exports.same(range(10))), range(10));
    assert.deepEqual(await collect(await exports.same(await exports.same([7]))), [7]);
    const given = await exports.same([1]);
    const back = await exports.same(given);
    await assert.rejects(exports.same(given), /same\(from\): it has been closed or given away/);
    assert.deepEqual(await given.next(), { done: true, value: undefined });
    assert.deepEqual(await collect(back), [1]);
    const begun = await exports.same([1, 2, 3]);
    await begun.next();
    assert.deepEqual(await collect(await exports.same(begun)), [2, 3], 'the rest of it');
  });

  test('goes to a function of the embedder, and comes from it', async (t) => {
    const exports = await open(t);
    assert.deepEqual(
      await collect(await exports.listen(range(10))),
      range(10, (n) => 2 * n),
    );
  });

  test('goes from one component to another', async (t) => {
    const [one, other] = [await open(t), await open(t)];
    assert.equal(await other.total(await one.count(100)), 4950);
    const squares = (async function* () {
      for await (const number of await one.count(50)) yield number * number;
    })();
    assert.equal(await other.total(squares), sum(range(50, (n) => n * n)));
  });
});

describe('a future', bounded, () => {
  test('takes a promise or a value, and is a promise', async (t) => {
    const hand = (await open(t))[`futureOf${TEXTS}`];
    // (A function whose result is one promises what it promises.)
    assert.equal(await hand(turn('later')), 'later');
    assert.equal(await hand('now'), 'now');
    assert.deepEqual(await (await open(t))[`futureOf${BYTES}`](7), 7);
  });

  test('that is rejected ends the component with its reason', async (t) => {
    const exports = await open(t);
    const mine = new Error('mine');
    // It may have ended before the future that the call gives is read.
    await assert.rejects(
      exports[`futureOf${TEXTS}`](Promise.reject(mine)),
      (error) => error === mine || error.cause === mine,
    );
    await assert.rejects(exports.total([]), { code: 'ERR_INVALID_STATE', cause: mine });
  });
});

describe('calls of a component with asynchronous functions', bounded, () => {
  test('are made at the same time', async (t) => {
    const { promise: all, resolve } = later();
    let now = 0;
    const ask = async (what) => {
      if (++now === 20) resolve();
      await all;
      return what;
    };
    const exports = await open(t, { imports: { ...imports, ask } });
    assert.deepEqual(await Promise.all(range(20, (n) => exports.ask(n))), range(20));
  });

  test('may be made by a function that one waits for', async (t) => {
    const ask = async (what) => (what === 0 ? 0 : what + (await exports.ask(what - 1)));
    const exports = await open(t, { imports: { ...imports, ask } });
    assert.equal(await exports.ask(10), 55);
  });

  test('each have their own time', async (t) => {
    const exports = await open(t, { timeout: 100 });
    const stream = await exports.count(2);
    await stream.next();
    const never = { [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => {}) }) };
    await assert.rejects(exports.total(never), { code: 'ERR_WASI_TIMEOUT' });
    await assert.rejects(stream.next(), { code: 'ERR_INVALID_STATE' });
  });

  test('end with the component, and what it was given is told', async () => {
    const { promise: asked, resolve: ask } = later();
    const { promise: returned, resolve: tell } = later();
    const source = {
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise(() => ask()),
        return: async () => tell(),
      }),
    };
    const instance = await program.load({ imports });
    const stream = await instance.exports.same([]);
    const total = instance.exports.total(source);
    const spins = instance.exports.spin();
    total.catch(() => {});
    spins.catch(() => {});
    await asked;
    await instance.close();
    for (const call of [total, spins]) await assert.rejects(call, { code: 'ERR_WASI_KILLED' });
    await assert.rejects(stream.next(), { code: 'ERR_INVALID_STATE' });
    await returned;
  });
});

describe('errors of streams', bounded, () => {
  test('come out of the call by identity, and end the component', async (t) => {
    const exports = await open(t);
    const mine = new Error('mine');
    const throws = (async function* () {
      yield 1;
      throw mine;
    })();
    await assert.rejects(exports.total(throws), (error) => error === mine);
    await assert.rejects(exports.total([]), { code: 'ERR_INVALID_STATE', cause: mine });
  });

  test('of types are told by place', async (t) => {
    const exports = await open(t);
    const bytes = exports[`streamOf${BYTES}`];
    const wrong = { code: 'ERR_INVALID_ARG_TYPE' };
    for (const value of [5, null, undefined, {}, { next() {} }]) {
      await assert.rejects(exports.total(value), {
        ...wrong,
        message: /^total\(from\): expected an AsyncIterable or Iterable, got /,
      });
      await assert.rejects(bytes(value), { ...wrong, message: /of Uint8Arrays, got / });
    }
    await assert.rejects(bytes('text'), wrong);
    const message = /^stream\(\[1\]\): expected u32, an integer from 0 to 4294967295, got 'x'/;
    await assert.rejects(exports.total([1, 'x']), { ...wrong, message });
    const others = await open(t);
    // It may have ended before that is read.
    const error = await others[`streamOf${BYTES}`]([1, 300])
      .then(collect)
      .catch((reason) => reason.cause ?? reason);
    assert.match(error.message, /^stream\(\[1\]\): expected bytes, as a Uint8Array or a number/);
  });

  test('of odd iterators are errors of the call', async (t) => {
    const made = (iterator) => ({ [Symbol.asyncIterator]: () => iterator });
    const mine = new Error('mine');
    const throws = () => {
      throw mine;
    };
    const odd = [
      [made(undefined), /expected an AsyncIterable/],
      [made(5), /expected an AsyncIterable/],
      [made({ next: () => 5 }), /^a stream's iterator has returned 5, which is no object$/],
      [made({ next: () => undefined }), /returned undefined, which is no object/],
      [made({}), /next is not a function/],
      [{ [Symbol.asyncIterator]: throws }, /^mine$/],
      [made({ next: throws }), /^mine$/],
    ];
    for (const [given, message] of odd) {
      await assert.rejects((await open(t)).total(given), { message });
    }
  });

  test('of return() are warnings', async (t) => {
    const warned = once(process, 'warning');
    const exports = await open(t);
    const next = () => ({ done: false, value: 1 });
    const iterator = { next, return: () => Promise.reject(5) };
    const stream = await exports.same({ [Symbol.asyncIterator]: () => iterator });
    await stream.next();
    await stream.return();
    assert.equal((await warned)[0].message, '5');
    assert.equal(await exports.total([1, 2]), 3, 'the component lives on');
  });

  test('of places that have none', async () => {
    assert.throws(() => loadSync(streaming([]), { imports, cache: false }), {
      code: 'ERR_WASI_PROGRAM',
      message: /asynchronous functions.*loadSync\(\) can not run it; load\(\) can/,
    });
    const fresh = program.load({ imports, fresh: true });
    await assert.rejects(fresh, { code: 'ERR_INVALID_ARG_VALUE', message: /returns a stream/ });
  });
});

describe('streams that nobody reads', bounded, () => {
  test('do not hold the process up', async () => {
    const script = `
      import { load } from ${JSON.stringify(new URL('../../index.js', import.meta.url).href)};
      import fs from 'node:fs';
      const imports = { ask: async () => 1, listen: async (s) => s };
      const { exports } = await load(fs.readFileSync(0), { imports, cache: false });
      const stream = await exports.count(1000);
      console.log((await stream.next()).value);
    `;
    const ended = await runNode(['--input-type=module', '-e', script], { input: streaming([]) });
    assert.deepEqual([ended.code, ended.stdout, ended.stderr], [0, '0\n', '']);
  });
});
