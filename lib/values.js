'use strict';

// Values of components as bytes, and back, by the types of the component (`crates/components/src/values.rs`).
// They are those of jco: https://bytecodealliance.github.io/jco/ has the list.

const { inspect, types } = require('node:util');
const { errorOf } = require('./errors.js');
const { camel } = require('./names.js');

/**
 * @typedef {import('./types.js').ComponentType} Type
 *
 * @typedef {(to: Writer, value: any) => void} Encode
 * @typedef {(from: Reader) => any} Decode
 *
 * The resources of a component: their numbers for objects, and back.
 * @typedef {object} Resources
 * @property {(resource: number, value: unknown, isOwned: boolean, to: Writer) => number} number
 * @property {(resource: number, number: number, isOwned: boolean, from: Reader) => unknown} object
 *
 * The elements of a stream or future.
 * @typedef {object} Elements
 * @property {boolean} isBytes
 * @property {boolean} hasHandles true if there are resources, streams or futures in them
 * @property {Encode} encode
 * @property {Decode} decode
 *
 * The streams of a component; the type is that of the elements, if they have one.
 * @typedef {object} Streams
 * @property {(kind: 'stream' | 'future', type: number | undefined, handle: number, of: Elements) => any
 * } object
 * @property {(to: Writer, value: any, type: number | undefined, of: Elements) => void} writeStream
 * @property {(to: Writer, value: any, type: number | undefined, of: Elements) => void} writeFuture
 */

/** A value that is not of its type. */
class Mismatch extends TypeError {
  /** True for such an error. @param {any} error @returns {error is Mismatch} */
  static is(error) {
    return typeof error === 'object' && error !== null && #mark in error;
  }

  #mark = true;
  /** The way to the value, innermost last. */
  path = '';
  /** The reason. */
  problem;
  /** The state of the object that is not there yet, if that is the reason. @type {any} */
  awaited;

  /** @param {string} problem */
  constructor(problem) {
    super(problem);
    this.problem = problem;
  }

  /** The error for who has given the value. @param {string} name of the function */
  toError(name) {
    return errorOf(TypeError, 'ERR_INVALID_ARG_TYPE', `${name}(${this.path}): ${this.problem}`);
  }
}

/** @param {string} expected @param {unknown} value */
function mismatch(expected, value) {
  const got = inspect(value, { depth: 0, breakLength: Infinity, maxStringLength: 40 });
  return new Mismatch(`expected ${expected}, got ${got}`);
}

/** @param {unknown} error @param {string} step on the way to the value */
function within(error, step) {
  if (Mismatch.is(error)) error.path = step + error.path;
  return error;
}

/** The most bytes that a buffer keeps between calls. */
const KEPT = 4 * 2 ** 20;

/**
 * The functions that take back what values give, by the bytes of these.
 *
 * @type {WeakMap<object, Writer['undo']>}
 */
const given = new WeakMap();

/** Takes back what values give that have not arrived, and ends it. @param {object} bytes of the values */
function takeBack(bytes) {
  for (const undo of given.get(bytes)?.splice(0) ?? []) undo(true);
}

/** Bytes that are written, in one buffer for all. */
class Writer {
  #buffer = Buffer.allocUnsafeSlow(4096);
  #view = new DataView(this.#buffer.buffer);
  /** @type {Reader | undefined} */
  #reader;
  #at = 0;
  /** Functions to be called when the call is over. @type {(() => void)[]} */
  after = [];
  /**
   * Functions to be called when the call fails, before those: they take back what it was to be given, and end
   * it if it is lost.
   *
   * @type {((isLost?: boolean) => void)[]}
   */
  undo = [];

