'use strict';

// run(), spawn() and compile(): programs off the event loop.

const program = require('./program.js');
const { Cancellation, ProgramHandle, bytesOf, choose, handleOf, readCache } = program;

/**
 * @typedef {import('./program.js').AnyHandle} Handle
 *
 * @typedef {import('./program.js').Handle} LoadableHandle of no WebAssembly.Module
 */

/** The handle of each `Program`. @type {WeakMap<object, Handle>} */
const handles = new WeakMap();

/** A compiled program, to be run any number of times. */
class Program {
  #runner;

  /**
   * @param {Handle} handle
   * @param {import('./types.js').Runs} [runner] whose program it is
   */
  constructor(handle, runner) {
    handles.set(this, handle);
    this.#runner = runner;
  }

  /** The handle of a program; throws ERR_INVALID_THIS for another `this` of a method. @param {any} value */
  static #handleOf(value) {
    if (!(#runner in Object(value))) throw require('./errors.js').invalidThis('Program');
    return /** @type {Handle} */ (handles.get(value));
  }

  /** The kind of the module: a command, a reactor, or neither. */
  get kind() {
    return Program.#handleOf(this).describe().kind;
  }

  /** The edition of WASI that it imports, if any. */
  get version() {
    return Program.#handleOf(this).describe().version;
  }

  get imports() {
    return Program.#handleOf(this).describe().imports;
  }

  get exports() {
    return Program.#handleOf(this).describe().exports;
  }

  /** The imports that the options have to give, in words. */
  get missing() {
    return Program.#handleOf(this).describe().missing;
  }

  get memory() {
    return Program.#handleOf(this).describe().memory;
  }

  /** @param {any} [options] */
  async run(options) {
    Program.#handleOf(this);
    return this.#runner?.run(this, options) ?? run(this, options, Program.prototype.run);
  }

  /** @param {any} [options] */
  spawn(options) {
    Program.#handleOf(this);
    return this.#runner?.spawn(this, options) ?? spawn(this, options, Program.prototype.spawn);
  }

  /** @param {any} [options] */
  async load(options) {
    Program.#handleOf(this);
    return load(this, options, Program.prototype.load);
  }

  /** @param {any} [options] */
  loadSync(options) {
    Program.#handleOf(this);
    return loadSync(this, options, Program.prototype.loadSync);
  }

  /**
   * A program that begins with the state that an instance of this one has after a function.
   *
   * @param {any} init
   * @param {any} [options]
   */
  async prepare(init, options) {
    const caller = callerOf(Program.prototype.prepare);
    const handle = Program.#handleOf(this);
    return new Program(
      await located(require('./prepare.js').prepare(handle, init, options), caller),
      this.#runner,
    );
  }

  /** The machine code, for `deserialize()`. @returns {Promise<Buffer>} */
  async serialize() {
    const caller = callerOf(Program.prototype.serialize);
    return located(Program.#handleOf(this).serialize(), caller);
  }
}

/**
 * @param {any} source
 * @param {any} [options]
 * @param {boolean} [isForAny] true if it need not be a command
 * @returns {Handle}
 */
function resolve(source, options, isForAny = options?.imports !== undefined) {
  if (source instanceof ProgramHandle) return source; // of the command line
  return handles.get(source) ?? handleOf(source, readCache(options?.cache), isForAny);
}

/**
 * The stack of a call, for the errors that it leads to: the one of the answer shows nothing of the user's.
 * Only an error makes text of it.
 *
 * @param {Function} entry the function that the user has called
 * @returns {import('./errors.js').Caller}
 */
function callerOf(entry) {
  const caller = {};
  Error.captureStackTrace(caller, entry);
  return caller;
}

/**
 * A promise whose errors have the stack of the caller.
 *
 * @template T
 * @param {Promise<T>} promise
 * @param {import('./errors.js').Caller} caller
 * @returns {Promise<T>}
 */
function located(promise, caller) {
  return promise.catch((error) => {
    throw require('./errors.js').from(error, caller);
  });
}

/** The choice of an engine for a program that does not run. @type {import('./execute.js').Choice} */
const NO_CHOICE = { cancellation: new Cancellation(), chosen: new Promise(() => {}) };

/**
 * The program, its options, and the engine, which is still being chosen.
 *
 * @param {any} source
 * @param {any} options
 * @param {boolean} isSpawned
 * @param {import('./execute.js').Pool} [pool] in which the program runs
 */
function prepare(source, options, isSpawned, pool) {
  const handle = resolve(source, options);
  if (!pool) handle.prefetch(options); // while everything else is loaded
  const checked = require('./options.js').readOptions(options, isSpawned, handle.source);
  pool?.requireOpen();
  if (checked.signal?.aborted) return { handle, checked, choice: { ...NO_CHOICE, pool } };
  const cancellation = new Cancellation();
  if (pool) return { handle, checked, choice: choiceIn(pool, handle, checked, cancellation) };
  const chosen = choose(handle, checked, cancellation);
  return { handle, checked, choice: { cancellation, chosen } };
}

/**
 * The choice of an engine for a program in a pool. It is made when the program has a place.
 *
 * @param {import('./execute.js').Pool} pool
 * @param {Handle} handle
 * @param {import('./options.js').Options} checked
 * @param {InstanceType<typeof Cancellation>} cancellation
 * @returns {import('./execute.js').Choice}
 */
function choiceIn(pool, handle, checked, cancellation) {
  const place = pool.enter(cancellation);
  handle.native(); // copies its bytes, which may change while it waits
  const choice = () => choose(handle, checked, cancellation);
  const chosen = place.taken ? place.taken.then(choice) : choice();
  return { cancellation, chosen, pool, place };
}

/**
 * Runs a program off the event loop.
 *
 * @param {any} source
 * @param {any} [options]
 * @param {Function} [entry] the function that the user has called
 * @param {import('./execute.js').Pool} [pool]
 * @returns {Promise<import('./execute.js').Outcome>}
 */
async function run(source, options, entry = run, pool) {
  const caller = callerOf(entry);
  const { handle, checked, choice } = prepare(source, options, false, pool);
  const { Execution } = require('./execute.js');
  return new Execution(handle, choice, checked, caller).result;
}

/**
 * Starts a program off the event loop, and returns at once.
 *
 * @param {any} source
 * @param {any} [options]
 * @param {Function} [entry] the function that the user has called
 * @param {import('./execute.js').Pool} [pool]
 */
function spawn(source, options, entry = spawn, pool) {
  const caller = callerOf(entry);
  const { handle, checked, choice } = prepare(source, options, true, pool);
  const { GuestProcess } = require('./child.js');
  return new GuestProcess(handle, choice, checked, caller);
}

/**
 * Compiles a program, or finds its machine code in the cache.
 *
 * @param {any} source
 * @param {any} [options]
 * @param {Function} [entry] the function that the user has called
 * @param {import('./types.js').Runs} [runner] that the program is to run in
 * @returns {Promise<Program>}
 */
async function compile(source, options, entry = compile, runner) {
  const caller = callerOf(entry);
  require('./options.js').checkCompileOptions(options);
  const handle = resolve(source, options, true);
  await located(handle.compile(), caller);
  return new Program(handle, runner);
}

/**
 * Loads a module that lives on, so that its exports can be called.
 *
 * @param {any} source
 * @param {any} [options]
 * @param {Function} [entry] the function that the user has called
 */
async function load(source, options, entry = load) {
  const caller = callerOf(entry);
  const handle = resolve(source, options, true);
  const checked = require('./options.js').readLoadOptions(options, handle.source);
  if (checked.fresh) {
    const { loadFresh } = require('./fresh.js');
    return loadFresh(/** @type {LoadableHandle} */ (handle), options, checked, caller);
  }
  return located(
    require('./instance.js').load(/** @type {LoadableHandle} */ (handle), checked),
    caller,
  );
}

/**
 * Loads a module or component on this thread: its exports return values, and the event loop waits for them.
 *
 * @param {any} source
 * @param {any} [options]
 * @param {Function} [entry] the function that the user has called
 */
function loadSync(source, options, entry = loadSync) {
  const caller = callerOf(entry);
  try {
    const handle = resolve(source, options, true);
    const checked = require('./options.js').readLoadOptions(options, handle.source, true);
    return require('./here.js').loadSync(/** @type {LoadableHandle} */ (handle), checked);
  } catch (error) {
    throw require('./errors.js').from(error, caller);
  }
}

/**
 * Makes a program of the bytes that `serialize()` gave. Machine code is trusted: it must not come from
 * anywhere else.
 *
 * @param {any} bytes
 * @param {Function} [entry] the function that the user has called
 * @returns {Promise<Program>}
 */
async function deserialize(bytes, entry = deserialize) {
  const caller = callerOf(entry);
  require('./options.js').requirePermission();
  const handle = new ProgramHandle(bytesOf(bytes, 'bytes', 'an instance of'), false, {
    isCode: true,
    isForAny: true,
  });
  await located(handle.compile(), caller);
  return new Program(handle);
}

module.exports = { callerOf, choiceIn, compile, deserialize, load, loadSync, resolve, run, spawn };
