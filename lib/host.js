'use strict';

// Functions that the embedder gives to a program, and the program's memory.

const { AsyncLocalStorage } = require('node:async_hooks');
const { decode, encodeResult } = require('./cells.js');
const { errorOf, invalidArgType, outOfRange } = require('./errors.js');
const { bytesOf } = require('./program.js');
const { addon } = require('./requests.js');
const { takeBack } = require('./values.js');

/**
 * A call of a function of the embedder, until it is answered.
 *
 * @typedef {object} Current
 * @property {HostFunctions} owner
 * @property {boolean} isOpen
 * @property {boolean} blocks true if the guest does nothing else meanwhile
 * @property {Current} [outer] the call that the running code belonged to when it called the guest
 */

/**
 * The call that the running code belongs to, also after it has awaited something: such code may call the
 * exports of the guest that waits for it.
 *
 * @type {AsyncLocalStorage<Current>}
 */
const current = new AsyncLocalStorage();

/**
 * A function of the embedder as the addon calls it: with the bytes of the parameters, for those of the
 * results. It may throw, and may give a promise.
 *
 * @typedef {(message: import('./types.js').HostCall) => any} Served
 */

/**
 * A function that takes and returns numbers of WebAssembly.
 *
 * @param {Function} imported
 * @returns {Served}
 */
function ofNumbers(imported) {
  return ({ params = '', results = '', bytes }) => {
    const result = imported(...decode(params, bytes));
    if (!isThenable(result)) return encodeResult(results, result);
    return Promise.resolve(result).then((value) => encodeResult(results, value));
  };
}

/** @param {any} value */
const isThenable = (value) => typeof value?.then === 'function';

/** The functions that a guest is given. */
class HostFunctions {
  /** The names of module and function of each. @type {[module: string, name: string][]} */
  names;
  #functions;
  /** Tells that the guest has ended. */
  #onEnd;
  /** The guest in the addon. @type {unknown} */
  #guest;
  #isEnded = false;
  /** The errors that were thrown, by the numbers of the calls. @type {Map<number, unknown>} */
  #thrown = new Map();

  /**
   * @param {{ module: string, name: string, isAsync?: boolean, call: Served }[]} functions
   * @param {GuestMemory} memory of the guest, for them
   * @param {() => void} [onEnd] called when the guest has ended
   */
  constructor(functions, memory, onEnd = () => {}) {
    this.memory = memory;
    this.names = functions.map(({ module, name }) => [module, name]);
    this.#functions = functions;
    this.#onEnd = onEnd;
  }

  /** Sets the guest that calls them. @param {unknown} guest */
  serve(guest) {
    this.#guest = guest;
    GuestMemory.bind(this.memory, guest);
  }

  /**
   * True if the running code belongs to a call of one of these functions, be it through other guests, and
   * the guest does nothing else meanwhile.
   */
  isCalling() {
    for (let call = current.getStore(); call; call = call.outer) {
      if (call.owner === this && call.isOpen && call.blocks) return true;
    }
    return false;
  }

  /** Makes no call from now on: the guest is ended, though it may have asked for one before. */
  end() {
    this.#isEnded = true;
  }

  /** The guest has ended. */
  ended() {
    this.#isEnded = true;
    this.#onEnd();
  }

