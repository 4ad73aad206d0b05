'use strict';

// The instructions of WebAssembly, as far as it takes to find some of them: how long each is, and which of them may take
// long by themselves.

const { Reader } = require('./binary.js');

/** @typedef {InstanceType<typeof Reader>} Input */

/** What may follow an opcode, by the letters used below. @type {Record<string, (reader: Input) => unknown>} */
const SKIP = {
  i: (reader) => reader.skipInteger(),
  t: skipType,
  m: skipMemoryArgument,
  l: (reader) => reader.vector(() => reader.skipInteger()), // labels
  s: (reader) => reader.vector(() => skipType(reader)),
  c: (reader) => reader.vector(() => skipCatch(reader)),
  1: (reader) => reader.take(1),
  4: (reader) => reader.take(4),
  8: (reader) => reader.take(8),
  v: (reader) => reader.take(16),
};

/** A block's type, or a value's. @param {Input} reader */
function skipType(reader) {
  const code = reader.bytes[reader.at];
  reader.skipInteger();
  if (code === 0x63 || code === 0x64) reader.skipInteger(); // a reference to what
}

/** @param {Input} reader */
function skipMemoryArgument(reader) {
  const HAS_MEMORY = 0x40;
  if (reader.u32() & HAS_MEMORY) reader.skipInteger();
  reader.skipInteger();
}

/** One clause of try_table. @param {Input} reader */
function skipCatch(reader) {
  const FIRST_WITHOUT_TAG = 2;
  if (reader.byte() < FIRST_WITHOUT_TAG) reader.skipInteger();
  reader.skipInteger();
}

/** @param {[first: number, last: number, what: string][]} rows what follows these opcodes @returns {string[]} by opcode */
function table(rows) {
  /** @type {string[]} */
  const found = [];
  for (const [first, last, what] of rows) {
    for (let code = first; code <= last; code++) found[code] = what;
  }
  return found;
}

const PLAIN = table([
  [0x00, 0x01, ''],
  [0x02, 0x04, 't'], // block, loop, if
  [0x05, 0x05, ''],
  [0x06, 0x06, 't'], // try
  [0x07, 0x09, 'i'], // catch, throw, rethrow
  [0x0a, 0x0b, ''],
  [0x0c, 0x0d, 'i'], // br, br_if
  [0x0e, 0x0e, 'li'], // br_table
  [0x0f, 0x0f, ''],
  [0x10, 0x10, 'i'], // call
  [0x11, 0x11, 'ii'],
  [0x12, 0x12, 'i'],
  [0x13, 0x13, 'ii'],
  [0x14, 0x15, 'i'],
  [0x18, 0x18, 'i'], // delegate
  [0x19, 0x1b, ''],
  [0x1c, 0x1c, 's'], // select with types
  [0x1f, 0x1f, 'tc'], // try_table
  [0x20, 0x26, 'i'], // of locals, globals, tables
  [0x28, 0x3e, 'm'], // loads and stores
  [0x3f, 0x42, 'i'], // memory.size, memory.grow, i32.const, i64.const
  [0x43, 0x43, '4'],
  [0x44, 0x44, '8'],
  [0x45, 0xc4, ''],
  [0xd0, 0xd0, 'i'], // ref.null
  [0xd1, 0xd1, ''],
  [0xd2, 0xd2, 'i'], // ref.func
  [0xd3, 0xd4, ''],
  [0xd5, 0xd6, 'i'], // br_on_null, br_on_non_null
]);

const OF_REFERENCES = table([
  [0, 1, 'i'], // struct.new
  [2, 5, 'ii'], // of fields
  [6, 7, 'i'], // array.new
  [8, 10, 'ii'],
  [11, 14, 'i'], // of elements
  [15, 15, ''],
  [16, 16, 'i'], // array.fill
  [17, 19, 'ii'], // array.copy, array.init
  [20, 23, 'i'], // ref.test, ref.cast
  [24, 25, '1iii'], // br_on_cast
  [26, 30, ''],
]);

const OF_BULK = table([
  [0, 7, ''], // truncations
  [8, 8, 'ii'], // memory.init
  [9, 9, 'i'],
  [10, 10, 'ii'], // memory.copy
  [11, 11, 'i'], // memory.fill
  [12, 12, 'ii'], // table.init
  [13, 13, 'i'],
  [14, 14, 'ii'], // table.copy
  [15, 17, 'i'], // table.grow, table.size, table.fill
]);

