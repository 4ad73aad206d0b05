'use strict';

// V8's baseline code looks for orders to stop where it enters a function; in a loop only when the loop has gone round so
// often that the function is to be optimised, thousands of times. Where each round fills gigabytes, that is hours. So
// before each instruction that may take long a function is called that does nothing: V8 looks as it enters.

const { Reader, SECTION, sections, sized, splice, unsigned } = require('./binary.js');
const { findLong, seekLong } = require('./code.js');

/** @typedef {import('./binary.js').Edit} Edit */

const TYPE = [0x60, 1, 0x7f, 0]; // (func (param i32))

/** More than V8 inlines: what is inlined is not entered. */
const MAX_INLINED = 4096;

/**
 * `(func $check (param i32) (if (local.get 0) (then (call $check (local.get 0)))))`: always called with 0, but optimised
 * code doesn't look for orders where it enters a function that calls none. (The rest is `nop`, of which no code is made.)
 *
 * @param {number} index of the function
 */
function body(index) {
  const code = [0x20, 0, 0x04, 0x40, 0x20, 0, 0x10, ...unsigned(index), 0x0b, 0x0b];
  return sized([0, ...Array(MAX_INLINED).fill(0x01), ...code]);
}

/**
 * A module that can be stopped between any two of its instructions that may take long.
 *
 * @param {Uint8Array} bytes a core module
 * @param {import('./module.js').Module} described what is in it
 * @returns {Uint8Array} the module itself if it has none
 */
function addChecks(bytes, described) {
  const { types, imports, functions } = described;
  const found = new Map(sections(bytes).map((section) => [section.id, section]));
  const code = found.get(SECTION.code);
  if (!code) return bytes;
  const sought = seekLong(bytes, code.start, code.end, countsOf(bytes, found, described));
  if (sought.length === 0) return bytes;
  const index = imports.filter(({ kind }) => kind === 'function').length + functions.length;
  const edits = editBodies(bytes, code, sought, [0x41, 0, 0x10, ...unsigned(index)]);
  if (edits.length === 0) return bytes;
  for (const [id, item] of /** @type {const} */ ([
    [SECTION.type, TYPE],
    [SECTION.function, unsigned(types.length)],
    [SECTION.code, body(index)],
  ])) {
    const section = found.get(id);
    if (section) edits.push(...append(bytes, section, item));
  }
  return splice(bytes, edits);
}

/** @typedef {{ start: number, end: number }} Span */

/**
 * How many there are in a module of what its instructions number.
 *
 * @param {Uint8Array} bytes
 * @param {Map<number, Span>} found its sections
 * @param {import('./module.js').Module} described
 */
function countsOf(bytes, found, { types, imports, tables, memories }) {
  const imported = (/** @type {string} */ kind) =>
    imports.filter((one) => one.kind === kind).length;
  const countIn = (/** @type {number} */ id) => {
    const section = found.get(id);
    return section ? new Reader(bytes, section.start, section.end).u32() : 0;
  };
  return {
    type: types.includes(undefined) ? types.length : 0, // of functions alone, there are no arrays
    data: countIn(SECTION.dataCount), // without it, no instruction may name one
    element: countIn(SECTION.element),
    memory: imported('memory') + memories.length,
    table: imported('table') + tables.length,
  };
}

/**
 * @param {Uint8Array} bytes
 * @param {Span} section of code
 * @param {number[]} sought where there may be instructions that take long, in order
 * @param {number[]} call of the check
 * @returns {Edit[]}
 */
function editBodies(bytes, section, sought, call) {
  const reader = new Reader(bytes, section.start, section.end);
  let next = 0;
  return reader
    .vector(() => {
      const start = reader.at;
      const length = reader.u32();
      const from = reader.at;
      reader.take(length);
      const before = next;
      while (sought[next] < reader.at) next++;
      if (next === before) return [];
      const places = findLong(bytes, from, reader.at);
      if (places.length === 0) return [];
      const longer = unsigned(length + places.length * call.length);
      return [
        { start, end: from, content: longer },
        ...places.map((at) => ({ start: at, end: at, content: call })),
      ];
    })
    .flat();
}

/** One item more in a section that is a list. @param {Uint8Array} bytes @param {Span} section @param {number[]} item @returns {Edit[]} */
function append(bytes, { start, end }, item) {
  const reader = new Reader(bytes, start, end);
  const count = reader.u32();
  return [
    { start, end: reader.at, content: unsigned(count + 1) },
    { start: end, end, content: item },
  ];
}

module.exports = { addChecks };
