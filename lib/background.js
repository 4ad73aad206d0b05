'use strict';

// Machine code for later runs, made by a thread of low priority when the run is over, or takes long. A
// process that ends sooner makes none; compile() makes it at once.

const { setImmediate } = require('node:timers');
const { isUnfit } = require('./program.js');
const { compileLater } = require('./requests.js');

/** The time that a program has the processors for itself, in milliseconds. */
const HEAD_START = 1000;

/** The most paths that are remembered. */
const MAX_PATHS = 1000;

/** The paths of the programs that have been requested. @type {Set<string>} */
const requestedPaths = new Set();
/** The buffers of the programs that have been requested. @type {WeakSet<ArrayBufferLike>} */
const requestedBuffers = new WeakSet();

/**
 * Has a program compiled when its run is over, or takes long, unless that has been requested before. Errors
 * are not reported.
 *
 * @param {import('./program.js').Handle} handle
 * @param {Promise<unknown>} [run] settles when the run is over
 */
function compileAfter(handle, run) {
  const { source, cache } = handle;
  try {
    if (cache === undefined || isRequested(source) || isUnfit(cache)) return;
    const native = handle.native();
    if (!compileLater(native, HEAD_START)) return;
    remember(source);
    // After the callbacks of those who wait for the run.
    const soon = () => void setImmediate(compileLater, native, 0);
    run?.then(soon, soon);
  } catch {
    // The program's file can't be read.
  }
}

/** True if machine code has been requested before. @param {string | Uint8Array} source */
function isRequested(source) {
  return typeof source === 'string'
    ? requestedPaths.has(source)
    : requestedBuffers.has(source.buffer);
}

/** @param {string | Uint8Array} source */
function remember(source) {
  if (typeof source !== 'string') return void requestedBuffers.add(source.buffer);
  if (requestedPaths.size >= MAX_PATHS) requestedPaths.clear();
  requestedPaths.add(source);
}

module.exports = { compileAfter };
