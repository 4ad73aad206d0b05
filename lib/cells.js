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
 * @param {unknown[]} values
 * @returns {ArrayBuffer}
 */
function encode(types, values) {
  const view = new DataView(new ArrayBuffer(types.length * CELL));
  for (const [i, letter] of lettersOf(types).entries()) {
    const [, set] = TYPES[letter];
    view[set](i * CELL, /** @type {never} */ (values[i]), true);
  }
  return view.buffer;
}

/**
 * @param {string} types
 * @param {ArrayBuffer} cells
 * @returns {(number | bigint)[]}
 */
function decode(types, cells) {
  const view = new DataView(cells);
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
function decodeResult(types, cells) {
  const results = decode(types, cells);
  return types.length < 2 ? results[0] : results;
}

module.exports = { decode, decodeResult, encode, encodeResult };
