'use strict';

const { PAGE, splice, unsigned } = require('./binary.js');
const { unusable } = require('./errors.js');
const { HAS_MAX, IS_64, readModule } = require('./module.js');

/**
 * V8 limits no memory and no table but by what the module itself declares as their maximum; so that is lowered.
 *
 * @param {Uint8Array} bytes a core module
 * @param {{ memory?: number | undefined, tableElements?: number | undefined }} limits bytes of all memories, elements of all
 * tables
 * @returns {Uint8Array} the module itself if it asks for no more than that
 * @throws {Error} with code ERR_WASI_PROGRAM if it can't start with so little
 */
function limitModule(bytes, { memory = Infinity, tableElements = Infinity }) {
  if (memory === Infinity && tableElements === Infinity) return bytes;
  const { imports, tables, memories } = readModule(bytes);
  /** @param {string} kind */
  const imported = (kind) => imports.flatMap((one) => (one.kind === kind && one.limits) || []);
  const lowered = [
    ...lower([...imported('memory'), ...memories], 2 ** 16, Math.floor(memory / PAGE), (min) => {
      return `${min * PAGE} bytes of memory, more than the ${memory} of limits.memory`;
    }),
    ...lower([...imported('table'), ...tables], 2 ** 32, tableElements, (min) => {
      return `tables of ${min} elements, more than the ${tableElements} of limits.tableElements`;
    }),
  ];
  return lowered.length === 0 ? bytes : splice(bytes, lowered);
}

/**
 * The first may grow as far as its own maximum and the minima of the others allow, the second by what that leaves, and so on.
 *
 * @param {import('./module.js').Limits[]} all memories, or all tables
 * @param {number} greatest one of 32 bits
 * @param {number} limit of their sum
 * @param {(least: number) => string} describe what they need to begin with
 * @returns {import('./binary.js').Edit[]} of those whose maximum has to change
 */
function lower(all, greatest, limit, describe) {
  const least = all.reduce((sum, { min }) => sum + min, 0);
  if (least > limit) throw unusable(`can't be started: it needs ${describe(least)}`);
  let room = limit - least;
  return all.flatMap(({ flags, min, max = flags & IS_64 ? 2 ** 64 : greatest, start, end }) => {
    const most = Math.min(max, min + room);
    room -= most - min;
    if (most === max) return [];
    const content = [flags | HAS_MAX, ...unsigned(min), ...unsigned(most)];
    return [{ start, end, content }];
  });
}

module.exports = { limitModule };
