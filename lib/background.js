'use strict';

// Machine code for the next time, made by a thread of low priority once the run is over, or takes long. What ends sooner
// never gets any: who wants it for a short-lived program calls compile().

const { setImmediate } = require('node:timers');
const { isUnfit } = require('./program.js');
const { compileLater } = require('./requests.js');

/** How long a program has the processors for itself, in milliseconds. */
const HEAD_START = 1000;

/** How many paths are remembered. */
const MAX_PATHS = 1000;

/** The paths that this process has asked for already. @type {Set<string>} */
const askedPaths = new Set();
/** The bytes, by what they are in. @type {WeakSet<ArrayBufferLike>} */
const askedBytes = new WeakSet();

/**
 * Has a program compiled when its run is over, or takes long; unless that was asked before. Nothing that goes wrong with it
 * concerns anybody.
 *
 * @param {import('./program.js').Handle} code
 * @param {Promise<unknown>} [run] of which the end is told on this thread
 */
function compileAfter(code, run) {
  const { source, cache } = code;
  try {
    if (cache === undefined || isAsked(source) || isUnfit(cache)) return;
    const native = code.native();
    if (!compileLater(native, HEAD_START)) return;
    remember(source);
    // Behind what whoever waits for the run does then.
    const soon = () => void setImmediate(compileLater, native, 0);
    run?.then(soon, soon);
  } catch {
    // Its file can't be read.
  }
}

/** Tells whether that was asked before. @param {string | Uint8Array} source */
function isAsked(source) {
  return typeof source === 'string' ? askedPaths.has(source) : askedBytes.has(source.buffer);
}

/** @param {string | Uint8Array} source */
function remember(source) {
  if (typeof source !== 'string') return void askedBytes.add(source.buffer);
  if (askedPaths.size >= MAX_PATHS) askedPaths.clear();
  askedPaths.add(source);
}

module.exports = { compileAfter };
