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
