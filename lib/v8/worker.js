'use strict';

// The program of a worker: it runs one guest after the other. The addon settles each run.

const { parentPort, workerData } = require('node:worker_threads');
const { files, once } = require('../addon.js');
const { exportsOf, importsOf, stackOfTrap, trapMessage } = require('./guest.js');
const { moduleOf } = require('./modules.js');

Object.assign(files, workerData.files);
const { engine } = once(workerData.addon);

/**
 * @typedef {import('../types.js').Job} Job
 * @typedef {import('../types.js').Prepared} Prepared
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

/** Loaded for a module that the user has passed. */
const given = () => require('./given.js');

/** The imports of crates/modules/src/rewrite/array_checks.rs. No guest imports this namespace itself. */
const ARRAY_CHECKS = {
  get fits() {
    return heap().checkLength;
  },
};

const port = /** @type {import('node:worker_threads').MessagePort} */ (parentPort);

port.on('message', (/** @type {Job} */ { number, module, isGiven }) => {
  const program = engine.v8Program(number);
  const compiled = module ? Promise.resolve(module) : moduleOf(program);
  compiled.then(
    (module) => begin(number, { program, module, isGiven }),
    (error) => engine.refuse(number, exceptionOf(error)),
  );
});

/**
 * @typedef {Required<Pick<Prepared, 'program' | 'module'>> & Pick<Prepared, 'isGiven'>} Compiled
 */

/** @param {number} number of the run @param {Compiled} compiled */
function begin(number, compiled) {
  /** @type {Guest | undefined} */
  const guest = engine.guest(number);
  if (guest) run(guest, compiled); // otherwise the addon has settled the run with an error
}

/** @param {Guest} guest @param {Compiled} compiled */
function run(guest, { program: { memories, start }, module, isGiven }) {
  try {
    if (workerData.isLimited) heap().requireLimit();
    const imports = importsOf(guest.namespace, guest.syscalls, memories);
    imports['wasi-rs'] = ARRAY_CHECKS;
    const { memory, _start } = exportsOf(new WebAssembly.Instance(module, imports), start);
    if (isGiven && !given().isMain(_start)) guest.fail({ wrong: given().NOT_MAIN });
    else guest.start(memory, /** @type {Function} */ (_start));
  } catch (error) {
    const isTooEarly = isGiven && /** @type {any} */ (error)?.code === 'ERR_WASI_NOT_STARTED';
    guest.fail(isTooEarly ? { wrong: given().TOO_EARLY } : endOf(error));
  }
}

/** The end of a guest that has thrown this. @param {unknown} thrown */
function endOf(thrown) {
  const trap = trapMessage(thrown);
  const exception = exceptionOf(thrown);
  if (trap === undefined) return exception;
  return { trap, cause: { ...exception, stack: stackOfTrap(exception) } };
}

/** @param {unknown} thrown @returns {import('../types.js').Exception} */
function exceptionOf(thrown) {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  const { name, message, stack, code } = /** @type {NodeJS.ErrnoException} */ (error);
  return { name, message, stack, code };
}
