'use strict';

const { Reader, SECTION, sections } = require('./binary.js');

/** @typedef {InstanceType<typeof import('./binary.js').Reader>} Input */

/**
 * Bounds of a memory (in pages) or a table (in elements), and where in the module they stand.
 *
 * @typedef {{ flags: number, min: number, max: number | undefined, start: number, end: number }} Limits
 *
 * @typedef {{ params: number[], results: number[] }} FunctionType value types, as the bytes that encode them
 *
 * @typedef {'function' | 'table' | 'memory' | 'global' | 'tag'} Kind
 *
 * @typedef {object} Import
 * @property {string} module
 * @property {string} name
 * @property {Kind} kind
 * @property {FunctionType} [type] of a function
 * @property {Limits} [limits] of a table or memory
 */

/** How sections are read, by their number. @type {Record<number, (reader: Input, found: Module) => void>} */
const READERS = {
  [SECTION.type]: readTypes,
  [SECTION.import]: readImports,
  [SECTION.table]: readTables,
  [SECTION.memory]: readMemories,
  [SECTION.export]: readExports,
};

/**
 * What a core module wants and has, as far as anybody here asks.
 *
 * @param {Uint8Array} bytes
 */
function readModule(bytes) {
  /** @type {Module} */
  const found = { types: [], imports: [], tables: [], memories: [], exports: [] };
  for (const { id, start, end } of sections(bytes)) {
    const read = READERS[id];
    if (!read) continue;
    const reader = new Reader(bytes, start, end);
    read(reader, found);
    if (!reader.done) reader.fail('section longer than its content');
  }
  return found;
}

/**
 * @typedef {object} Module
 * @property {(FunctionType | undefined)[]} types those that are no function's are undefined
 * @property {Import[]} imports
 * @property {Limits[]} tables those it defines
 * @property {Limits[]} memories those it defines
 * @property {{ name: string, kind: Kind, index: number }[]} exports
 */

/** @param {Input} reader @param {Module} found */
function readTypes(reader, found) {
  reader.vector(() => {
    if (reader.bytes[reader.at] !== 0x4e) return found.types.push(readSubtype(reader));
    reader.byte(); // a group of types that name each other
    reader.vector(() => found.types.push(readSubtype(reader)));
  });
}

/** @param {Input} reader @returns {FunctionType | undefined} */
function readSubtype(reader) {
  let form = reader.byte();
  if (form === 0x50 || form === 0x4f) {
    reader.vector(() => reader.u32()); // its supertypes
    form = reader.byte();
  }
  if (form === 0x60) {
    return {
      params: reader.vector(() => readValueType(reader)),
      results: reader.vector(() => readValueType(reader)),
    };
  }
  const field = () => {
    readValueType(reader, PACKED);
    reader.byte(); // whether it is mutable
  };
  if (form === 0x5f) reader.vector(field);
  else if (form === 0x5e) field();
  else reader.fail(`unknown form of type 0x${form.toString(16)}`);
  return undefined;
}

/** i8 and i16, which only fields have. */
const PACKED = [0x78, 0x77];

/** @param {Input} reader @param {number[]} [more] codes that are allowed here @returns {number} its first byte */
function readValueType(reader, more = []) {
  const code = reader.byte();
  if (code === 0x63 || code === 0x64)
    reader.skipInteger(); // a reference to a heap type
  else if (code < 0x69 || (code > 0x74 && code < 0x7b && !more.includes(code)) || code > 0x7f) {
    reader.fail(`unknown type 0x${code.toString(16)}`);
  }
  return code;
}

/** @param {Input} reader @param {Module} found */
function readImports(reader, found) {
  found.imports = reader.vector(() => {
    const names = { module: reader.name(), name: reader.name() };
    return { ...names, ...readImported(reader, found) };
  });
}

