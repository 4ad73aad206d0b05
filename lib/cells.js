'use strict';

// Numbers between JavaScript and WebAssembly: a cell of eight bytes for each. They are converted as
// WebAssembly's JavaScript interface has it, by the setters of DataView: an i64 takes a BigInt only, the
// others anything but one.

const CELL = 8;

/** The method of a DataView that reads and the one that writes a type, by its letter. */
const TYPES = /** @type {const} */ ({
  i: ['getInt32', 'setInt32'],
  I: ['getBigInt64', 'setBigInt64'],
  f: ['getFloat32', 'setFloat32'],
  F: ['getFloat64', 'setFloat64'],
});

/** @typedef {keyof typeof TYPES} Letter */

/** @param {string} types a letter each */
const lettersOf = (types) => /** @type {Letter[]} */ ([...types]);

/**
 * The cells of values; what is missing is `undefined`, as for any function.
 *
 * @param {string} types
 * @param {readonly unknown[]} values
 * @returns {ArrayBuffer}
 */
function encode(types, values) {
  const view = new DataView(new ArrayBuffer(types.length * CELL));
  encodeInto(view, types, values);
  return view.buffer;
}

/**
 * Writes the cells of values.
 *
 * @param {DataView} view with room for them
 * @param {string} types
 * @param {readonly unknown[]} values
 * @returns {number} the bytes that they take
 */
function encodeInto(view, types, values) {
  for (let i = 0; i < types.length; i++) {
    const [, set] = TYPES[/** @type {Letter} */ (types[i])];
    view[set](i * CELL, /** @type {never} */ (values[i]), true);
  }
  return types.length * CELL;
}

/**
 * @param {string} types
 * @param {ArrayBuffer} cells
 * @returns {(number | bigint)[]}
 */
const decode = (types, cells) => decodeFrom(new DataView(cells), types);

/**
 * @param {DataView} view of cells
 * @param {string} types
 * @returns {(number | bigint)[]}
 */
function decodeFrom(view, types) {
  return lettersOf(types).map((letter, i) => view[TYPES[letter][0]](i * CELL, true));
}

/**
 * The cells of a function's result, which is an iterable of results if it has several.
 *
 * @param {string} types
 * @param {any} result
 */
function encodeResult(types, result) {
  if (types.length < 2) return encode(types, [result]);
  const results = [...result];
  if (results.length === types.length) return encode(types, results);
  throw new TypeError(`a function with ${types.length} results has returned ${results.length}`);
}

/**
 * The result of a function: an array if it has several.
 *
 * @param {string} types
 * @param {ArrayBuffer} cells
 */
const decodeResult = (types, cells) => decodeResultFrom(new DataView(cells), types);

/**
 * @param {DataView} view of cells
 * @param {string} types
 */
function decodeResultFrom(view, types) {
  if (types.length === 1) return view[TYPES[/** @type {Letter} */ (types)][0]](0, true);
  return types.length === 0 ? undefined : decodeFrom(view, types);
}

module.exports = { CELL, decode, decodeResult, decodeResultFrom, encode, encodeInto, encodeResult };
