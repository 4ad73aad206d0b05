'use strict';

// What a guest in V8 needs beside the class, in a worker or on the main thread.

/** @typedef {WebAssembly.Exports & { memory: WebAssembly.Memory }} Exports */

/** How many functions of a guest the message of a trap names. */
Error.stackTraceLimit = 50;

/** The memory of a program without one. */
const NO_MEMORY = new WebAssembly.Memory({ initial: 0, maximum: 0 });

/**
 * A memory that a program imports.
 *
 * @typedef {{ module: string, name: string, type: WebAssembly.MemoryDescriptor }} ImportedMemory
 */

/**
 * What a program imports: its syscalls, and memories that are made for it.
 *
 * @param {string} namespace
 * @param {Record<string, Function>} syscalls
 * @param {readonly ImportedMemory[]} memories
 * @returns {WebAssembly.Imports}
 */
function importsOf(namespace, syscalls, memories) {
  /** @type {Record<string, WebAssembly.ModuleImports>} */
  const imports = { [namespace]: { ...syscalls } };
  for (const { module, name, type } of memories) {
    imports[module] = { ...imports[module], [name]: new WebAssembly.Memory(type) };
  }
  return imports;
}

/**
 * The exports of an instance, with a memory, which the class asks for; a program that only exits need not have one.
 *
 * @param {WebAssembly.Instance} instance
 * @returns {Exports}
 */
function exportsOf({ exports }) {
  const { memory } = exports;
  return { ...exports, memory: memory instanceof WebAssembly.Memory ? memory : NO_MEMORY };
}

/**
 * What V8 says of a trap, with the functions of the guest that it happened in.
 *
 * @param {unknown} error
 * @returns {string | undefined} of what is no trap, nothing
 */
function trapMessage(error) {
  if (isException(error)) return 'wasm trap: an exception that the program does not catch';
  if (!(error instanceof WebAssembly.RuntimeError) && !isStackOverflow(error)) return undefined;
  const { message, stack = '' } = error;
  const frames = stack.split('\n').filter((line) => line.includes('wasm://'));
  const functions = frames.map((line) => line.replace(/wasm:\/\/[^:]*:/, ''));
  return [`wasm trap: ${message}`, ...functions].join('\n');
}

/** @param {unknown} error */
function isException(error) {
  const { Exception } = /** @type {any} */ (WebAssembly);
  return Exception !== undefined && error instanceof Exception;
}

/** @param {unknown} error @returns {error is RangeError} */
function isStackOverflow(error) {
  return error instanceof RangeError && error.message.includes('call stack');
}

module.exports = { NO_MEMORY, exportsOf, importsOf, trapMessage };
