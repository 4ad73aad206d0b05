'use strict';

// Streams and futures between a component and its embedder: AsyncIterables and promises.

const { AsyncResource } = require('node:async_hooks');
const { inspect, types } = require('node:util');
const { leave } = require('./errors.js');
const { isThenable } = require('./host.js');
const { Mismatch, Reader, Writer, mismatch, within } = require('./values.js');

/**
 * @typedef {InstanceType<typeof Writer>} Writing
 *
 * @typedef {import('./values.js').Elements} Elements
 *
 * The end of a stream that the component writes.
 * @typedef {object} Source
 * @property {Streams} owner
 * @property {'stream' | 'future'} kind
 * @property {number | undefined} type
 * @property {number} handle
 * @property {boolean} isBegun true once anything was read
 * @property {boolean} isOver true once it has ended, or was given away
 *
 * @typedef {object} Native
 * @property {(handle: number, most: number) => Promise<ArrayBuffer>} read
 * @property {(handle: number) => void} close
 */

/** The most elements that are read at once, and bytes. */
const MOST = 256;
const MOST_BYTES = 64 * 1024;

const asyncDispose = Symbol.asyncDispose ?? Symbol.for('nodejs.asyncDispose');
const dispose = Symbol.dispose ?? Symbol.for('nodejs.dispose');

/** The sources of streams and futures of components. @type {WeakMap<object, Source>} */
const sources = new WeakMap();

/** A stream that a component writes. It may be iterated once; bytes come in pieces. */
class GuestStream {
  #source;
  #elements;
  /** Elements that were read, and not asked for yet. @type {unknown[]} */
  #ready = [];
  /** The last call: they are made one after the other. @type {Promise<unknown>} */
  #last = Promise.resolve();

  /** @param {Source} source @param {Elements} elements */
  constructor(source, elements) {
    this.#source = source;
    this.#elements = elements;
  }

  /** @returns {Promise<IteratorResult<unknown, undefined>>} */
  next() {
    const next = this.#last.then(() => this.#next());
    this.#last = next.catch(() => {});
    return next;
  }

  /** @returns {Promise<IteratorResult<unknown, undefined>>} */
  async #next() {
    if (this.#ready.length === 0 && !this.#source.isOver) await this.#read();
    return this.#ready.length > 0
      ? { done: false, value: this.#ready.shift() }
      : { done: true, value: undefined };
  }

  async #read() {
    const { isBytes, hasHandles, decode } = this.#elements;
    // A resource or stream is to be somebody's, so it is read when it is wanted.
    const most = isBytes ? MOST_BYTES : hasHandles ? 1 : MOST;
    const reader = await this.#source.owner.read(this.#source, most);
    const count = reader.u32();
    if (!isBytes) for (let i = 0; i < count; i++) this.#ready.push(decode(reader));
    else if (count > 0) this.#ready.push(reader.raw(count));
  }

  /** Ends it: the component learns that nobody reads what it writes. @param {unknown} [value] */
  async return(value) {
    this.#ready = [];
    this.#source.owner.close(this.#source);
    return { done: true, value };
  }

  [Symbol.asyncIterator]() {
    return this;
  }

  async [asyncDispose]() {
    await this.return();
  }
}

/**
 * A future that a component writes. It is read once it is awaited.
 *
 * @extends {Promise<any>}
 */
class GuestFuture extends Promise {
  static get [Symbol.species]() {
    return Promise;
  }

  #source;
  #elements;
  /** @type {Promise<unknown> | undefined} */
  #value;

  /** @param {Source} source @param {Elements} elements */
  constructor(source, elements) {
    super(() => {});
    this.#source = source;
    this.#elements = elements;
  }