  /** Begins anew. */
  reset() {
    this.#at = 0;
    this.after = [];
    this.undo = [];
    if (this.#buffer.length > KEPT) this.#allocate(4096);
  }

  /** A reader of results that are where its bytes were, if they are there. @param {ArrayBuffer} of */
  reader(of) {
    if (this.#view.buffer !== of) return undefined;
    this.#reader ??= new Reader(of);
    return this.#reader.begin();
  }

  /** The bytes, with room behind them; they change with the next value. */
  get bytes() {
    return this.#buffer;
  }

  /** A copy of the bytes that were written. Nothing is taken back but by {@link takeBack} from now on. */
  copy() {
    const copy = Buffer.from(this.#buffer.subarray(0, this.#at));
    if (this.undo.length > 0) given.set(copy, this.undo);
    return copy;
  }

  /** The number of bytes that were written. */
  get length() {
    return this.#at;
  }

  /** @param {number} size */
  #allocate(size) {
    this.#buffer = Buffer.allocUnsafeSlow(size);
    this.#view = new DataView(this.#buffer.buffer);
    this.#reader = undefined;
  }

  /** The place of so many bytes, which are to be written. @param {number} count */
  #room(count) {
    const start = this.#at;
    this.#at += count;
    if (this.#at > this.#buffer.length) {
      const old = this.#buffer;
      this.#allocate(Math.max(this.#at, 2 * old.length));
      old.copy(this.#buffer, 0, 0, start);
    }
    return start;
  }

  /** @param {number} value */
  u8(value) {
    const at = this.#room(1);
    this.#view.setUint8(at, value);
  }

  /** @param {number} value */
  u32(value) {
    const at = this.#room(4);
    this.#view.setUint32(at, value, true);
  }

  /**
   * @param {'setInt8' | 'setInt16' | 'setUint16' | 'setInt32' | 'setFloat32' | 'setFloat64'} method
   * @param {number} size
   * @param {number} value
   */
  number(method, size, value) {
    const at = this.#room(size);
    this.#view[method](at, value, true);
  }

  /** @param {bigint} value */
  u64(value) {
    const at = this.#room(8);
    this.#view.setBigUint64(at, value, true);
  }

  /** @param {string} text */
  string(text) {
    // The most that it can take; what is too much is given back.
    const start = this.#room(4 + 3 * text.length);
    const length = this.#buffer.write(text, start + 4, 'utf8');
    this.#view.setUint32(start, length, true);
    this.#at = start + 4 + length;
  }

  /** @param {Uint8Array} bytes */
  raw(bytes) {
    const at = this.#room(bytes.length);
    this.#buffer.set(bytes, at);
  }
}

/** Bytes that are read. */
class Reader {
  #buffer;
  #bytes;
  #view;
  #at = 0;
  /** Functions to be called when the call is over. @type {(() => void)[]} */
  after = [];

  /** @param {ArrayBuffer} buffer */
  constructor(buffer) {
    this.#buffer = buffer;
    this.#bytes = Buffer.from(buffer);
    this.#view = new DataView(buffer);
  }

  /** Begins anew. */
  begin() {
    this.#at = 0;
    this.after = [];
    return this;
  }

  u8() {
    return this.#bytes[this.#at++];
  }

  u32() {
    const at = this.#at;
    this.#at += 4;
    return this.#view.getUint32(at, true);
  }

  /**
   * @param {'getInt8' | 'getInt16' | 'getUint16' | 'getInt32' | 'getFloat32' | 'getFloat64'} method
   * @param {number} size
   */
  number(method, size) {
    const at = this.#at;
    this.#at += size;
    return this.#view[method](at, true);
  }

  /** @param {'getBigInt64' | 'getBigUint64'} method */
  bigint(method) {
    const at = this.#at;
    this.#at += 8;
    return this.#view[method](at, true);
  }

  string() {
    const length = this.u32();
    const start = this.#at;
    this.#at += length;
    return this.#bytes.toString('utf8', start, this.#at);
  }

  /** A copy of bytes. @param {number} length @returns {Uint8Array} */
  raw(length) {
    const start = this.#at;
    this.#at += length;
    return new Uint8Array(this.#buffer.slice(start, this.#at));
  }
}

/** The range of each type of integers. @type {Record<string, [least: number, most: number]>} */
const RANGES = {
  s8: [-128, 127],
  u8: [0, 255],
  s16: [-(2 ** 15), 2 ** 15 - 1],
  u16: [0, 2 ** 16 - 1],
  s32: [-(2 ** 31), 2 ** 31 - 1],
  u32: [0, 2 ** 32 - 1],
};

/** The methods of a DataView, without `get` and `set`, and the bytes, of each type of numbers. */
const NUMBERS = /** @type {const} */ ({
  s8: ['Int8', 1],
  s16: ['Int16', 2],
  u16: ['Uint16', 2],
  s32: ['Int32', 4],
  f32: ['Float32', 4],
  f64: ['Float64', 8],
});

/** The typed array of a list of each type. @type {Record<string, any>} */
const ARRAYS = {
  s8: Int8Array,
  u8: Uint8Array,
  s16: Int16Array,
  u16: Uint16Array,
  s32: Int32Array,
  u32: Uint32Array,
  s64: BigInt64Array,
  u64: BigUint64Array,
  f32: Float32Array,
  f64: Float64Array,
};

/** The properties of typed arrays themselves, whatever an object has under these names. */
const typed = {
  tag: getterOf(Symbol.toStringTag),
  length: getterOf('length'),
  buffer: getterOf('buffer'),
  byteOffset: getterOf('byteOffset'),
  byteLength: getterOf('byteLength'),
};

/** @param {string | symbol} name @returns {(array: any) => any} */
function getterOf(name) {
  const prototype = Object.getPrototypeOf(Uint8Array.prototype);
  const { get } = /** @type {any} */ (Object.getOwnPropertyDescriptor(prototype, name));
  return (array) => Reflect.apply(get, array, []);
}

/** @param {string} kind @returns {(value: any) => number} */
function integer(kind) {
  const [least, most] = RANGES[kind];
  return (value) => {
    if (Number.isInteger(value) && value >= least && value <= most) return value;
    throw mismatch(`${kind}, an integer from ${least} to ${most}`, value);
  };
}

/** @param {any} value @returns {number} */
function float(value) {
  if (typeof value === 'number') return value;
  throw mismatch('a number', value);
}

/** @param {boolean} isSigned @returns {(value: any) => bigint} */
function long(isSigned) {
  const wrapped = isSigned ? BigInt.asIntN : BigInt.asUintN;
  const expected = isSigned ? 's64, a BigInt from -2n ** 63n' : 'u64, a BigInt from 0n';
  return (value) => {
    if (typeof value === 'bigint' && wrapped(64, value) === value) return value;
    throw mismatch(`${expected} to ${isSigned ? '2n ** 63n - 1n' : '2n ** 64n - 1n'}`, value);
  };
}

/** @param {any} value @returns {number} */
function codePoint(value) {
  const point = typeof value === 'string' ? value.codePointAt(0) : undefined;
  const isWhole = point !== undefined && value.length === String.fromCodePoint(point).length;
  if (isWhole && (point < 0xd800 || point > 0xdfff)) return point;
  throw mismatch('a string of one character', value);
}

/** @param {any} value @param {string} expected */
function requireObject(value, expected) {
  if (typeof value !== 'object' || value === null) throw mismatch(expected, value);
}

/** @param {readonly string[]} names */
const either = (names) => names.map((name) => `'${name}'`).join(' or ');

/** The kinds of streams, and of all that is more than data. */
const STREAMS = new Set(['stream', 'future']);
const HANDLES = new Set([...STREAMS, 'own']);

/** The encoders and decoders of the types of a component. */
class Codec {
  #types;
  #resources;
  #streams;
  /** @type {Encode[]} */
  #encoders = [];
  /** @type {Decode[]} */
  #decoders = [];

  /**
   * @param {readonly Type[]} types
   * @param {Resources} resources
   * @param {Streams} [streams] without them, streams can't be handed over
   */
  constructor(types, resources, streams) {
    this.#types = types;
    this.#resources = resources;
    this.#streams = streams;
  }

  /** @param {number | null} of @returns {Elements} */
  #elementsOf(of) {
    return {
      isBytes: of !== null && this.#types[of].kind === 'u8',
      hasHandles: of !== null && this.#has(of, HANDLES),
      encode: this.#encoderOfSome(of),
      decode: this.#decoderOfSome(of),
    };
  }

  /** True for a type with streams or futures in it. @param {number} index */
  hasStreams(index) {
    return this.#has(index, STREAMS);
  }

  /**
   * True for a type with one of these kinds in it.
   *
   * @param {number} index
   * @param {Set<string>} kinds
   * @returns {boolean}
   */
  #has(index, kinds) {
    const type = this.#types[index];
    return kinds.has(type.kind) || partsOf(type).some((part) => this.#has(part, kinds));
  }

  /** @param {number} index of a type @returns {Encode} */
  encoder(index) {
    return (this.#encoders[index] ??= this.#makeEncoder(this.#types[index]));
  }

  /** @param {number} index of a type @returns {Decode} */
  decoder(index) {
    return (this.#decoders[index] ??= this.#makeDecoder(this.#types[index]));
  }

  /**
   * The reason why values of a type can't be handed over, if they can't.
   *
   * @param {number} index of the type
   * @returns {string | undefined}
   */
  unsupported(index) {
    const type = this.#types[index];
    if (type.kind === 'unsupported') return type.name;
    if (STREAMS.has(type.kind) && !this.#streams) {
      return `a ${type.kind}, for which it has to be loaded by load()`;
    }
    for (const part of partsOf(type)) {
      const reason = this.unsupported(part);
      if (reason) return reason;
    }
  }

  /** True for a type whose values include undefined. @param {number} index */
  isOption(index) {
    return this.#types[index].kind === 'option';
  }

  /** The type of a function's result if it is a `result`. @param {number | null} index */
  resultOf(index) {
    const type = index === null ? undefined : this.#types[index];
    return type?.kind === 'result' ? type : undefined;
  }

  /** @param {Type} type @returns {Encode} */
  #makeEncoder(type) {
    switch (type.kind) {
      case 'bool':
        return (to, value) => to.u8(value ? 1 : 0);
      case 'u8': {
        const checked = integer('u8');
        return (to, value) => to.u8(checked(value));
      }
      case 'u32': {
        const checked = integer('u32');
        return (to, value) => to.u32(checked(value));
      }
      case 's8':
      case 's16':
      case 'u16':
      case 's32':
      case 'f32':
      case 'f64': {
        const [name, size] = NUMBERS[type.kind];
        const checked = type.kind in RANGES ? integer(type.kind) : float;
        return (to, value) => to.number(`set${name}`, size, checked(value));
      }
      case 's64':
      case 'u64': {
        const checked = long(type.kind === 's64');
        return (to, value) => to.u64(BigInt.asUintN(64, checked(value)));
      }
      case 'char':
        return (to, value) => to.u32(codePoint(value));
      case 'string':
        return (to, value) => {
          if (typeof value !== 'string') throw mismatch('a string', value);
          to.string(value);
        };
      case 'list':
        return this.#makeListEncoder(type.of);
      case 'fixed-list': {
        const encode = this.#makeElementsEncoder(type.of);
        return (to, value) => encode(to, value, type.length);
      }
      case 'record':
        return this.#makeRecordEncoder(type.fields);
      case 'tuple': {
        const encoders = type.types.map((of) => this.encoder(of));
        return (to, value) => {
          if (!Array.isArray(value) || value.length !== encoders.length) {
            throw mismatch(`an array of ${encoders.length}`, value);
          }
          encodeEach(encoders, to, value);
        };
      }
      case 'variant': {
        const cases = type.cases.map(([name, of]) => [name, this.#encoderOfSome(of)]);
        return makeTaggedEncoder(cases, (to, index) => to.u32(index));
      }
      case 'enum': {
        const numbers = new Map(type.names.map((name, index) => [name, index]));
        return (to, value) => {
          const number = numbers.get(value);
          if (number === undefined) throw mismatch(either(type.names), value);
          to.u32(number);
        };
      }
      case 'option': {
        const encode = this.encoder(type.of);
        if (this.isOption(type.of)) {
          const cases = [
            ['none', () => {}],
            ['some', encode],
          ];
          return makeTaggedEncoder(cases, (to, index) => to.u8(index));
        }
        return (to, value) => {
          const isSome = value !== undefined && value !== null;
          to.u8(isSome ? 1 : 0);
          if (isSome) encode(to, value);
        };
      }
      case 'result': {
        const cases = [
          ['ok', this.#encoderOfSome(type.ok)],
          ['err', this.#encoderOfSome(type.err)],
        ];
        return makeTaggedEncoder(cases, (to, index) => to.u8(index));
      }
      case 'flags':
        return makeFlagsEncoder(type.names);
      case 'own':
      case 'borrow': {
        const [resources, isOwned] = [this.#resources, type.kind === 'own'];
        return (to, value) => to.u32(resources.number(type.resource, value, isOwned, to));
      }
      case 'stream':
      case 'future': {
        const [streams, of] = [this.#streams, type.of];
        if (!streams) return () => {};
        const elements = this.#elementsOf(of);
        const write = type.kind === 'stream' ? 'writeStream' : 'writeFuture';
        return (to, value) => streams[write](to, value, of ?? undefined, elements);
      }
      default:
        return () => {
          throw new Mismatch(`${type.name} can't be handed over`);
        };
    }
  }

  /** @param {number | null} of @returns {Encode} */
  #encoderOfSome(of) {
    return of === null ? () => {} : this.encoder(of);
  }

  /** @param {number} of @returns {Encode} */
  #makeListEncoder(of) {
    const encode = this.#makeElementsEncoder(of);
    const isBytes = this.#types[of].kind === 'u8';
    return (to, value) => {
      if (isBytes && types.isAnyArrayBuffer(value)) value = new Uint8Array(value);
      encode(to, value);
    };
  }

  /**
   * The encoder of elements, after their number unless that is fixed. An array is asked for its length once:
   * it may be a Proxy.
   *
   * @param {number} of
   * @returns {(to: Writer, values: any, fixed?: number) => void}
   */
  #makeElementsEncoder(of) {
    const encode = this.encoder(of);
    const Typed = ARRAYS[this.#types[of].kind];
    return (to, values, fixed) => {
      const isTyped = types.isTypedArray(values);
      const length = isTyped ? typed.length(values) : Array.isArray(values) ? values.length : NaN;
      if (!(length >= 0 && length < 2 ** 32) || (fixed !== undefined && length !== fixed)) {
        const array = Typed ? `${Typed.name} or an array` : 'an array';
        throw mismatch(fixed === undefined ? array : `${array} of ${fixed} elements`, values);
      }
      if (fixed === undefined) to.u32(length);
      if (isTyped && Typed && typed.tag(values) === Typed.name) {
        const offset = typed.byteOffset(values);
        return to.raw(new Uint8Array(typed.buffer(values), offset, typed.byteLength(values)));
      }
      for (let i = 0; i < length; i++) {
        try {
          encode(to, values[i]);
        } catch (error) {
          throw within(error, `[${i}]`);
        }
      }
    };
  }

  /** @param {readonly [name: string, of: number][]} fields @returns {Encode} */
  #makeRecordEncoder(fields) {
    const all = fields.map(([name, of]) => ({ key: camel(name), encode: this.encoder(of) }));
    const keys = all.map(({ key }) => key).join(', ');
    return (to, value) => {
      requireObject(value, `an object { ${keys} }`);
      for (const { key, encode } of all) {
        try {
          encode(to, value[key]);
        } catch (error) {
          throw within(error, `.${key}`);
        }
      }
    };
  }

  /** @param {Type} type @returns {Decode} */
  #makeDecoder(type) {
    switch (type.kind) {
      case 'bool':
        return (from) => from.u8() !== 0;
      case 'u8':
        return (from) => from.u8();
      case 'u32':
        return (from) => from.u32();
      case 's8':
      case 's16':
      case 'u16':
      case 's32':
      case 'f32':
      case 'f64': {
        const [name, size] = NUMBERS[type.kind];
        return (from) => from.number(`get${name}`, size);
      }
      case 's64':
        return (from) => from.bigint('getBigInt64');
      case 'u64':
        return (from) => from.bigint('getBigUint64');
      case 'char':
        return (from) => String.fromCodePoint(from.u32());
      case 'string':
        return (from) => from.string();
      case 'list': {
        const decode = this.#makeElementsDecoder(type.of);
        return (from) => decode(from, from.u32());
      }
      case 'fixed-list': {
        const decode = this.#makeElementsDecoder(type.of);
        return (from) => decode(from, type.length);
      }
      case 'record': {
        const fields = type.fields.map(([name, of]) => ({
          key: camel(name),
          decode: this.decoder(of),
        }));
        return (from) => {
          /** @type {Record<string, unknown>} */
          const record = {};
          for (const { key, decode } of fields) record[key] = decode(from);
          return record;
        };
      }
      case 'tuple': {
        const decoders = type.types.map((of) => this.decoder(of));
        return (from) => decoders.map((decode) => decode(from));
      }
      case 'variant': {
        const cases = type.cases.map(([name, of]) => this.#makeTaggedDecoder(name, of));
        return (from) => cases[from.u32()](from);
      }
      case 'enum':
        return (from) => type.names[from.u32()];
      case 'option': {
        const decode = this.decoder(type.of);
        if (!this.isOption(type.of)) {
          return (from) => (from.u8() === 0 ? undefined : decode(from));
        }
        return (from) => (from.u8() === 0 ? { tag: 'none' } : { tag: 'some', val: decode(from) });
      }
      case 'result': {
        // With `val` always, as jco has it.
        const decoders = [type.ok, type.err].map((of) => this.#decoderOfSome(of));
        return (from) => {
          const isError = from.u8();
          return { tag: isError ? 'err' : 'ok', val: decoders[isError](from) };
        };
      }
      case 'flags': {
        const names = type.names.map(camel);
        const none = Object.fromEntries(names.map((name) => [name, false]));
        return (from) => {
          const bits = from.raw(Math.ceil(names.length / 8));
          /** @type {Record<string, boolean>} */
          const flags = { ...none };
          for (let i = 0; i < names.length; i++) {
            if ((bits[i >> 3] >> (i & 7)) & 1) flags[names[i]] = true;
          }
          return flags;
        };
      }
      case 'own':
      case 'borrow': {
        const [resources, isOwned] = [this.#resources, type.kind === 'own'];
        return (from) => resources.object(type.resource, from.u32(), isOwned, from);
      }
      case 'stream':
      case 'future': {
        const [streams, of, { kind }] = [this.#streams, type.of, type];
        if (!streams) return () => undefined;
        const elements = this.#elementsOf(of);
        return (from) => streams.object(kind, of ?? undefined, from.u32(), elements);
      }
      default:
        return () => undefined;
    }
  }

  /** @param {number | null} of @returns {Decode} */
  #decoderOfSome(of) {
    return of === null ? () => undefined : this.decoder(of);
  }

  /** @param {string} tag @param {number | null} of @returns {Decode} */
  #makeTaggedDecoder(tag, of) {
    if (of === null) return () => ({ tag });
    const decode = this.decoder(of);
    return (from) => ({ tag, val: decode(from) });
  }

  /** @param {number} of @returns {(from: Reader, count: number) => any} */
  #makeElementsDecoder(of) {
    const Typed = ARRAYS[this.#types[of].kind];
    if (Typed === Uint8Array) return (from, count) => from.raw(count);
    if (Typed) {
      return (from, count) => new Typed(from.raw(count * Typed.BYTES_PER_ELEMENT).buffer);
    }
    const decode = this.decoder(of);
    return (from, count) => {
      const values = [];
      for (let i = 0; i < count; i++) values.push(decode(from));
      return values;
    };
  }
}

/**
 * The types that a type is made of.
 *
 * @param {any} type
 * @returns {number[]}
 */
function partsOf({ of, fields = [], types = [], cases = [], ok, err }) {
  const named = [...fields, ...cases].map(([, part]) => part);
  return [of, ...named, ...types, ok, err].filter((part) => typeof part === 'number');
}

/** @param {Encode[]} encoders @param {Writer} to @param {readonly any[]} values */
function encodeEach(encoders, to, values) {
  for (let i = 0; i < encoders.length; i++) {
    try {
      encoders[i](to, values[i]);
    } catch (error) {
      throw within(error, `[${i}]`);
    }
  }
}

/**
 * The encoder of `{ tag, val }`.
 *
 * @param {any[]} cases name and encoder of each
 * @param {(to: Writer, index: number) => void} writeCase
 * @returns {Encode}
 */
function makeTaggedEncoder(cases, writeCase) {
  const names = cases.map(([name]) => name);
  const numbers = new Map(names.map((name, index) => [name, index]));
  return (to, value) => {
    requireObject(value, `an object { tag: ${either(names)} }`);
    const number = numbers.get(value.tag);
    if (number === undefined) throw within(mismatch(either(names), value.tag), '.tag');
    writeCase(to, number);
    try {
      cases[number][1](to, value.val);
    } catch (error) {
      throw within(error, '.val');
    }
  };
}

/** @param {readonly string[]} names @returns {Encode} */
function makeFlagsEncoder(names) {
  const numbers = new Map(names.map((name, index) => [camel(name), index]));
  const expected = `an object of booleans { ${[...numbers.keys()].join(', ')} }`;
  return (to, value) => {
    requireObject(value, expected);
    const bits = new Uint8Array(Math.ceil(names.length / 8));
    for (const [name, isSet] of Object.entries(value)) {
      const number = numbers.get(name);
      if (number === undefined)
        throw new Mismatch(`expected ${expected}, got a property '${name}'`);
      if (isSet) bits[number >> 3] |= 1 << (number & 7);
    }
    to.raw(bits);
  };
}

module.exports = { ARRAYS, Codec, Mismatch, Reader, Writer, mismatch, takeBack, within };
