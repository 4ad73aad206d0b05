// The class WASI of the standard edition: objects, instances to start, and the errors of what is done in a wrong order.

import { WASI } from '../../index.js';
import { Guest } from './guest.mjs';
import { wat } from './wat.mjs';

/** An instance with a memory and these other exports. */
export const instanceWith = (exports = '', imports = {}) =>
  new WebAssembly.Instance(wat(`(module (memory (export "memory") 1) ${exports})`), imports);

export const command = instanceWith('(func (export "_start"))');
export const reactor = instanceWith('(func (export "_initialize"))');

/** A WASI object. @param {object} [options] */
export const preview1 = (options) => new WASI({ version: 'preview1', ...options });

/** What `start()` answers for a guest that ends with `proc_exit(code)`. */
export const exitWith = (code, options) =>
  new Guest(options, { start: `(call $proc_exit (i32.const ${code}))` }).result;

/** The own symbol property with this description. */
export const symbol = (object, description) =>
  Object.getOwnPropertySymbols(object).find((candidate) => candidate.description === description);

export const notStarted = {
  name: 'Error',
  code: 'ERR_WASI_NOT_STARTED',
  message: 'wasi.start() has not been called',
};
export const alreadyStarted = {
  name: 'Error',
  code: 'ERR_WASI_ALREADY_STARTED',
  message: 'WASI instance has already started',
};
export const invalidType = (message) => ({
  name: 'TypeError',
  code: 'ERR_INVALID_ARG_TYPE',
  message,
});
