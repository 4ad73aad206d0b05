'use strict';

// A program: its file or bytes, the machine code made of it and the folder that keeps it, and the engine that
// runs it.

const fs = require('node:fs');
const path = require('node:path');
const timers = require('node:timers');
const { classAddon, permission } = require('./addon.js');
const { ModuleHandle, isModule } = require('./module.js');
const requests = require('./requests.js');

/**
 * @typedef {ProgramHandle} Handle
 * @typedef {ProgramHandle | InstanceType<typeof ModuleHandle>} AnyHandle
 *
 * @typedef {object} ForV8
 * @property {Promise<import('./types.js').Prepared>} prepared
 * @property {Promise<void>} isRead rejects if the program's file can't be read
 */

/** The cancellation of the requests that are made for a run. */
class Cancellation {
  #isCancelled = false;
  /** @type {(() => void)[]} */
  #listeners = [];

  /** Calls a function when this is cancelled, or now if it has been. @param {() => void} listener */
  onCancel(listener) {
    if (this.#isCancelled) listener();
    else this.#listeners.push(listener);
  }

  cancel() {
    this.#isCancelled = true;
    for (const listener of this.#listeners.splice(0)) listener();
  }
}

/**
 * A preparation for V8 with one set of limits.
 *
 * @typedef {object} Preparation
 * @property {WeakRef<ForV8['prepared']>} prepared
 * @property {Promise<void>} isRead
 * @property {number} waiting the number of runs that wait for it
 * @property {() => void} cancel
 */

/** The bytes that tell components from modules, at their beginning. */
const HEAD = 8;
const LAYER = 6;

/**
 * True for a component, told by its beginning. False for what can't be read, which is reported elsewhere.
 *
 * @param {string | Uint8Array | WebAssembly.Module} source a path, bytes, or a module
 */
function isComponent(source) {
  if (typeof source === 'string') return headOf(source)[LAYER] === 1;
  return !isModule(source) && source[LAYER] === 1;
}

/** The first bytes of a file. @param {string} file */
function headOf(file) {
  const head = new Uint8Array(HEAD);
  try {
    // To open something else may wait.
    if (!fs.statSync(file).isFile()) return head;
    const descriptor = fs.openSync(file, fs.constants.O_RDONLY | (fs.constants.O_NONBLOCK ?? 0));
    try {
      fs.readSync(descriptor, head);
    } finally {
      fs.closeSync(descriptor);
    }
  } catch {
    // Reading the program tells.
  }
  return head;
}

/** A program as run(), spawn() and Program share it. */
class ProgramHandle {
  /** The preparations for V8 by their limits, while a run uses them. @type {Map<string, Preparation>} */
  #preparations = new Map();
  /** The program of the last preparation, kept for the next run. @type {ForV8['prepared'] | undefined} */
  #lastPrepared;
  /** The program as the addon knows it. @type {unknown} */
  #native;
  #isCompiled = false;
  #isForAny;
  /** @type {import('./types.js').Description | undefined} */
  #description;
  /** @type {import('./types.js').Interface | undefined} */
  #interface;
  /**
   * The answer to `isReady` for a run without limits, to be used once.
   *
   * @type {ReturnType<typeof requests.ask> | undefined}
   */
  #prefetched;

  /**
   * @param {string | Uint8Array} source a path or bytes
   * @param {boolean | string | undefined} cache
   * @param {{ isCode?: boolean, isForAny?: boolean }} [kind] `isCode` is true if the bytes are machine code,
   * `isForAny` if it need not be a command
   */
  constructor(source, cache, { isCode = false, isForAny = false } = {}) {
    this.source = source;
    this.isCode = isCode;
    this.#isForAny = isForAny;
    this.cache = permitted(cacheFolder(cache));
  }

  /** The program as the engine wasmtime gets it. @returns {unknown} */
  native() {
    const { source, isCode, cache } = this;
    const isForAny = this.#isForAny;
    this.#native ??= requests.makeProgram({ source, isCode, isForAny, ...(cache && { cache }) });
    return this.#native;
  }

  /**
   * The program as the engine V8 gets it. Reading it has begun when this returns.
   *
   * @param {import('./types.js').Limits} limits
   * @param {Cancellation} [cancellation]
   * @returns {ForV8}
   */
  v8(limits, cancellation = new Cancellation()) {
    const key = keyOf(limits);
    let preparation = this.#preparations.get(key);
    this.#lastPrepared = preparation?.prepared.deref();
    if (!preparation || !this.#lastPrepared) preparation = this.#prepare(key, limits);
    const prepared = /** @type {ForV8['prepared']} */ (this.#lastPrepared);
    const { isRead } = preparation;
    this.#share(key, preparation, cancellation);
    return { prepared, isRead };
  }

  /** @param {string} key @param {import('./types.js').Limits} limits @returns {Preparation} */
  #prepare(key, limits) {
    const { answer, cancel } = this.#ask('forV8', limits);
    const prepared = require('./v8/engine.js').prepare(answer);
    prepared.catch(() => {}); // reported to the run
    // Does not hold the program.
    const isRead = answer.then(() => {}, throwUnlessProgramError);
    isRead.catch(() => {});
    this.#dropUnused();
    const preparation = { prepared: new WeakRef(prepared), isRead, waiting: 0, cancel };
    this.#preparations.set(key, preparation);
    this.#lastPrepared = prepared;
    return preparation;
  }

  /**
   * Cancels a preparation when all runs that wait for it are cancelled.
   *
   * @param {string} key
   * @param {Preparation} preparation
   * @param {Cancellation} cancellation
   */
  #share(key, preparation, cancellation) {
    let isReading = true;
    const done = () => (isReading = false);
    preparation.isRead.then(done, done);
    preparation.waiting++;
    cancellation.onCancel(() => {
      if (!isReading || --preparation.waiting > 0) return;
      preparation.cancel();
      if (this.#preparations.get(key) === preparation) this.#preparations.delete(key);
    });
  }

  #dropUnused() {
    for (const [key, { prepared }] of this.#preparations) {
      if (!prepared.deref()) this.#preparations.delete(key);
    }
  }

  /** The program for V8 on the main thread. @returns {Promise<import('./types.js').V8Program>} */
  async forMainThread() {
    return this.#ask('forMainThread').answer;
  }

  /**
   * Asks the addon about the program.
   *
   * @param {Parameters<typeof requests.ask>[0]} question
   * @param {import('./types.js').Limits} [limits]
   */
  #ask(question, limits) {
    return requests.ask(question, this.native(), limits);
  }

  /** Makes machine code, or finds it in the cache. */
  async compile() {
    if (this.cache) isUnfit(this.cache);
    await this.#ask('compile').answer;
    this.#isCompiled = true;
  }

  /**
   * The description of the program, once it has been compiled.
   *
   * @returns {import('./types.js').Description}
   */
  describe() {
    return (this.#description ??= frozen(requests.addon.describe(this.native())));
  }

  /**
   * The description of a component's functions and types; undefined for a module.
   *
   * @param {import('./types.js').Limits} limits
   * @param {Cancellation} [cancellation]
   * @returns {Promise<import('./types.js').Interface | undefined>}
   */
  async interface(limits, cancellation) {
    if (!(await this.#mayBeComponent())) return undefined;
    if (this.#interface) return this.#interface;
    const { answer, cancel } = this.#ask('interface', limits);
    cancellation?.onCancel(cancel);
    return this.#parse(await answer);
  }

  /** The same description, for which nothing is compiled or kept. */
  async types() {
    if (!(await this.#mayBeComponent())) return undefined;
    return this.#parse(await this.#ask('types').answer);
  }

  /** The bytes of a program like this one, whose instances tell their state. @returns {Promise<Buffer>} */
  instrument() {
    return this.#ask('instrument').answer;
  }

  /** @param {import('./types.js').Limits} limits @returns {import('./types.js').Interface | undefined} */
  interfaceHere(limits) {
    return this.#parse(this.#interface ?? requests.interfaceHere(this.native(), limits));
  }

  /** @param {any} json of a component; undefined for a module */
  #parse(json) {
    if (typeof json === 'string') this.#interface = JSON.parse(json);
    return this.#interface;
  }

  /** False for a module, as far as it can be told by its beginning. */
  async #mayBeComponent() {
    const { source, isCode } = this;
    if (this.#interface || isCode) return true;
    return typeof source === 'string' ? this.#ask('isComponent').answer : isComponent(source);
  }

  /** True if the cache has machine code of the program. @returns {Promise<boolean>} */
  async isKept() {
    return this.#ask('isKept').answer;
  }

  /** The machine code. @returns {Promise<Buffer>} */
  async serialize() {
    return this.#ask('serialize').answer;
  }

  /**
   * Begins with the longest part of a run whose options have not been read and checked yet: has another
   * thread search for machine code, or a worker start.
   *
   * @param {any} options
   */
  prefetch(options) {
    const { limits, imports, deterministic, signal } = options ?? {};
    if (limits || imports || deterministic || signal?.aborted || permission) return;
    if (options?.engine === 'v8') return this.#prefetchForV8();
    if (options?.engine || this.#isCompiled) return;
    this.#prefetched = this.#ask('isReady');
    this.#prefetched.answer.catch(() => {}); // reported to the run
  }

  #prefetchForV8() {
    require('./v8/threads.js').prefetch(); // takes longest
    if (!this.#lastPrepared) this.#prepare(keyOf({}), {});
  }

  /**
   * Resolves to true if wasmtime runs the program without a delay: there is machine code for these limits, or
   * little to compile. The search for machine code has begun when this returns.
   *
   * @param {import('./types.js').Limits} limits
   * @param {Cancellation} [cancellation]
   * @returns {Promise<boolean>}
   */
  async isReady(limits, cancellation = new Cancellation()) {
    if (this.#isCompiled) return true;
    const prefetched = this.#prefetched;
    this.#prefetched = undefined; // there may be machine code the next time
    const { fuel, stack, deterministic } = limits;
    const isUsual = fuel === undefined && stack === undefined && !deterministic;
    const { answer, cancel } = (isUsual && prefetched) || this.#ask('isReady', limits);
    cancellation.onCancel(cancel);
    return answer;
  }
}

/**
 * The key of the preparations for these limits.
 *
 * @param {import('./types.js').Limits} limits
 */
const keyOf = ({ memory, tableElements }) => `${memory} ${tableElements}`;

/**
 * A path that stays the same when the working directory changes.
 *
 * @param {string} given
 */
function absolute(given) {
  // Dots stay: behind a link, only the system knows where `..` leads. And an empty path is not this
  // directory.
  if (path.isAbsolute(given) || given === '') return given;
  return process.platform === 'win32' ? path.resolve(given) : `${process.cwd()}/${given}`;
}

/** The value, frozen with all that it holds. @template T @param {T} value @returns {T} */
function frozen(value) {
  if (value !== null && typeof value === 'object') Object.values(value).forEach(frozen);
  return Object.freeze(value);
}

/**
 * The folder that keeps machine code: as the option or `WASI_RS_CACHE` says; with `true`, in the system's
 * folder for caches. Undefined without either, and where `false` or an empty variable turns it off.
 *
 * @param {boolean | string | undefined} option
 * @returns {string | undefined}
 */
function cacheFolder(option) {
  if (option === false) return undefined;
  if (typeof option === 'string') return absolute(option);
  const { WASI_RS_CACHE } = process.env;
  if (WASI_RS_CACHE !== undefined) return WASI_RS_CACHE ? absolute(WASI_RS_CACHE) : undefined;
  if (!option) return undefined;
  const base = baseFolder();
  return base && `${base}${path.sep}wasi-rs`;
}

/** True if a folder for machine code is not the default one. @param {string} folder */
function isChosen(folder) {
  return process.env.WASI_RS_CACHE !== undefined || folder !== cacheFolder(true);
}

/** The option `cache`, checked and with an absolute path. @param {any} cache */
function readCache(cache) {
  if (cache === undefined || typeof cache === 'boolean') return cache;
  if (typeof cache === 'string' || isURL(cache)) return pathOf(cache, 'options.cache');
  const expected = 'one of type boolean or string or an instance of URL';
  throw require('./errors.js').invalidArgType('options.cache', expected, cache);
}

/** The folders that a warning has been given for. @type {Set<string>} */
const reported = new Set();

/**
 * True if nothing can be kept in a folder: other users may read it, a guest may write to it unnoticed, or it
 * can't be made. This is no error, but a warning is given if the folder is not the default one.
 *
 * @param {string} folder
 */
function isUnfit(folder) {
  const reason = requests.makeCache(folder);
  if (reason !== undefined && isChosen(folder) && !reported.has(folder)) {
    reported.add(folder);
    const message = `no machine code is kept in ${folder}: ${reason}`;
    process.emitWarning(message, { type: 'Warning', code: 'WASI_RS_CACHE' });
  }
  return reason !== undefined;
}

/** @returns {string | undefined} */
function baseFolder() {
  const { LOCALAPPDATA, XDG_CACHE_HOME } = process.env;
  if (process.platform === 'win32') return LOCALAPPDATA;
  // As the XDG specification has it: a relative path counts for nothing.
  if (XDG_CACHE_HOME && path.isAbsolute(XDG_CACHE_HOME)) return XDG_CACHE_HOME;
  const home = homeFolder();
  if (!home) return undefined;
  return process.platform === 'darwin'
    ? path.join(home, 'Library/Caches')
    : path.join(home, '.cache');
}

function homeFolder() {
  const { HOME } = process.env;
  if (HOME !== undefined) return HOME; // as homedir() does
  try {
    return require('node:os').homedir();
  } catch {
    return undefined; // a user without a home, as in some containers
  }
}

/**
 * The folder, if Node's permission model lets the process read and write it.
 *
 * @param {string | undefined} folder
 */
function permitted(folder) {
  if (folder === undefined || !permission) return folder;
  return permission.has('fs.read', folder) && permission.has('fs.write', folder)
    ? folder
    : undefined;
}

/**
 * The program that a user passed.
 *
 * @template S
 * @param {S} given
 * @param {boolean | string | undefined} cache
 * @param {boolean} [isForAny] true if it need not be a command
 * @returns {S extends string | Uint8Array ? ProgramHandle : AnyHandle}
 */
const handleOf = (given, cache, isForAny) =>
  /** @type {any} */ (makeHandle(given, cache, isForAny));

/**
 * @param {any} source
 * @param {boolean | string | undefined} cache
 * @param {boolean} [isForAny] true if it need not be a command
 * @returns {AnyHandle}
 */
function makeHandle(source, cache, isForAny) {
  if (typeof source === 'string' || isURL(source)) {
    const file = pathOf(source, 'source', 'string, Uint8Array, or URL');
    return new ProgramHandle(file, cache, { isForAny });
  }
  if (isModule(source)) {
    if (cache) throw require('./errors.js').needsBytes('options.cache', cache);
    return new ModuleHandle(source);
  }
  const others = 'of type string or an instance of URL, WebAssembly.Module,';
  return new ProgramHandle(bytesOf(source, 'source', others), cache, { isForAny });
}

/**
 * True for a URL of any realm, recognized as Node recognizes it.
 *
 * @param {any} value
 * @returns {value is URL}
 */
function isURL(value) {
  if (value === null || typeof value !== 'object') return false;
  return typeof value.href === 'string' && typeof value.protocol === 'string';
}

/**
 * The absolute path of a file. The addon has the words for a URL, which may be of any realm: they are those
 * of the class.
 *
 * @param {string | URL} file
 * @param {string} name of the option
 * @param {string} [types] that it may be of, for the error
 * @returns {string}
 */
function pathOf(file, name, types) {
  if (typeof file === 'string') return absolute(withoutNull(file, name, types));
  return classAddon().filePath(file, name);
}

/**
 * Refuses a string with a NUL, at which the program, or the system, would take it to end.
 *
 * @param {string} text
 * @param {string} name
 * @param {string} [types] that the value may be of, for the error
 */
function withoutNull(text, name, types = 'string') {
  if (!text.includes('\0')) return text;
  const reason = `must be a ${types} without null bytes`;
  throw require('./errors.js').invalidArgValue(name, text, reason);
}

/**
 * The bytes of a buffer or of a view of one.
 *
 * @param {any} source
 * @param {string} name of the argument
 * @param {string} others the other types that it may be of
 * @returns {Uint8Array}
 */
function bytesOf(source, name, others) {
  if (ArrayBuffer.isView(source)) {
    return new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
  }
  const tag = Object.prototype.toString.call(source);
  if (tag === '[object ArrayBuffer]' || tag === '[object SharedArrayBuffer]') {
    return new Uint8Array(source);
  }
  throw require('./errors.js').invalidArgType(name, `${others} Uint8Array or ArrayBuffer`, source);
}

/**
 * An engine and the program as that engine gets it.
 *
 * @typedef {object} Chosen
 * @property {{ start: Function }} engine
 * @property {unknown} program
 * @property {boolean} [isFirst] true if machine code is to be made for later runs
 * @property {boolean} [mayChange] true if the other engine is tried when this one can't run the program
 */

/**
 * The engine that begins soonest: wasmtime where there is machine code, or little to compile; otherwise V8,
 * while machine code is made for later runs. A WebAssembly.Module runs in V8.
 *
 * @param {AnyHandle} handle
 * @param {{ engine: string, limits: import('./types.js').Limits, host?: unknown }} options
 * @param {Cancellation} cancellation
 * @returns {Promise<Chosen>}
 */
async function choose(handle, { engine, limits, host }, cancellation) {
  if ('isModule' in handle) return inV8(handle, limits, cancellation);
  // The engine V8 refuses machine code itself, with an error that says so.
  const { isCode } = handle;
  const isOfWasmtime = limits.fuel !== undefined || limits.deterministic;
  const needsWasmtime = engine === 'wasmtime' || isOfWasmtime || host !== undefined;
  const isForced = needsWasmtime || isCode || !mayHaveWorkers();
  // Also where wasmtime is forced: an error of reading the file comes before the run begins, as with V8.
  const isReady = engine !== 'v8' && (isCode || (await handle.isReady(limits, cancellation)));
  if (engine !== 'v8' && (isForced || isReady)) {
    return { ...(await inWasmtime(handle)), mayChange: !isForced };
  }
  const isFirst = engine === 'auto';
  return { ...(await inV8(handle, limits, cancellation)), isFirst, mayChange: isFirst };
}

/** True if Node's permission model allows workers, in which the engine V8 runs programs. */
function mayHaveWorkers() {
  return !permission || permission.has('worker');
}

/** The folders that have been checked for a run in wasmtime. @type {Set<string>} */
const checked = new Set();

/** @param {ProgramHandle} handle @returns {Promise<Chosen>} */
async function inWasmtime(handle) {
  const { cache } = handle;
  if (cache && !checked.has(cache) && isChosen(cache)) {
    checked.add(cache);
    // Warns of a folder that can keep nothing, but not before the program runs.
    timers.setImmediate(isUnfit, cache);
  }
  return { engine: require('./wasmtime.js'), program: { native: handle.native() } };
}

/**
 * @param {AnyHandle} handle
 * @param {import('./types.js').Limits} limits
 * @param {Cancellation} cancellation
 * @returns {Promise<Chosen>}
 */
async function inV8(handle, limits, cancellation) {
  require('./v8/threads.js').prefetch(limits.stack); // takes longest
  const { prepared, isRead } = handle.v8(limits, cancellation);
  const engine = require('./v8/engine.js');
  await isRead;
  return { engine, program: prepared };
}

/**
 * Throws an error of reading the program's file. An error in the program itself is thrown by the engine.
 *
 * @param {any} error
 */
function throwUnlessProgramError(error) {
  if (!error.code.startsWith('ERR_WASI_')) throw error;
}

module.exports = {
  Cancellation,
  ProgramHandle,
  bytesOf,
  cacheFolder,
  choose,
  handleOf,
  inV8,
  inWasmtime,
  isComponent,
  isModule,
  isURL,
  isUnfit,
  pathOf,
  readCache,
  withoutNull,
};