/** @param {Input} reader @param {Module} found @returns {Omit<Import, 'module' | 'name'>} */
function readImported(reader, found) {
  const kind = reader.byte();
  switch (kind) {
    case 0:
      return { kind: 'function', type: found.types[reader.u32()] };
    case 1:
      readValueType(reader);
      return { kind: 'table', limits: readLimits(reader) };
    case 2:
      return { kind: 'memory', limits: readLimits(reader) };
    case 3:
      readValueType(reader);
      reader.byte(); // whether it is mutable
      return { kind: 'global' };
    case 4:
      reader.byte();
      reader.u32();
      return { kind: 'tag' };
    default:
      return reader.fail(`unknown kind of import 0x${kind.toString(16)}`);
  }
}

/**
 * The functions that a module defines, by the numbers of their types. There may be tens of thousands.
 *
 * @param {Uint8Array} bytes
 * @returns {number[]}
 */
function readFunctions(bytes) {
  const section = sections(bytes).find(({ id }) => id === SECTION.function);
  if (!section) return [];
  const reader = new Reader(bytes, section.start, section.end);
  return reader.vector(() => reader.u32());
}

/** What can be exported, in the order of its codes. @type {readonly Kind[]} */
const KINDS = ['function', 'table', 'memory', 'global', 'tag'];

/** @param {Input} reader @param {Module} found */
function readExports(reader, found) {
  found.exports = reader.vector(() => {
    const name = reader.name();
    const kind = KINDS[reader.byte()] ?? reader.fail('unknown kind of export');
    return { name, kind, index: reader.u32() };
  });
}

/** @param {Input} reader @param {Module} found */
function readTables(reader, found) {
  found.tables = reader.vector(() => {
    const initialised = reader.bytes[reader.at] === 0x40;
    if (initialised) reader.take(2);
    readValueType(reader);
    const limits = readLimits(reader);
    if (initialised) skipConstant(reader);
    return limits;
  });
}

/** @param {Input} reader @param {Module} found */
function readMemories(reader, found) {
  found.memories = reader.vector(() => readLimits(reader));
}

const HAS_MAX = 1;
const IS_SHARED = 2;
const IS_64 = 4;
/** The flags there are: a maximum, shared, 64-bit. */
const ALL_FLAGS = 7;

/** @param {Input} reader @returns {Limits} */
function readLimits(reader) {
  const start = reader.at;
  const flags = reader.byte();
  if (flags > ALL_FLAGS) reader.fail(`unknown kind of limits 0x${flags.toString(16)}`);
  const read = () => (flags & IS_64 ? reader.u64() : reader.u32());
  const min = read();
  const max = flags & HAS_MAX ? read() : undefined;
  return { flags, min, max, start, end: reader.at };
}

/** Passes a constant expression, with its `end`. @param {Input} reader */
function skipConstant(reader) {
  for (;;) {
    const opcode = reader.byte();
    if (opcode === 0x0b) return; // end
    if (opcode === 0x23 || opcode === 0xd2)
      reader.u32(); // global.get, ref.func
    else if (opcode === 0x41 || opcode === 0x42 || opcode === 0xd0)
      reader.skipInteger(); // i32, i64, ref.null
    else if (opcode === 0x43)
      reader.take(4); // f32.const
    else if (opcode === 0x44)
      reader.take(8); // f64.const
    else if (opcode === 0xfb) skipConstantOfGc(reader);
    else if (opcode === 0xfd) skipVector(reader);
    else if (!ARITHMETIC.includes(opcode)) reader.fail(`unknown constant 0x${opcode.toString(16)}`);
  }
}

/** Add, subtract, multiply. */
const ARITHMETIC = [0x6a, 0x6b, 0x6c, 0x7c, 0x7d, 0x7e];

/** struct.new and array.new (with their defaults), array.new_fixed, and conversions. @param {Input} reader */
function skipConstantOfGc(reader) {
  const opcode = reader.u32();
  if ([0, 1, 6, 7].includes(opcode)) reader.u32();
  else if (opcode === 8) [reader.u32(), reader.u32()];
  else if (![26, 27, 28].includes(opcode)) reader.fail(`unknown constant 0xfb ${opcode}`);
}

/** v128.const. @param {Input} reader */
function skipVector(reader) {
  const opcode = reader.u32();
  if (opcode !== 12) reader.fail(`unknown constant 0xfd ${opcode}`);
  reader.take(16);
}

module.exports = { HAS_MAX, IS_64, IS_SHARED, readFunctions, readModule };
