'use strict';

// run(), spawn() and compile(): programs off the event loop.

const { Cancellation, ProgramHandle, bytesOf, choose, handleOf } = require('./program.js');

/** @typedef {import('./program.js').Handle} Handle */

/** The handle of each `Program`. @type {WeakMap<object, Handle>} */
const handles = new WeakMap();

/** A compiled program, to be run any number of times. */
class Program {
  /** @param {Handle} handle */
  constructor(handle) {
    handles.set(this, handle);
  }

  /** The kind of the module. Others than commands are refused. */
  get kind() {
    return 'command';
  }

  /** The edition of WASI that it imports, if any. */
  get version() {
    return resolve(this).describe().version;
  }

  get imports() {
    return resolve(this).describe().imports;
  }

  get exports() {
    return resolve(this).describe().exports;
  }

  get memory() {
    return resolve(this).describe().memory;
  }

  /** @param {any} [options] */
  run(options) {
    return run(this, options);
  }

  /** @param {any} [options] */
  spawn(options) {
    return spawn(this, options);
  }

  /** The machine code, for `deserialize()`. @returns {Promise<Buffer>} */
  async serialize() {
    return resolve(this).serialize();
  }
}

/** @param {any} source @param {any} [options] @returns {Handle} */
function resolve(source, options) {
  if (source instanceof ProgramHandle) return source; // of the command line
  return handles.get(source) ?? handleOf(source, readCache(options?.cache));
}

/** @param {any} cache */
function readCache(cache) {
  if (cache === undefined || typeof cache === 'boolean') return cache;
  if (typeof cache === 'string' && !cache.includes('\0')) return cache;
  if (typeof cache === 'string') {
    const reason = 'must be a string without null bytes';
    throw require('./errors.js').invalidArgValue('options.cache', cache, reason);
  }
  const expected = 'one of type boolean or string';
  throw require('./errors.js').invalidArgType('options.cache', expected, cache);
}

/**
 * The program, its options, and the engine, which is still being chosen.
 *
 * @param {any} source
 * @param {any} options
 * @param {boolean} isSpawned
 */
function prepare(source, options, isSpawned) {
  const handle = resolve(source, options);
  handle.prefetch(options); // while everything else is loaded
  const checked = require('./options.js').readOptions(options, isSpawned, handle.source);
  const cancellation = new Cancellation();
  const chosen = choose(handle, checked, cancellation);
  return { handle, checked, choice: { cancellation, chosen } };
}

/**
 * Runs a program off the event loop.
 *
 * @param {any} source
 * @param {any} [options]
 * @returns {Promise<import('./execute.js').Outcome>}
 */
async function run(source, options) {
  const { handle, checked, choice } = prepare(source, options, false);
  const { Execution } = require('./execute.js');
  return new Execution(handle, choice, checked).result;
}

/**
 * Starts a program off the event loop, and returns at once.
 *
 * @param {any} source
 * @param {any} [options]
 */
function spawn(source, options) {
  const { handle, checked, choice } = prepare(source, options, true);
  const { GuestProcess } = require('./child.js');
  return new GuestProcess(handle, choice, checked);
}

/**
 * Compiles a program, or finds its machine code in the cache.
 *
 * @param {any} source
 * @param {any} [options]
 * @returns {Promise<Program>}
 */
async function compile(source, options) {
  require('./options.js').checkCompileOptions(options);
  const handle = resolve(source, options);
  await handle.compile();
  return new Program(handle);
}

/**
 * Makes a program of the bytes that `serialize()` gave. Machine code is trusted: it must not come from
 * anywhere else.
 *
 * @param {any} bytes
 * @returns {Promise<Program>}
 */
async function deserialize(bytes) {
  require('./options.js').requirePermission();
  const handle = new ProgramHandle(bytesOf(bytes, 'bytes', 'an instance of'), false, true);
  await handle.compile();
  return new Program(handle);
}

module.exports = { compile, deserialize, run, spawn };
