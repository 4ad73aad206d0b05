// Streams between a component and its embedder: bounds, and the end of what does not arrive.

import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { compile, load } from '../../index.js';
import { HANGS } from '../support/host.mjs';
import { assembleComponent, echoing } from '../support/components.mjs';
import { streaming } from '../support/streaming.mjs';
import { textOf } from '../support/wasi-0.3.mjs';

const bounded = { timeout: HANGS };

/** The types of the streams: objects, streams, bytes. */
const [OBJECTS, STREAMS, BYTES] = [0, 1, 2];
const definitions = ['(import "thing" (type $thing (sub resource)))', '(type $inner (stream u32))'];
const program = await compile(
  streaming(['(own $thing)', '$inner', 'u8'], { definitions, piece: 1 }),
  { cache: false },
);

const nothing = { ask: async () => 0, listen: async (from) => from };

/** A class of the embedder that counts its objects which have ended. */
function things() {
  class Thing {
    static ended = 0;

    [Symbol.dispose ?? Symbol.for('nodejs.dispose')]() {
      Thing.ended++;
    }
  }
  return Thing;
}

/** An instance until the test is over. */
async function open(t, options = {}) {
  const { imports = {}, ...rest } = options;
  const instance = await program.load({
    imports: { ...nothing, Thing: things(), ...imports },
    ...rest,
  });
  t.after(() => instance.close());
  return instance;
}

/** A promise, and the function that settles it. */
function later() {
  let resolve;
  const promise = new Promise((settle) => void (resolve = settle));
  return { promise, resolve };
}

/** An AsyncIterable of these, and then of nothing for ever; `returned` settles when it is ended. */
function endless(...elements) {
  const { promise: returned, resolve } = later();
  const iterator = {
    next: async () =>
      elements.length > 0 ? { done: false, value: elements.shift() } : new Promise(() => {}),
    return: async () => {
      resolve('returned');
      return { done: true, value: undefined };
    },
  };
  return {
    returned,
    get left() {
      return elements.length;
    },
    [Symbol.asyncIterator]: () => iterator,
  };
}

/** An AsyncIterable that gives an element once it is let, which `isAsked` waits for. */
function gated(element) {
  const [asked, gate] = [later(), later()];
  const next = async () => {
    asked.resolve();
    await gate.promise;
    return { done: false, value: element };
  };
  return { isAsked: asked.promise, open: gate.resolve, [Symbol.asyncIterator]: () => ({ next }) };
}

describe('what does not arrive is ended', bounded, () => {
  test('if an element comes when the instance has ended', async (t) => {
    const Thing = things();
    const [given, inner] = [gated(new Thing()), endless()];
    const ofStreams = gated(inner);
    for (const [type, source] of [
      [OBJECTS, given],
      [STREAMS, ofStreams],
    ]) {
      const instance = await open(t, { imports: { Thing } });
      const stream = await instance.exports[`streamOf${type}`](source);
      await source.isAsked;
      await instance.close();
      source.open();
      await assert.rejects(stream.next(), { code: 'ERR_INVALID_STATE' });
    }
    assert.equal(await inner.returned, 'returned');
    assert.equal(Thing.ended, 1);
  });

  test('if a function returns when the instance has ended', async (t) => {
    const [gate, called, given] = [later(), later(), endless()];
    const listen = async () => {
      called.resolve();
      await gate.promise;
      return given;
    };
    const instance = await open(t, { imports: { listen } });
    const call = instance.exports.listen([]).catch(() => {});
    await called.promise;
    await instance.close();
    await call;
    gate.resolve();
    assert.equal(await given.returned, 'returned');
  });

  test('if the component owns it when it ends', async (t) => {
    const Thing = things();
    const instance = await open(t, { imports: { Thing } });
    const given = endless(new Thing(), new Thing());
    const stream = await instance.exports[`streamOf${OBJECTS}`](given);
    assert.ok((await stream.next()).value instanceof Thing, 'the first one comes back');
    while (given.left > 0) await turn();
    assert.equal(Thing.ended, 0);
    await instance.close();
    assert.equal(Thing.ended, 1);
  });
});

test('a future that is closed while it is read is written for nobody', bounded, async (t) => {
  const source = streaming(['$inner'], { definitions: ['(type $inner (future u32))'], piece: 1 });
  const instance = await load(source, { imports: nothing, cache: false });
  t.after(() => instance.close());
  const { exports } = instance;
  const { promise, resolve } = later();
  const stream = await exports.streamOf0([promise]);
  const future = (await stream.next()).value;
  const read = assert.rejects(future, { message: /has no value: it was closed/ });
  await turn();
  future[Symbol.dispose ?? Symbol.for('nodejs.dispose')]();
  resolve(7);
  await read;
  await stream.return();
  assert.equal(await exports.total([1, 2]), 3, 'the component lives on');
});

