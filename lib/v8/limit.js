'use strict';

const { PAGE, splice, unsigned } = require('./binary.js');
const { unusable } = require('./errors.js');
const { HAS_MAX, readModule } = require('./module.js');

/**
 * V8 limits no memory and no table but by what the module itself declares as their maximum; so that is lowered.
 *
 * @param {Uint8Array} bytes a core module
 * @param {{ memory?: number | undefined, tableElements?: number | undefined }} limits bytes of each memory, elements of
 * each table
 * @returns {Uint8Array} the module itself if it asks for no more than that
 * @throws {Error} with code ERR_WASI_PROGRAM if it can't start with so little
 */
function limitModule(bytes, { memory = Infinity, tableElements = Infinity }) {
  if (memory === Infinity && tableElements === Infinity) return bytes;
  const { imports, tables, memories } = readModule(bytes);
  /** @param {string} kind */
  const imported = (kind) => imports.flatMap((one) => (one.kind === kind && one.limits) || []);
  const lowered = [
    ...lower([...imported('memory'), ...memories], Math.floor(memory / PAGE), (min) => {
      return `${min * PAGE} bytes of memory, more than the ${memory} of limits.memory`;
    }),
    ...lower([...imported('table'), ...tables], tableElements, (min) => {
      return `a table of ${min} elements, more than the ${tableElements} of limits.tableElements`;
    }),
  ];
  return lowered.length === 0 ? bytes : splice(bytes, lowered);
}

/**
 * @param {import('./module.js').Limits[]} all
 * @param {number} limit
 * @param {(min: number) => string} describe what one needs that begins above the limit
 * @returns {import('./binary.js').Edit[]} of those whose maximum has to change
 */
function lower(all, limit, describe) {
  const tooLarge = all.find(({ min }) => min > limit);
  if (tooLarge) throw unusable(`can't be started: it needs ${describe(tooLarge.min)}`);
  return all
    .filter(({ max = Infinity }) => max > limit)
    .map(({ flags, min, start, end }) => {
      const content = [flags | HAS_MAX, ...unsigned(min), ...unsigned(limit)];
      return { start, end, content };
    });
}

module.exports = { limitModule };