  async #read() {
    const source = this.#source;
    const reader = source.isOver ? undefined : await source.owner.read(source, 1);
    if (reader?.u32() !== 1) throw new Error('the future has no value: it was closed');
    const value = this.#elements.decode(reader);
    source.owner.close(source);
    return value;
  }

  /**
   * @param {any} [resolved]
   * @param {any} [rejected]
   * @returns {Promise<any>}
   */
  // oxlint-disable-next-line unicorn/no-thenable -- it is a promise
  then(resolved, rejected) {
    this.#value ??= this.#read();
    return this.#value.then(resolved, rejected);
  }

  /** Ends it: the component learns that nobody reads it. */
  [dispose]() {
    this.#source.owner.close(this.#source);
  }
}

/**
 * Elements for the component, as it asks for them. Resources and streams in them are taken back if they do
 * not arrive.
 */
class Supply {
  #elements;
  #next;
  #end;
  /** Bytes that were more than it has asked for. @type {Uint8Array} */
  #rest = new Uint8Array();
  /** The number of these. */
  #left = 0;
  /** The number of elements before, or of pieces. */
  #count = 0;
  /** The number of elements that the component was given last, or will be. */
  #given = 0;
  /**
   * Those of them that have something to be taken back.
   *
   * @type {{ index: number, undo: Writing['undo'] }[]}
   */
  #undo = [];
  /** True if there are no more. */
  #isOver = false;
  /** True once the component wants no more. */
  #isEnded = false;
  /** Runs what the embedder has given where it has given it. */
  #resource = new AsyncResource('wasi-rs.Stream');

  /**
   * @param {Elements} elements
   * @param {() => any} next the next result of an iterator, or a promise of it
   * @param {() => any} end tells that no more is wanted
   */
  constructor(elements, next, end) {
    this.#elements = elements;
    this.#next = () => this.#resource.runInAsyncScope(next);
    this.#end = () => this.#resource.runInAsyncScope(end);
  }

  /** The answer for the next elements. @param {number} most @returns {Uint8Array | Promise<Uint8Array>} */
  take(most) {
    return this.#elements.isBytes ? this.#takeBytes(most) : this.#takeElements(most);
  }

  /** @param {number} most @returns {Promise<Uint8Array>} */
  async #takeBytes(most) {
    /** @type {number[]} */
    const single = [];
    while (this.#left === 0 && single.length < most && !this.#isOver) {
      const { isAwaited, result } = await this.#result();
      const { done, value } = result;
      if (done) this.#isOver = true;
      else if (isByte(value)) single.push(value);
      else this.#keep(bytesOf(value, this.#count));
      this.#count++;
      if (isAwaited && single.length > 0) break;
    }
    if (single.length > 0) this.#keep(Buffer.concat([Uint8Array.from(single), this.#rest]));
    if (this.#rest.length !== this.#left) {
      throw new TypeError(
        `stream[${this.#count - 1}]: the buffer was resized or detached before it was read`,
      );
    }
    const piece = this.#rest.subarray(0, most);
    this.#keep(this.#rest.subarray(piece.length));
    return answerOf(this.#isOver && this.#left === 0, piece.length, piece);
  }

