import loadWabt from 'wabt';

const wabt = await loadWabt();

/**
 * The bytes of a module from WebAssembly text.
 *
 * @param {string} text
 */
export function assemble(text) {
  const parsed = wabt.parseWat('test.wat', text, { threads: true, bulk_memory: true });
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