const OF_VECTORS = table([
  [0, 11, 'm'],
  [12, 13, 'v'], // v128.const, i8x16.shuffle
  [14, 20, ''],
  [21, 34, '1'], // of lanes
  [35, 83, ''],
  [84, 91, 'm1'],
  [92, 93, 'm'],
  [94, 0x113, ''],
]);

const OF_THREADS = table([
  [0, 2, 'm'], // notify, wait
  [3, 3, '1'], // fence
  [0x10, 0x4e, 'm'],
]);

/**
 * The instructions that may take long, by prefix and code: what their immediates number.
 *
 * @type {Record<number, Record<number, Space[]>>}
 */
const LONG = {
  0xfb: {
    6: ['type'], // array.new
    7: ['type'],
    9: ['type', 'data'],
    10: ['type', 'element'],
    16: ['type'], // array.fill
    17: ['type', 'type'], // array.copy
    18: ['type', 'data'],
    19: ['type', 'element'],
  },
  0xfc: {
    8: ['data', 'memory'], // memory.init
    10: ['memory', 'memory'], // memory.copy
    11: ['memory'], // memory.fill
    12: ['element', 'table'], // table.init
    14: ['table', 'table'], // table.copy
    15: ['table'], // table.grow
    17: ['table'], // table.fill
  },
};

/** Opcodes after which another follows: what follows those. @type {Map<number, string[]>} */
const PREFIXES = new Map([
  [0xfb, OF_REFERENCES],
  [0xfc, OF_BULK],
  [0xfd, OF_VECTORS],
  [0xfe, OF_THREADS],
]);

/** @typedef {'type' | 'data' | 'element' | 'memory' | 'table'} Space what there may be several of */

/**
 * Where there may be an instruction that takes long: all of them, and what looks like one. Soon told, of many megabytes.
 *
 * @param {Uint8Array} bytes
 * @param {number} start
 * @param {number} end
 * @param {Record<Space, number>} counts how many there are of what instructions number: most programs have few of it, so
 * little looks like such an instruction
 * @returns {number[]} in order
 */
function seekLong(bytes, start, end, counts) {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, end); // whose search is the fastest there is
  return Object.entries(LONG)
    .flatMap(([prefix, codes]) => seekPrefixed(buffer, start, Number(prefix), codes, counts))
    .sort((a, b) => a - b);
}

/** @param {Buffer} bytes @param {number} start @param {number} prefix @param {Record<number, Space[]>} codes @param {Record<Space, number>} counts */
function seekPrefixed(bytes, start, prefix, codes, counts) {
  const possible = Object.entries(codes).filter(([, spaces]) =>
    spaces.every((it) => counts[it] > 0),
  );
  /** @type {number[]} */
  const found = [];
  if (possible.length === 0) return found;
  const spacesOf = new Map(possible.map(([code, spaces]) => [Number(code), spaces]));
  for (let at = bytes.indexOf(prefix, start); at >= 0; at = bytes.indexOf(prefix, at + 1)) {
    // The codes are below 128, so the first byte has all of one, also where more follow that add nothing.
    if (spacesOf.has(bytes[at + 1] & 0x7f) && isWhole(bytes, at + 1, spacesOf, counts))
      found.push(at);
  }
  return found;
}

/** Whether a code stands there, and immediates that it may have. @param {Buffer} bytes @param {number} at @param {Map<number, Space[]>} spacesOf @param {Record<Space, number>} counts */
function isWhole(bytes, at, spacesOf, counts) {
  const reader = new Reader(bytes, at);
  try {
    return spacesOf.get(reader.u32())?.every((space) => reader.u32() < counts[space]) ?? false;
  } catch {
    return false; // no number
  }
}

/**
 * Where the instructions of a function are that may take long by themselves, as they go over memories, tables or arrays.
 *
 * @param {Uint8Array} bytes
 * @param {number} start where its locals are declared
 * @param {number} end
 * @returns {number[]} none where it has instructions that are not known here
 */
function findLong(bytes, start, end) {
  const reader = new Reader(bytes, start, end);
  reader.vector(() => {
    reader.skipInteger();
    skipType(reader);
  });
  const found = [];
  while (!reader.done) {
    const { at } = reader;
    const first = reader.byte();
    const shapes = PREFIXES.get(first);
    const code = shapes ? reader.u32() : first;
    const shape = (shapes ?? PLAIN)[code];
    if (shape === undefined) return [];
    if (LONG[first]?.[code]) found.push(at);
    for (let i = 0; i < shape.length; i++) SKIP[shape[i]](reader);
  }
  return found;
}

module.exports = { findLong, seekLong };
