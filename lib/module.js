'use strict';

// A program that is a WebAssembly.Module: V8 has compiled it, and nobody has its bytes. It runs in V8 as it
// is.

const requests = require('./requests.js');

/**
 * @typedef {import('./types.js').Description} Description
 * @typedef {import('./types.js').Prepared} Prepared
 */

/** A program of a WebAssembly.Module, as run(), spawn() and Program share it. */
class ModuleHandle {
  /** The folder that keeps machine code. @type {undefined} */
  cache = undefined;
  isModule = true;
  /** True if the source is machine code. */
  isCode = false;
  /** @type {Promise<Prepared> | undefined} */
  #prepared;
  /** @type {Description | undefined} */
  #description;

  /** @param {WebAssembly.Module} source */
  constructor(source) {
    this.source = source;
  }

  /** The program as the engine V8 gets it. There is no file to be read. */
  v8() {
    this.#prepared ??= this.#prepare();
    this.#prepared.catch(() => {}); // reported to the run
    return { prepared: this.#prepared, isRead: Promise.resolve() };
  }

  /** Checks its imports and exports. @returns {Promise<Prepared>} */
  async #prepare() {
    const { source: module } = this;
    const { imports, exports } = WebAssembly.Module;
    const names = { imports: imports(module), exports: exports(module) };
    const { program, description } = requests.moduleProgram(names);
    this.#description = Object.freeze(description);
    return { program, module, isGiven: true };
  }

  /** Checks that it is a program. */
  async compile() {
    await this.v8().prepared;
  }

  /** The description of the program, once it has been checked. */
  describe() {
    return /** @type {Description} */ (this.#description);
  }

  /** @returns {Promise<never>} */
  async serialize() {
    const why = `has no machine code: it is a WebAssembly.Module; compile its bytes or its path instead`;
    throw requests.wasiError('ERR_WASI_PROGRAM', `the program ${why}`);
  }

  /** Does nothing: the module is immutable, and there is nothing to search for. */
  native() {}

  /** Does nothing, likewise. */
  prefetch() {}
}

/**
 * True for a WebAssembly.Module of any realm. V8 itself tells, for an object may have any prototype and tag.
 *
 * @param {any} value
 * @returns {value is WebAssembly.Module}
 */
function isModule(value) {
  if (value === null || typeof value !== 'object' || ArrayBuffer.isView(value)) return false;
  try {
    WebAssembly.Module.imports(value);
    return true;
  } catch {
    return false;
  }
}

module.exports = { ModuleHandle, isModule };