describe('streams are bounded', bounded, () => {
  test('in the elements that are read ahead, also in those without values', async (t) => {
    const { exports } = await open(t);
    const stream = await exports.flood(2 ** 28 - 1);
    let count = 0;
    for await (const one of stream) {
      assert.equal(one, undefined);
      count++;
    }
    assert.equal(count, 256, 'so many are read at once, and the component writes no more');
  });

  test('in the bytes that are given at once', async (t) => {
    const instance = await load(streaming(['(list u8)']), { imports: nothing, cache: false });
    t.after(() => instance.close());
    // The component wants three. Two have more than 64 KiB, and the third would be waited for.
    const lists = Array.from({ length: 2 }, () => new Uint8Array(40_000));
    const next = () =>
      lists.length > 0 ? { done: false, value: lists.shift() } : new Promise(() => {});
    const stream = await instance.exports.streamOf0({ [Symbol.asyncIterator]: () => ({ next }) });
    assert.equal((await stream.next()).value.length, 40_000);
    assert.equal((await stream.next()).value.length, 40_000);
    await stream.return();
  });

  test('in numbers that are bytes, which are taken together', async (t) => {
    const { exports } = await open(t);
    const stream = await exports[`streamOf${BYTES}`](
      Array.from({ length: 3000 }, (_, i) => i % 256),
    );
    const { value } = await stream.next();
    assert.equal(value.length, 3000);
    assert.deepEqual([value[0], value[2999]], [0, 2999 % 256]);
    await stream.return();
  });

  test('by the buffers that they are given: one that shrinks is an error', async (t) => {
    const instance = await open(t);
    const buffer = new ArrayBuffer(2 ** 20);
    const stream = await instance.exports[`streamOf${BYTES}`](buffer);
    await stream.next();
    structuredClone(buffer, { transfer: [buffer] });
    const rest = (async () => {
      for await (const one of stream) assert.ok(one);
    })();
    const reason = /stream\[0\]: the buffer was resized or detached/;
    await assert.rejects(rest, ({ message, cause }) => reason.test(cause?.message ?? message));
  });
});

describe('calls at the same time', bounded, () => {
  test('are answered when they are over, whatever the others wait for', async (t) => {
    const { exports } = await open(t, {
      imports: { ask: (what) => (what === 2 ? gate.promise : what) },
    });
    let gate;
    for (let i = 0; i < 300; i++) {
      gate = later();
      const [first, second] = [exports.count(0), exports.ask(2)];
      await first;
      gate.resolve(0);
      await second;
    }
  });

  test('call functions that belong to the guest that waits for them, and to no other', async (t) => {
    const seen = {};
    const outer = await load(assembleComponent(echoing({ u32: { type: 'u32', core: 'i32' } })), {
      imports: { 'echo-u32': async () => inner.exports.ask(0) },
      cache: false,
    });
    t.after(() => outer.close());
    const [gate, called] = [later(), later()];
    const ask = async (which) => {
      if (which === 0) called.resolve();
      await gate.promise;
      const call = outer.exports.runU32(7);
      if (which === 0) seen[0] = await call.catch(({ code }) => code);
      else seen[1] = call;
      return which;
    };
    const inner = await open(t, { imports: { ask } });
    const waiting = outer.exports.runU32(1);
    await called.promise;
    const independent = inner.exports.ask(1);
    gate.resolve();
    assert.equal(await waiting, 0);
    assert.equal(await independent, 1);
    assert.equal(await seen[1], 0, 'it has waited for its turn');
    assert.equal(seen[0], 'ERR_INVALID_STATE');
  });

  test('call functions in the context in which they were made', async (t) => {
    const context = new AsyncLocalStorage();
    const ask = async (which) => {
      await turn();
      assert.equal(context.getStore(), which);
      return which;
    };
    const { exports } = await open(t, { imports: { ask } });
    const calls = Array.from({ length: 300 }, (_, i) => context.run(i, () => exports.ask(i)));
    assert.deepEqual(
      await Promise.all(calls),
      calls.map((_, i) => i),
    );
  });

  test('read streams in the context in which these were given', async (t) => {
    const { exports } = await open(t);
    const context = new AsyncLocalStorage();
    const numbers = async function* () {
      for (let i = 0; i < 3; i++) yield context.getStore();
    };
    const total = context.run(5, () => exports.total(numbers()));
    assert.equal(await total, 15);
  });
});

test('fresh instances take streams of every kind', bounded, async (t) => {
  const source = assembleComponent(
    `${textOf({
      builtins: { 'drop-numbers': ['stream.drop-readable $numbers', '(param i32)'] },
      code: `(func (export "drop") (param i32) (call $drop-numbers (local.get 0)))
      (func (export "callback") (param i32 i32 i32) (result i32) unreachable)`,
      exports: `(func $drop async (param "from" $numbers) (canon lift (core func $main "drop")))
      (export "drop" (func $drop))`,
    }).replace('(component', '(component (type $numbers (stream u32))')}`,
  );
  const fresh = await load(source, { fresh: true, cache: false });
  t.after(() => fresh.close());
  for (const kind of [endless(), [1], new Set([2]), endless(3)]) await fresh.exports.drop(kind);
  const given = endless();
  await fresh.exports.drop(given);
  assert.equal(await given.returned, 'returned');
});