  /**
   * Makes a call.
   *
   * @param {import('./types.js').HostCall} message
   * @param {Current} [outer]
   * @returns {boolean} false if it is answered later
   */
  call(message, outer) {
    if (this.#isEnded) return false;
    const { hostCall: number, function: index } = message;
    while (outer && !outer.isOpen) outer = outer.outer; // guests may wake each other for ever
    const { isAsync = false, call: act } = this.#functions[index];
    /** @type {Current} */
    const call = { owner: this, isOpen: true, blocks: !isAsync, outer };
    const answer = (/** @type {ArrayBuffer | Uint8Array} */ bytes) => {
      call.isOpen = false;
      const isAwaited = addon.answer(this.#guest, number, bytes);
      if (!isAwaited || this.#isEnded) takeBack(bytes);
    };
    const fail = (/** @type {unknown} */ error) => {
      call.isOpen = false;
      this.#thrown.set(number, error);
      if (!addon.answer(this.#guest, number, undefined)) this.#thrown.delete(number);
    };
    try {
      const result = current.run(call, () => act(message));
      if (isThenable(result)) {
        Promise.resolve(result).then(answer, fail);
        return false;
      }
      answer(result);
    } catch (error) {
      fail(error);
    }
    return true;
  }

  /**
   * Makes a call of a guest that runs on this thread.
   *
   * @param {import('./types.js').HostCall} message
   * @returns {ArrayBuffer | Uint8Array | undefined} the bytes of the results; undefined if it has thrown
   */
  callHere(message) {
    const { hostCall: number, function: index } = message;
    try {
      const result = this.#functions[index].call(message);
      if (!isThenable(result)) return result;
      Promise.resolve(result).catch(() => {}); // nobody waits for it
      const [module, name] = this.names[index];
      throw new TypeError(
        `the function '${name}' of options.imports['${module}'] has returned a promise: with loadSync() it has to return a value; load() waits for promises`,
      );
    } catch (error) {
      this.#thrown.set(number, error);
    }
  }

  /** Takes the error that was thrown in a call. @param {number} number of the call */
  thrown(number) {
    const error = this.#thrown.get(number);
    this.#thrown.delete(number);
    return error;
  }
}

/** The memory of a guest. Bytes are copied; every access is checked. */
class GuestMemory {
  /** The guest in the addon. @type {unknown} */
  #guest;

  /** @param {GuestMemory} memory @param {unknown} guest */
  static bind(memory, guest) {
    memory.#guest = guest;
  }

  /** The size in bytes. */
  get byteLength() {
    return /** @type {number} */ (this.#reached(addon.memorySize(this.#handle())));
  }

  /**
   * A copy of bytes.
   *
   * @param {number} offset
   * @param {number} length
   * @returns {Buffer}
   */
  read(offset, length) {
    requireWhole(offset, 'offset');
    requireWhole(length, 'length');
    const bytes = addon.readMemory(this.#handle(), offset, length);
    return /** @type {Buffer} */ (this.#reached(bytes, offset, length));
  }

  /**
   * @param {number} offset
   * @param {any} bytes
   */
  write(offset, bytes) {
    requireWhole(offset, 'offset');
    const view = bytesOf(bytes, 'bytes', 'an instance of Buffer, TypedArray, DataView,');
    this.#reached(addon.writeMemory(this.#handle(), offset, view), offset, view.byteLength);
  }

  /**
   * A text of so many bytes; without a length, up to the first NUL.
   *
   * @param {number} offset
   * @param {number} [length]
   * @param {BufferEncoding} [encoding]
   */
  readString(offset, length, encoding = 'utf8') {
    if (length === undefined) length = this.#lengthUpToNul(offset);
    return this.read(offset, length).toString(encoding);
  }

  /**
   * Writes a text, without a NUL at its end.
   *
   * @param {number} offset
   * @param {string} text
   * @param {BufferEncoding} [encoding]
   * @returns {number} its bytes
   */
  writeString(offset, text, encoding = 'utf8') {
    if (typeof text !== 'string') throw invalidArgType('text', 'of type string', text);
    const bytes = Buffer.from(text, encoding);
    this.write(offset, bytes);
    return bytes.length;
  }

  /** @param {number} offset */
  #lengthUpToNul(offset) {
    const most = this.byteLength;
    for (let length = 64; ; length *= 8) {
      const bytes = this.read(offset, Math.min(length, Math.max(most - offset, 1)));
      const end = bytes.indexOf(0);
      if (end >= 0) return end;
      if (bytes.length < length) throw outside(offset, bytes.length + 1, most);
    }
  }

  #handle() {
    if (this.#guest !== undefined) return this.#guest;
    throw stateError(EARLY);
  }

  /**
   * An answer of the addon, if it is no word for a failure.
   *
   * @param {unknown} answer
   * @param {number} [offset]
   * @param {number} [length]
   */
  #reached(answer, offset = 0, length = 0) {
    if (typeof answer !== 'string') return answer;
    if (answer === 'outside') throw outside(offset, length, this.byteLength);
    throw stateError(UNREACHED[answer]);
  }
}

const EARLY = 'the guest has not begun: its memory is there once it runs';

/** The reasons why a memory can't be reached. @type {Record<string, string>} */
const UNREACHED = {
  none: "the guest exports no memory under the name 'memory'",
  busy: 'the guest is at work: its memory can be reached between calls, and in functions of options.imports',
  early: EARLY,
  gone: 'the guest has ended, and its memory with it',
};

/** @param {string} message */
const stateError = (message) => errorOf(Error, 'ERR_INVALID_STATE', message);

/** @param {number} offset @param {number} length @param {number} size */
function outside(offset, length, size) {
  if (offset > size) return outOfRange('offset', `>= 0 && <= ${size}`, offset);
  return outOfRange('offset + length', `<= ${size}, the size of the memory`, offset + length);
}

/** @param {unknown} value @param {string} name */
function requireWhole(value, name) {
  if (typeof value !== 'number') throw invalidArgType(name, 'of type number', value);
  if (!Number.isSafeInteger(value)) throw outOfRange(name, 'an integer', value);
  if (value < 0) throw outOfRange(name, `>= 0 && <= ${Number.MAX_SAFE_INTEGER}`, value);
}

/** @typedef {HostFunctions} Host */

module.exports = { GuestMemory, HostFunctions, current, isThenable, ofNumbers };
