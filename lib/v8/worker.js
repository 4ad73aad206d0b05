'use strict';

// The program of a worker: it runs one guest after the other. The addon settles each run.

const { parentPort, workerData } = require('node:worker_threads');
const { engine } = require('../addon.js').once(workerData.addon);
const { exportsOf, importsOf, trapMessage } = require('./guest.js');
const { moduleOf } = require('./modules.js');

/**
 * @typedef {import('../types.js').Job} Job
 * @typedef {import('../types.js').V8Program} V8Program
 */

/**
 * A guest, made by the addon from the plan of its run.
 *
 * @typedef {object} Guest
 * @property {string} namespace of its system calls
 * @property {Record<string, Function>} syscalls
 * @property {(memory: WebAssembly.Memory, main: Function) => void} start
 * @property {(failure: object) => void} fail
 */

/** Loaded for garbage-collected objects. */
const heap = () => require('./heap.js');

/** The imports of crates/modules/src/rewrite/array_checks.rs. No guest imports this namespace itself. */
const ARRAY_CHECKS = {
  get fits() {
    return heap().checkLength;
  },
};

const port = /** @type {import('node:worker_threads').MessagePort} */ (parentPort);

port.on('message', (/** @type {Job} */ { number, module }) => {
  const program = engine.v8Program(number);
  const compiled = module ? Promise.resolve(module) : moduleOf(program);
  compiled.then(
    (module) => begin(number, program, module),
    (error) => engine.refuse(number, exceptionOf(error)),
  );
});

/** @param {number} number of the run @param {V8Program} program @param {WebAssembly.Module} module */
function begin(number, program, module) {
  /** @type {Guest | undefined} */
  const guest = engine.guest(number);
  if (guest) run(guest, program, module); // otherwise the addon has settled the run with an error
}

/** @param {Guest} guest @param {V8Program} program @param {WebAssembly.Module} module */
function run(guest, { memories, start }, module) {
  try {
    if (workerData.isLimited) heap().requireLimit();
    const imports = importsOf(guest.namespace, guest.syscalls, memories);
    imports['wasi-rs'] = ARRAY_CHECKS;
    const { memory, _start } = exportsOf(new WebAssembly.Instance(module, imports), start);
    guest.start(memory, /** @type {Function} */ (_start));
  } catch (error) {
    guest.fail(endOf(error));
  }
}

/** The end of a guest that has thrown this. @param {unknown} thrown */
function endOf(thrown) {
  const trap = trapMessage(thrown);
  return trap === undefined ? exceptionOf(thrown) : { trap };
}

/** The parts of an exception. Another thread makes the same exception of them. @param {unknown} thrown */
function exceptionOf(thrown) {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  const { name, message, stack, code } = /** @type {NodeJS.ErrnoException} */ (error);
  return { name, message, stack, code };
}
