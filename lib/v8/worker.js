'use strict';

// The program of a worker: it runs one guest after the other. The addon settles each run.

const { parentPort, workerData } = require('node:worker_threads');
const { engine } = require('../addon.js').once(workerData.addon);
const { checkLength, requireLimit } = require('./heap.js');
const { exportsOf, importsOf, trapMessage } = require('./guest.js');

/** @typedef {import('../types.js').Job} Job */

/**
 * A guest, made by the addon from the plan of its run.
 *
 * @typedef {object} Guest
 * @property {string} namespace of its system calls
 * @property {Record<string, Function>} syscalls
 * @property {(memory: WebAssembly.Memory, main: Function) => void} start
 * @property {(failure: object) => void} fail
 */

const port = /** @type {import('node:worker_threads').MessagePort} */ (parentPort);

port.on('message', (/** @type {Job} */ job) => {
  /** @type {Guest | undefined} */
  const guest = engine.guest(job.number, job.version);
  if (guest) run(guest, job); // otherwise the addon has settled the run with an error
});

/** @param {Guest} guest @param {Job} job */
function run(guest, { module, memories, start }) {
  try {
    if (workerData.isLimited) requireLimit();
    const imports = importsOf(guest.namespace, guest.syscalls, memories);
    // For crates/modules/src/rewrite/array_checks.rs. No guest imports this namespace itself.
    imports['wasi-rs'] = { fits: checkLength };
    const { memory, _start } = exportsOf(new WebAssembly.Instance(module, imports), start);
    guest.start(memory, /** @type {Function} */ (_start));
  } catch (error) {
    guest.fail(describe(error));
  }
}

/** The parts of an exception. Another thread makes the same exception of them. @param {unknown} thrown */
function describe(thrown) {
  const trap = trapMessage(thrown);
  if (trap !== undefined) return { trap };
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  const { name, message, stack, code } = /** @type {NodeJS.ErrnoException} */ (error);
  return { name, message, stack, code };
}
