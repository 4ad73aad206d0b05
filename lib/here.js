'use strict';

// A module or component that lives on, on the thread of its embedder: loadSync().

const { types } = require('node:util');
const { CELL, decodeResultFrom, encodeInto } = require('./cells.js');
const { WasiError, errorOf, streamError } = require('./errors.js');
const { streamsOf, timedOut } = require('./execute.js');
const { GuestMemory } = require('./host.js');
const { errorOfOutcome, hasEnded, notCallable } = require('./instance.js');
const { addon, requestLoadHere } = require('./requests.js');

const { callHere } = addon;

/** A guest on this thread, from its beginning to its end. */
class GuestHere {
  /** The guest in the addon. @type {unknown} */
  #native;
  /** The number that calls have for it. @type {number} */
  #number;
  #host;
  #timeout;
  /** The function or Writable that calls are shown to, if there is one. @type {any} */
  #receiver;
  /** The error that it has thrown. @type {{ error: unknown } | undefined} */
  #failed;
  #streams;
  #plan;
  /** The error that it has ended with. @type {{ error: unknown } | undefined} */
  #ended;
  /** @type {import('./types.js').Usage | undefined} */
  #usage;
  /** The number of calls that have not returned. */
  #depth = 0;
  /** True if it was closed in a call: it ends with that. */
  #isToEnd = false;

