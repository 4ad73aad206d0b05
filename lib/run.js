'use strict';

// run(), spawn() and compile(): programs off the event loop.

const { Code, Interest, bytesOf, choose, codeOf } = require('./program.js');

/** @typedef {import('./program.js').ProgramCode} ProgramCode */

/** What is behind each program. @type {WeakMap<object, ProgramCode>} */
const codes = new WeakMap();

/** A compiled program, to be run any number of times. */
class Program {
  /** @param {ProgramCode} code */
  constructor(code) {
    codes.set(this, code);
  }

  /** @param {any} [options] */
  run(options) {
    return run(this, options);
  }

  /** @param {any} [options] */
  spawn(options) {
    return spawn(this, options);
  }

  /** Its machine code, for `deserialize()`. @returns {Promise<Buffer>} */
  async serialize() {
    return resolve(this).serialize();
  }
}

/** @param {any} source @param {any} [options] @returns {ProgramCode} */
function resolve(source, options) {
  if (source instanceof Code) return source; // of the command line
  return codes.get(source) ?? codeOf(source, readCache(options?.cache));
}

/** @param {any} cache */
function readCache(cache) {
  if (cache === undefined || typeof cache === 'boolean') return cache;
  if (typeof cache === 'string' && !cache.includes('\0')) return cache;
  if (typeof cache === 'string') {
    const reason = 'must be a string without null bytes';
    throw require('./errors.js').invalidArgValue('options.cache', cache, reason);
  }
  throw require('./errors.js').invalidArgType(
    'options.cache',
    'one of type boolean or string',
    cache,
  );
}

/**
 * The program, its options, and the engine that is being chosen.
 *
 * @param {any} source
 * @param {any} options
 * @param {boolean} isSpawned
 */
function prepare(source, options, isSpawned) {
  const code = resolve(source, options);
  code.expect(options); // while everything else is loaded
  const checked = require('./options.js').readOptions(options, isSpawned);
  const interest = new Interest();
  return { code, checked, choice: { interest, chosen: choose(code, checked, interest) } };
}

/**
 * Runs a program off the event loop.
 *
 * @param {any} source
 * @param {any} [options]
 * @returns {Promise<import('./execute.js').Outcome>}
 */
async function run(source, options) {
  const { code, checked, choice } = prepare(source, options, false);
  const { Execution } = require('./execute.js');
  return new Execution(code, choice, checked).result;
}

/**
 * Starts a program that runs beside this one.
 *
 * @param {any} source
 * @param {any} [options]
 */
function spawn(source, options) {
  const { code, checked, choice } = prepare(source, options, true);
  const { GuestProcess } = require('./child.js');
  return new GuestProcess(code, choice, checked);
}

/**
 * Compiles a program, or finds its machine code in the cache.
 *
 * @param {any} source
 * @param {any} [options]
 * @returns {Promise<Program>}
 */
async function compile(source, options) {
  const { requireObject, requirePermission } = require('./options.js');
  if (options !== undefined) requireObject(options, 'options');
  requirePermission();
  const code = resolve(source, options);
  await code.compile();
  return new Program(code);
}

/**
 * A program from what `serialize()` gave. Machine code is trusted: it must come from nowhere else.
 *
 * @param {any} bytes
 * @returns {Promise<Program>}
 */
async function deserialize(bytes) {
  require('./options.js').requirePermission();
  const code = new Code(bytesOf(bytes, 'bytes', 'an instance of'), false, true);
  await code.compile();
  return new Program(code);
}

module.exports = { compile, deserialize, run, spawn };