  /** @param {Uint8Array} rest */
  #keep(rest) {
    this.#rest = rest;
    this.#left = rest.length;
  }

  /** The next result of the iterator, and if it was waited for. */
  async #result() {
    const next = this.#next();
    const isAwaited = isThenable(next);
    return { isAwaited, result: resultOf(isAwaited ? await next : next) };
  }

  /**
   * Takes what is there, up to one that is to be waited for.
   *
   * @param {number} most
   * @returns {Promise<Uint8Array>}
   */
  async #takeElements(most) {
    // Those before have arrived.
    this.#undo = [];
    this.#given = 0;
    const body = new Writer();
    while (this.#given < most && body.length < MOST_BYTES && !this.#isOver) {
      const { isAwaited, result } = await this.#result();
      const { done, value } = result;
      if (done) this.#isOver = true;
      else this.#encode(body, value);
      if (isAwaited) break;
    }
    if (this.#isEnded) this.#takeBack(this.#given);
    return answerOf(this.#isOver, this.#given, body.bytes.subarray(0, body.length));
  }

  /** @param {Writing} body @param {unknown} value */
  #encode(body, value) {
    try {
      this.#elements.encode(body, value);
      if (body.undo.length > 0) this.#undo.push({ index: this.#given, undo: body.undo });
    } catch (error) {
      for (const one of body.undo) one();
      this.#takeBack(this.#given);
      throw explained(within(error, `[${this.#count}]`), 'stream');
    }
    body.undo = [];
    this.#given++;
    this.#count++;
  }

  /** Takes back what the last elements give. @param {number} lost the number of these */
  #takeBack(lost) {
    const first = this.#given - lost;
    for (const { index, undo } of this.#undo.splice(0)) {
      if (index >= first) for (const one of undo) one(true);
    }
  }

  /**
   * The component wants no more.
   *
   * @param {number} lost the number of the last elements that have not arrived
   */
  end(lost) {
    this.#isEnded = true;
    this.#takeBack(lost);
    if (this.#isOver) return;
    this.#isOver = true;
    leave(this.#end);
  }
}

/** @param {boolean} isLast @param {number} count of elements @param {Uint8Array} [bytes] of these */
function answerOf(isLast, count, bytes = new Uint8Array()) {
  const answer = Buffer.allocUnsafe(5 + bytes.length);
  answer.writeUInt8(isLast ? 1 : 0);
  answer.writeUInt32LE(count, 1);
  answer.set(bytes, 5);
  return answer;
}

/** @param {unknown} error @param {string} what */
const explained = (error, what) => (Mismatch.is(error) ? error.toError(what) : error);

/** @param {unknown} value @returns {value is number} */
const isByte = (value) => Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 255;

/** A piece of a stream of bytes. @param {any} value @param {number} index @returns {Uint8Array} */
function bytesOf(value, index) {
  if (types.isUint8Array(value)) return value;
  if (types.isAnyArrayBuffer(value)) return new Uint8Array(value);
  if (ArrayBuffer.isView(value)) {
    return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  }
  const problem = mismatch('bytes, as a Uint8Array or a number', value);
  throw explained(within(problem, `[${index}]`), 'stream');
}

/** The streams and futures of one component. */
class Streams {
  #native;
  #registry = new FinalizationRegistry((/** @type {Source} */ source) => this.close(source));
  /** All that the component was given, by numbers. @type {Map<number, Supply>} */
  #supplies = new Map();
  #last = 0;
  #isEnded = false;

  /** @param {Native} native */
  constructor(native) {
    this.#native = native;
  }

  /**
   * A stream or future of the component, for its embedder.
   *
   * @param {'stream' | 'future'} kind
   * @param {number | undefined} type of the elements
   * @param {number} handle
   * @param {Elements} elements
   */
  object(kind, type, handle, elements) {
    /** @type {Source} */
    const source = { owner: this, kind, type, handle, isBegun: false, isOver: false };
    const Class = kind === 'stream' ? GuestStream : GuestFuture;
    const object = new Class(source, elements);
    sources.set(object, source);
    this.#watch(object, source);
    return object;
  }

  /** @param {object} object @param {Source} source */
  #watch(object, source) {
    this.#registry.register(object, source, source);
  }

  /** @param {Source} source @param {number} most */
  async read(source, most) {
    source.isBegun = true;
    const reader = new Reader(await this.#native.read(source.handle, most));
    if (reader.u8() !== 0) this.close(source);
    return reader;
  }

  /** @param {Source} source */
  close(source) {
    if (source.isOver) return;
    this.#forget(source);
    this.#native.close(source.handle);
  }

  /** @param {Source} source */
  #forget(source) {
    source.isOver = true;
    this.#registry.unregister(source);
  }

  /**
   * Writes a stream for the component: one of its own that nobody has read, or any other.
   *
   * @param {Writing} to
   * @param {any} value
   * @param {number | undefined} type of the elements
   * @param {Elements} elements
   */
  writeStream(to, value, type, elements) {
    if (this.#writeOwn(to, value, 'stream', type)) return;
    const iterator = iteratorOf(value, elements.isBytes);
    const end = () => iterator.return?.();
    this.#writeSupply(to, new Supply(elements, () => iterator.next(), end));
  }

  /**
   * The same of a future: a promise, or the value itself.
   *
   * @param {Writing} to
   * @param {any} value
   * @param {number | undefined} type of the value
   * @param {Elements} elements
   */
  writeFuture(to, value, type, elements) {
    if (this.#writeOwn(to, value, 'future', type)) return;
    const promise = Promise.resolve(value);
    promise.catch(() => {}); // reported when the component reads it
    const next = () => promise.then((result) => ({ done: false, value: result }));
    // (Of bytes, a future has one.)
    const one = { ...elements, isBytes: false };
    this.#writeSupply(to, new Supply(one, next, () => {}));
  }

  /**
   * @param {Writing} to
   * @param {any} value
   * @param {'stream' | 'future'} kind
   * @param {number | undefined} type
   */
  #writeOwn(to, value, kind, type) {
    const source = sources.get(value);
    if (source?.owner !== this || source.kind !== kind) return false;
    if (source.isBegun || source.type !== type) return false;
    if (source.isOver) throw new Mismatch('it has been closed or given away');
    to.u8(1);
    to.u32(source.handle);
    this.#forget(source);
    to.undo.push(() => {
      source.isOver = false;
      this.#watch(value, source);
    });
    return true;
  }

  /** @param {Writing} to @param {Supply} supply */
  #writeSupply(to, supply) {
    do this.#last = (this.#last + 1) % 2 ** 31;
    while (this.#supplies.has(this.#last));
    const number = this.#last;
    this.#supplies.set(number, supply);
    to.u8(0);
    to.u32(number);
    to.undo.push(() => this.forget(number, 0));
    if (this.#isEnded) this.forget(number, 0);
  }

  /** Answers the component, which asks for elements. @param {number} number @param {number} most */
  next(number, most) {
    const supply = this.#supplies.get(number);
    return supply ? supply.take(most) : answerOf(true, 0);
  }

  /**
   * The component wants no more of what it was given.
   *
   * @param {number} number
   * @param {number} lost the number of the last elements that have not arrived
   */
  forget(number, lost) {
    const supply = this.#supplies.get(number);
    this.#supplies.delete(number);
    supply?.end(lost);
  }

  /** The component has ended. */
  end() {
    this.#isEnded = true;
    for (const number of [...this.#supplies.keys()]) this.forget(number, 0);
  }
}

/** @param {any} value @param {boolean} isBytes @returns {Iterator<unknown> | AsyncIterator<unknown>} */
function iteratorOf(value, isBytes) {
  if (isBytes && (ArrayBuffer.isView(value) || types.isAnyArrayBuffer(value))) {
    return [value][Symbol.iterator]();
  }
  const isObject = (typeof value === 'object' && value !== null) || typeof value === 'function';
  const make = isObject && (value[Symbol.asyncIterator] ?? value[Symbol.iterator]);
  const iterator = typeof make === 'function' ? Reflect.apply(make, value, []) : undefined;
  if (typeof iterator === 'object' && iterator !== null) return iterator;
  throw mismatch(`an AsyncIterable or Iterable${isBytes ? ' of Uint8Arrays' : ''}`, value);
}

/**
 * A result of an iterator.
 *
 * @param {any} result
 * @returns {{ done?: any, value?: any }}
 */
function resultOf(result) {
  if (typeof result === 'object' && result !== null) return result;
  throw new TypeError(`a stream's iterator has returned ${inspect(result)}, which is no object`);
}

module.exports = { Streams };
