import { createRequire } from 'node:module';
import loadWabt from 'wabt';

const wabt = await loadWabt();

/**
 * The bytes of a module from WebAssembly text.
 *
 * @param {string} text
 */
export function assemble(text) {
  const features = { threads: true, bulk_memory: true, exceptions: true, memory64: true };
  const parsed = wabt.parseWat('test.wat', text, features);
  try {
    return parsed.toBinary({}).buffer;
  } finally {
    parsed.destroy();
  }
}

/**
 * A module from WebAssembly text.
 *
 * @param {string} text
 */
export const wat = (text) => new WebAssembly.Module(assemble(text));

const { engineAddon } = createRequire(import.meta.url)('../../lib/addon.js');

/**
 * The bytes of a module from WebAssembly text that has what wabt does not know: garbage-collected types, several memories.
 *
 * @param {string} text
 * @returns {Buffer}
 */
export const assembleAny = (text) => engineAddon().watToWasm(text);