  /**
   * @param {unknown} program
   * @param {import('./options.js').LoadOptions} options
   * @param {import('./types.js').Host} [host] the functions that it is given
   */
  constructor(program, options, host) {
    const { args, env, preopens, limits, trace, byCall, timeout, stdio, sockets, fixed } = options;
    this.#timeout = timeout;
    this.#host = host;
    this.#receiver = trace?.to;
    this.#streams = streamsOf(stdio, this.#receiver ? undefined : trace, () => {});
    this.#plan = {
      ...{ args, env, preopens, limits, byCall, timeout, sockets, fixed, maxBuffer: {} },
      stdio: this.#streams.plan,
      trace: this.#receiver ? { ...trace, isHere: true } : this.#streams.trace,
      ...(host && { imports: host.names }),
    };
    /** @type {any} */
    this.loaded = undefined;
    const message = this.#load(program);
    this.#native = message.guest;
    this.#number = message.number;
    host?.serve(message.guest);
    if (message.ended) throw this.#end(message.ended);
    this.loaded = message;
  }

  /** @param {unknown} program @returns {any} */
  #load(program) {
    this.#depth++;
    try {
      return requestLoadHere(program, this.#plan, this.#dispatch);
    } catch (error) {
      this.#streams.finish(true).catch(() => {});
      throw error;
    } finally {
      this.#depth--;
    }
  }

  get native() {
    return this.#native;
  }

  get usage() {
    return this.#usage ?? addon.usage(this.#native);
  }

  /**
   * Calls an export.
   *
   * @param {number} index
   * @param {Uint8Array} bytes those that the parameters are at the beginning of; the results replace them, if
   * there is room
   * @param {number} length of the parameters
   * @returns {number | ArrayBuffer} the length of the results, or all of them
   */
  call(index, bytes, length) {
    if (this.#ended) throw hasEnded(this.#ended.error);
    this.#depth++;
    let returned;
    try {
      returned = callHere.call(this.#dispatch, this.#number, index, bytes, length);
    } finally {
      this.#depth--;
    }
    if (returned.ended) throw this.#end(returned.ended);
    if (this.#isToEnd && this.#depth === 0) this.close();
    if (typeof returned === 'number' || types.isArrayBuffer(returned)) return returned;
    if (returned.isBusy) throw isInCall();
    if (returned.refused !== undefined) throw new TypeError(returned.refused);
    throw this.#host?.thrown(returned.thrown);
  }

  /**
   * Makes the calls of functions of the embedder, and shows calls.
   *
   * @param {import('./types.js').HostCall & { traced?: Buffer }} message
   */
  #dispatch = (message) =>
    message.traced ? this.#show(message.traced) : this.#host?.callHere(message);

  /** @param {Buffer} traced @returns {boolean} false if the guest is to end */
  #show(traced) {
    const receiver = this.#receiver;
    try {
      if (typeof receiver === 'function') receiver(JSON.parse(traced.toString()));
      else receiver.write(traced);
    } catch (error) {
      this.#failed = { error: streamError('options.trace', error) };
      return false;
    }
    return true;
  }

  close() {
    if (this.#ended) return;
    this.#isToEnd = this.#depth > 0;
    if (this.#isToEnd) return; // the call that it is in returns first
    const outcome = addon.endHere(this.#native);
    const error = new WasiError('ERR_WASI_KILLED', 'the instance was closed', {
      signal: 'SIGTERM',
    });
    this.#finish(error, outcome);
  }

  /** @param {import('./types.js').Answer} outcome @returns {unknown} the error that it has ended with */
  #end(outcome) {
    const reason = this.#failed ?? { error: timedOut(this.#timeout) };
    const killed = outcome.end === 'ended' ? reason : undefined;
    const error = errorOfOutcome(outcome, killed, this.#host, this.#plan);
    this.#finish(error, outcome);
    return error;
  }

  /** @param {unknown} error @param {import('./types.js').Answer | undefined} outcome */
  #finish(error, outcome) {
    this.#ended = { error };
    this.#host?.ended();
    this.#usage = outcome?.usage ?? addon.usage(this.#native);
    this.#streams.finish(true).catch(() => {});
  }
}

const isInCall = () =>
  errorOf(Error, 'ERR_INVALID_STATE', 'the instance is in a call already, which has not returned');

/**
 * The exports of a module.
 *
 * @param {GuestHere} guest
 * @param {import('./types.js').ExportedFunction[]} functions
 */
function exportsOfModule(guest, functions) {
  /** @type {Record<string, Function>} */
  const exports = Object.create(null);
  const most = functions.map(({ params = '', results = '' }) =>
    Math.max(params.length, results.length),
  );
  const size = CELL * Math.max(1, ...most);
  const shared = placeOf(size);
  for (const [index, { name, params, results = '' }] of functions.entries()) {
    const call = {
      [name](/** @type {unknown[]} */ ...args) {
        if (params === undefined) throw notCallable(name);
        // The conversion of an object may call the guest, and needs another place then.
        const { bytes, view } = args.some(isObject) ? placeOf(size) : shared;
        guest.call(index, bytes, encodeInto(view, params, args));
        return decodeResultFrom(view, results);
      },
    }[name];
    exports[name] = Object.defineProperty(call, 'length', { value: params?.length ?? 0 });
  }
  return Object.freeze(exports);
}

/** A place for the parameters and results of a call. @param {number} size */
function placeOf(size) {
  const bytes = new Uint8Array(size);
  return { bytes, view: new DataView(bytes.buffer) };
}

/** @param {unknown} value */
const isObject = (value) =>
  (typeof value === 'object' && value !== null) || typeof value === 'function';

/** A loaded module or component on this thread, for the user. */
class SyncInstance {
  #guest;

  /** @param {GuestHere} guest @param {object} exports @param {unknown} memory */
  constructor(guest, exports, memory) {
    this.#guest = guest;
    this.exports = exports;
    this.memory = memory;
  }

  /** The amounts that it has used by now. */
  get usage() {
    return this.#guest.usage;
  }

  /** Ends it; if it is in a call, when that has returned. */
  close() {
    this.#guest.close();
  }

  [Symbol.dispose ?? Symbol.for('nodejs.dispose')]() {
    this.close();
  }
}

/**
 * Loads a module or component on this thread.
 *
 * @param {import('./program.js').Handle} handle
 * @param {import('./options.js').LoadOptions} options
 * @returns {SyncInstance}
 */
function loadSync(handle, options) {
  const { given } = options;
  const description = handle.interfaceHere(options.limits);
  if (description) return loadComponent(handle, options, description);
  const { memory } = given;
  const host = require('./options.js').hostOf(given);
  const guest = new GuestHere(handle.native(), options, host);
  GuestMemory.bind(memory, guest.native);
  const { loaded, hasMemory } = guest.loaded;
  return new SyncInstance(guest, exportsOfModule(guest, loaded), hasMemory ? memory : null);
}

/** The error of a component whose functions run on stacks of their own, where V8 can't run JavaScript. */
function onOtherStacks() {
  const problem =
    'the program has asynchronous functions, and imports what options.imports has: loadSync() can not run it; load() can';
  return new WasiError('ERR_WASI_PROGRAM', problem);
}

/**
 * @param {import('./program.js').Handle} handle
 * @param {import('./options.js').LoadOptions} options
 * @param {import('./types.js').Interface} description
 */
function loadComponent(handle, options, description) {
  const { Component } = require('./component.js');
  const component = new Component(description);
  const host = component.host(options.given.imports);
  if (description.isConcurrent && host) throw onOtherStacks();
  const guest = new GuestHere(handle.native(), options, host);
  const exports = component.exports((index, bytes, length) => {
    const returned = guest.call(index, bytes, length);
    return typeof returned === 'number' ? bytes.buffer : returned;
  }, false);
  return new SyncInstance(guest, exports, null);
}

module.exports = { loadSync };
