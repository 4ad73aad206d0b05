'use strict';

// A program: where it is, what the engines made of it, and where that is kept.

const path = require('node:path');
const timers = require('node:timers');
const { fileURLToPath } = require('node:url');
const { permission } = require('./addon.js');
const requests = require('./requests.js');

/**
 * @typedef {Code} ProgramCode
 *
 * @typedef {object} ForV8
 * @property {Promise<import('./types.js').Prepared>} prepared what V8 has made of it
 * @property {Promise<void>} isRead rejects if its file can't be
 */

/** The interest of a run in what is looked for on its behalf: when it is lost, that is given up. */
class Interest {
  #isLost = false;
  /** @type {(() => void)[]} */
  #giveUps = [];

  /** @param {() => void} giveUp is called when the interest is lost */
  in(giveUp) {
    if (this.#isLost) giveUp();
    else this.#giveUps.push(giveUp);
  }

  lose() {
    this.#isLost = true;
    for (const giveUp of this.#giveUps.splice(0)) giveUp();
  }
}

/**
 * What V8 gets, for one set of limits: who is interested in it, and what gives it up.
 *
 * @typedef {{ prepared: WeakRef<ForV8['prepared']>, isRead: Promise<void>, interested: number, giveUp: () => void }} Reading
 */

/** A program as run(), spawn() and Program share it. */
class Code {
  /** What the engine V8 gets, for each set of limits, while a run uses it. @type {Map<string, Reading>} */
  #v8 = new Map();
  /** What it got last, for the next run. @type {ForV8['prepared'] | undefined} */
  #lastV8;
  /** What the engine wasmtime gets. @type {unknown} */
  #native;
  #isCompiled = false;
  /** Whether it is ready for a run without limits, once. @type {ReturnType<typeof requests.ask> | undefined} */
  #looked;

  /**
   * @param {string | Uint8Array} source a path or bytes
   * @param {boolean | string | undefined} cache
   * @param {boolean} [isCode] whether the bytes are machine code
   */
  constructor(source, cache, isCode = false) {
    this.source = source;
    this.isCode = isCode;
    this.cache = permitted(cacheFolder(cache));
  }

  /** For the engine wasmtime. @returns {unknown} */
  native() {
    const { source, isCode, cache } = this;
    this.#native ??= requests.makeProgram({ source, isCode, ...(cache && { cache }) });
    return this.#native;
  }

  /**
   * For the engine V8. It is being read when this returns.
   *
   * @param {import('./types.js').Limits} limits
   * @param {Interest} [interest]
   * @returns {ForV8}
   */
  v8(limits, interest = new Interest()) {
    const key = `${limits.memory} ${limits.tableElements}`;
    let reading = this.#v8.get(key);
    this.#lastV8 = reading?.prepared.deref();
    if (!reading || !this.#lastV8) reading = this.#read(key, limits);
    const prepared = /** @type {ForV8['prepared']} */ (this.#lastV8);
    const { isRead } = reading;
    this.#share(key, reading, interest);
    return { prepared, isRead };
  }

  /** @param {string} key @param {import('./types.js').Limits} limits @returns {Reading} */
  #read(key, limits) {
    const { answer, cancel: giveUp } = this.#ask('forV8', limits);
    const prepared = require('./v8/engine.js').compile(answer);
    prepared.catch(() => {}); // who runs it is told
    // Without its bytes, which nobody needs any more when V8 has them.
    const isRead = answer.then(() => {}, unlessUnusable);
    isRead.catch(() => {});
    this.#forgetUnused();
    const reading = { prepared: new WeakRef(prepared), isRead, interested: 0, giveUp };
    this.#v8.set(key, reading);
    this.#lastV8 = prepared;
    return reading;
  }

  /** Gives up reading when the last has lost interest. @param {string} key @param {Reading} reading @param {Interest} interest */
  #share(key, reading, interest) {
    let isReading = true;
    const done = () => (isReading = false);
    reading.isRead.then(done, done);
    reading.interested++;
    interest.in(() => {
      if (!isReading || --reading.interested > 0) return;
      reading.giveUp();
      if (this.#v8.get(key) === reading) this.#v8.delete(key);
    });
  }

  #forgetUnused() {
    for (const [key, { prepared }] of this.#v8) if (!prepared.deref()) this.#v8.delete(key);
  }

  /** For V8 on the main thread. @returns {Promise<import('./types.js').V8Module>} */
  async forMainThread() {
    return this.#ask('forMainThread').answer;
  }

  /** Asks the addon about it. @param {Parameters<typeof requests.ask>[0]} question @param {import('./types.js').Limits} [limits] */
  #ask(question, limits) {
    return requests.ask(question, this.native(), limits);
  }

  /** Makes machine code, or finds it in the cache. */
  async compile() {
    if (this.cache) require('./cache.js').isUnfit(this.cache);
    await this.#ask('compile').answer;
    this.#isCompiled = true;
  }

  /** The machine code. @returns {Promise<Buffer>} */
  async serialize() {
    return this.#ask('serialize').answer;
  }

  /**
   * Another thread begins to look for machine code, for a run whose options have yet to be read and checked.
   *
   * @param {any} options
   */
  expect(options) {
    const isUsual = !options?.engine && !options?.limits && !permission;
    if (this.#isCompiled || !isUsual) return;
    this.#looked = this.#ask('isReady');
    this.#looked.answer.catch(() => {}); // who waits for it is told
  }

  /**
   * Whether wasmtime runs it without a delay: there is machine code for these limits, or little to compile. That is being
   * looked for when this returns.
   *
   * @param {import('./types.js').Limits} limits
   * @param {Interest} [interest]
   * @returns {Promise<boolean>}
   */
  async isReady(limits, interest = new Interest()) {
    if (this.#isCompiled) return true;
    const looked = this.#looked;
    this.#looked = undefined; // there may be machine code the next time
    const isUsual = limits.fuel === undefined && limits.stack === undefined;
    const { answer, cancel: giveUp } = (isUsual && looked) || this.#ask('isReady', limits);
    interest.in(giveUp);
    return answer;
  }
}

/**
 * A path that stays the same when the working directory changes.
 *
 * @param {string} given
 */
function absolute(given) {
  // Dots stay: what `..` leads to, behind a link, only the system knows. And no path at all is not this directory.
  if (path.isAbsolute(given) || given === '') return given;
  return process.platform === 'win32' ? path.resolve(given) : `${process.cwd()}/${given}`;
}

/**
 * The folder in which machine code is kept: as the option says, or `WASI_RS_CACHE`, or where the system keeps such things.
 * Nothing where the option, or an empty variable, turns it off.
 *
 * @param {boolean | string | undefined} option
 * @returns {string | undefined}
 */
function cacheFolder(option) {
  if (option === false) return undefined;
  if (typeof option === 'string') return absolute(option);
  const { WASI_RS_CACHE } = process.env;
  if (WASI_RS_CACHE !== undefined) return WASI_RS_CACHE ? absolute(WASI_RS_CACHE) : undefined;
  const base = baseFolder();
  return base && `${base}${path.sep}wasi-rs`;
}

/** Whether somebody chose a folder for machine code. @param {string} folder */
function isChosen(folder) {
  return process.env.WASI_RS_CACHE !== undefined || folder !== cacheFolder(undefined);
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
  try {
    return require('node:os').homedir();
  } catch {
    return undefined; // a user without a home, as in some containers
  }
}

/** A folder that Node's permission model lets the process write to. @param {string | undefined} folder */
function permitted(folder) {
  if (folder === undefined || !permission) return folder;
  return permission.has('fs.read', folder) && permission.has('fs.write', folder)
    ? folder
    : undefined;
}

/**
 * @param {any} source what a user passed as a program
 * @param {boolean | string | undefined} cache
 * @returns {Code}
 */
function codeOf(source, cache) {
  if (typeof source === 'string') return new Code(absolute(withoutNull(source)), cache);
  if (isURL(source)) return new Code(withoutNull(fileURLToPath(source.href)), cache);
  return new Code(bytesOf(source, 'source', 'of type string or an instance of URL,'), cache);
}

/** Whether it is a URL, of whatever realm, as Node tells it. @param {any} value @returns {value is URL} */
function isURL(value) {
  return typeof value?.href === 'string' && typeof value.protocol === 'string';
}

/** A path that the system would take to end at a NUL. @param {string} source */
function withoutNull(source) {
  if (!source.includes('\0')) return source;
  const reason = 'must be a string, Uint8Array, or URL without null bytes';
  throw require('./errors.js').invalidArgValue('source', source, reason);
}

/** @param {any} source @param {string} name @param {string} others what it may be as well @returns {Uint8Array} */
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
 * An engine, what it gets, whether machine code is to be made meanwhile, and whether the other engine is to have what it can't run.
 *
 * @typedef {{ engine: { start: Function }, program: unknown, isFirst?: boolean, mayChange?: boolean }} Chosen
 */

/**
 * The engine that begins soonest: wasmtime where there is machine code, or nearly none to make; otherwise V8, and machine
 * code is made on the side, for the next time.
 *
 * @param {Code} code
 * @param {{ engine: string, limits: import('./types.js').Limits }} options
 * @param {Interest} interest
 * @returns {Promise<Chosen>}
 */
async function choose(code, { engine, limits }, interest) {
  // Of machine code, V8's part says that it is none of its.
  const isForced =
    engine === 'wasmtime' || limits.fuel !== undefined || code.isCode || !mayHaveWorkers();
  // Also where it is forced: that its file can't be read is known before it begins, as with V8.
  const isReady = engine !== 'v8' && (code.isCode || (await code.isReady(limits, interest)));
  if (engine !== 'v8' && (isForced || isReady)) {
    return { ...(await inWasmtime(code)), mayChange: !isForced };
  }
  const isFirst = engine === 'auto';
  return { ...(await inV8(code, limits, interest)), isFirst, mayChange: isFirst };
}

/** Whether Node's permission model lets V8 run a program, which takes a worker. */
function mayHaveWorkers() {
  return !permission || permission.has('worker');
}

/** The folders that runs in wasmtime have had looked at. @type {Set<string>} */
const looked = new Set();

/** @param {Code} code @returns {Promise<Chosen>} */
async function inWasmtime(code) {
  const { cache } = code;
  if (cache && !looked.has(cache) && isChosen(cache)) {
    looked.add(cache);
    // Who chose a folder in which nothing can be kept is told; not before the program runs.
    timers.setImmediate(() => require('./cache.js').isUnfit(cache));
  }
  return { engine: require('./wasmtime.js'), program: { native: code.native() } };
}

/**
 * @param {Code} code
 * @param {import('./types.js').Limits} limits
 * @param {Interest} interest
 * @returns {Promise<Chosen>}
 */
async function inV8(code, limits, interest) {
  const { prepared, isRead } = code.v8(limits, interest);
  const engine = require('./v8/engine.js');
  engine.prefetch(limits.stack);
  await isRead;
  return { engine, program: prepared };
}

/** What is wrong with a program, its engine tells; a file that can't be read does not get there. @param {any} error */
function unlessUnusable(error) {
  if (!error.code.startsWith('ERR_WASI_')) throw error;
}

module.exports = {
  Code,
  Interest,
  absolute,
  bytesOf,
  cacheFolder,
  choose,
  codeOf,
  inV8,
  inWasmtime,
  isChosen,
};
