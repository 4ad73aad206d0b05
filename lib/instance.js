'use strict';

// A module that lives on: it is loaded once, and its exports are called any number of times.

const { AsyncResource } = require('node:async_hooks');
const { clearTimeout, setTimeout } = require('node:timers');
const { decodeResult, encode } = require('./cells.js');
const { AbortError, WasiError, errorOf, from, wasiErrorOf } = require('./errors.js');
const { streamsOf, timedOut } = require('./execute.js');
const { settle } = require('./outcome.js');
const { Cancellation } = require('./program.js');
const { GuestMemory, current } = require('./host.js');
const { addon, endRun, keepAlive, listenTo, requestLoad } = require('./requests.js');

/**
 * @typedef {import('./errors.js').Caller} Caller
 * @typedef {import('./types.js').ExportedFunction} ExportedFunction
 *
 * A function that can be called.
 * @typedef {object} Exported
 * @property {number} index
 * @property {(bytes: ArrayBuffer) => unknown} decode makes its result; may throw
 *
 * A call of an export that has not returned.
 * @typedef {object} Call
 * @property {Exported} exported
 * @property {ArrayBuffer | Uint8Array} bytes the parameters
 * @property {Caller} caller
 * @property {import('./host.js').Current} [outer] the call of a function of the embedder that it was made in
 * @property {AsyncResource} [context] that it was made in, if functions of the embedder may be called
 * @property {(result: unknown) => void} resolve
 * @property {(error: unknown) => void} reject
 * @property {() => void} [disarm]
 */

/** Calls in their order. (To shift an array takes long where it is long.) */
class Queue {
  /** @type {Call[]} */
  #calls = [];
  #taken = 0;

  get size() {
    return this.#calls.length - this.#taken;
  }

  /** @param {Call} call */
  push(call) {
    this.#calls.push(call);
  }

  shift() {
    if (this.size === 0) return undefined;
    const call = this.#calls[this.#taken++];
    if (this.size === 0) this.takeAll();
    return call;
  }

  takeAll() {
    const calls = this.#calls.slice(this.#taken);
    this.#calls = [];
    this.#taken = 0;
    return calls;
  }
}

/** A loaded module, from its request to its end. */
class Guest {
  #options;
  #plan;
  #streams;
  #host;
  /** The guest in the addon. @type {unknown} */
  #native;
  /** The number of its request. */
  #id;
  /** The calls that the addon has, by their numbers. @type {Map<number, Call>} */
  #calls = new Map();
  #lastNumber = 0;
  /** Calls that wait for the one before. */
  #queue = new Queue();
  /** The call that the next one waits for. @type {Call | undefined} */
  #current;
  /** The error that it was ended with. @type {{ error: unknown } | undefined} */
  #killed;
  /** The error that it has ended with. @type {{ error: unknown } | undefined} */
  #ended;
  /** The number of things that are to happen, for which the event loop stays. */
  #awaited = 0;
  /** @type {import('./types.js').Usage | undefined} */
  #lastUsage;
  #disarm = () => {};
  #forgetSignal = () => {};
  /** @type {(message: any) => void} */
  #loaded = () => {};
  /** @type {(error: unknown) => void} */
  #failed = () => {};
  /** @type {() => void} */
  #closed = () => {};
  /** Resolves when it has ended, and its output is delivered. @type {Promise<void>} */
  closed = new Promise((resolve) => (this.#closed = resolve));
  /** Resolves to the message of the addon when it is loaded. @type {Promise<any>} */
  loaded = new Promise((resolve, reject) => {
    this.#loaded = resolve;
    this.#failed = reject;
  });

  #mayBeReentered;
  #isConcurrent;
  /** The context of what belongs to no call. */
  #context = new AsyncResource('wasi-rs.Instance');

  /**
   * @param {unknown} program
   * @param {import('./options.js').LoadOptions} options
   * @param {import('./types.js').Host | undefined} host the functions that it is given
   * @param {object} kind
   * @param {boolean} kind.mayBeReentered true if these may call its exports
   * @param {boolean} [kind.isConcurrent] true if several calls can be made at the same time
   */
  constructor(program, options, host, { mayBeReentered, isConcurrent = false }) {
    this.#mayBeReentered = mayBeReentered;
    this.#isConcurrent = isConcurrent;
    const { args, env, preopens, limits, trace, byCall, signal, stdio } = options;
    const { fetch, sockets, fixed } = options;
    this.#options = options;
    this.#host = host;
    this.#streams = streamsOf(stdio, trace, (error) => this.kill(error));
    this.#plan = {
      ...{ args, env, preopens, limits, byCall, fetch, sockets, fixed, maxBuffer: {} },
      stdio: this.#streams.plan,
      trace: this.#streams.trace,
      ...(host && { imports: host.names }),
      onBegin: () => {},
    };
    const { id, native } = requestLoad(program, this.#plan);
    this.#id = id;
    this.#native = native;
    host?.serve(native);
    this.#await();
    const abort = () => this.kill(new AbortError(/** @type {AbortSignal} */ (signal).reason));
    if (signal) this.#forgetSignal = require('./abort.js').onAbort(signal, abort);
  }

  get native() {
    return this.#native;
  }

  get usage() {
    return this.#lastUsage ?? addon.usage(this.#native);
  }

  /**
   * Calls an export.
   *
   * @param {Exported} exported
   * @param {ArrayBuffer | Uint8Array} bytes the parameters
   * @param {Function} entry the function that the user has called
   * @returns {Promise<any>}
   */
  async call(exported, bytes, entry) {
    if (this.#ended) throw hasEnded(this.#ended.error);
    const isInner = this.#host?.isCalling() ?? false;
    if (isInner && !this.#mayBeReentered) throw isInCall();
    return new Promise((resolve, reject) => {
      const outer = current.getStore();
      const context = this.#host && new AsyncResource('wasi-rs.Call');
      /** @type {Call} */
      const call = { exported, bytes, caller: {}, outer, context, resolve, reject };
      const isBusy = this.#current !== undefined || this.#queue.size > 0;
      const isToWait = !isInner && !this.#isConcurrent && isBusy;
      if (isToWait) this.#queue.push(call);
      else if (this.#send(call, isInner)) return this.#next();
      Error.captureStackTrace(call.caller, entry);
    });
  }

  /**
   * Ends it with this error.
   *
   * @param {unknown} error
   */
  kill(error) {
    if (this.#killed || this.#ended) return;
    this.#killed = { error };
    this.#host?.end();
    this.#await();
    endRun(this.#id);
  }

  /** Makes the calls that wait, until one takes long. */
  #next() {
    while (!this.#current && !this.#killed && !this.#ended) {
      const call = this.#queue.shift();
      if (!call) return;
      this.#send(call, false);
    }
  }

  /**
   * @param {Call} call
   * @param {boolean} isInner true if the guest waits for the caller
   * @returns {boolean} true if the call is over
   */
  #send(call, isInner) {
    const number = ++this.#lastNumber;
    const { bytes, exported } = call;
    const request = { number, index: exported.index, bytes, isInner };
    if (!isInner && !this.#isConcurrent) this.#current = call;
    this.#calls.set(number, call);
    let returned = addon.callExport(this.#native, request);
    while (returned?.hostCall !== undefined) {
      const isAnswered = this.#callHost(returned);
      returned = addon.awaitCall(this.#native, number, isAnswered);
    }
    if (returned) {
      this.#calls.delete(number);
      if (returned.isBusy) return this.#sendLater(call, isInner);
      this.#settle(call, returned);
      return true;
    }
    this.#await();
    if (!isInner) call.disarm = this.#arm();
    return false;
  }

  /**
   * Puts a call that was not made into the queue. If it is an inner one, the function of the embedder has
   * returned meanwhile, and it is a call like any other; if not, the guest is about to end.
   *
   * @param {Call} call
   * @param {boolean} isInner
   */
  #sendLater(call, isInner) {
    this.#queue.push(call);
    if (isInner) this.#next();
    return false;
  }

  /** @param {Call} call @param {import('./types.js').Returned} returned */
  #settle(call, { bytes, thrown, refused, goesOn = false }) {
    const { exported, resolve, reject } = call;
    if (goesOn) this.#await();
    if (this.#current === call) this.#current = undefined;
    if (refused !== undefined) return reject(new TypeError(refused));
    if (!bytes) return reject(this.#host?.thrown(/** @type {number} */ (thrown)));
    try {
      resolve(exported.decode(bytes));
    } catch (error) {
      reject(error);
    }
  }

  /**
   * Calls a function of the embedder, in the context of the guest's call that it is called in.
   *
   * @param {import('./types.js').HostCall} message
   */
  #callHost(message) {
    // Where calls are made one after the other, each but the last waits for one that has begun in it.
    const number = this.#isConcurrent ? message.caller : [...this.#calls.keys()].at(-1);
    const call = number === undefined ? undefined : this.#calls.get(number);
    const context = call?.context ?? this.#context;
    return context.runInAsyncScope(() => this.#host?.call(message, call?.outer));
  }

  /** Arms the timeout; the result disarms it. */
  #arm() {
    const { timeout } = this.#options;
    if (timeout === 0) return () => {};
    const timer = setTimeout(() => this.kill(timedOut(timeout)), timeout);
    return () => clearTimeout(timer);
  }

  /** @param {any} message @param {unknown} thrown */
  #receive(message, thrown) {
    if (message?.hostCall !== undefined) {
      return void this.#callHost(message);
    }
    if (message?.hasBegun) return void (this.#disarm = this.#arm());
    if (message?.loaded) {
      this.#disarm();
      this.#loaded(message);
      return this.#awaitLess();
    }
    if (message?.returned !== undefined) return this.#return(message);
    if (message?.isIdle) return this.#awaitLess();
    this.#end(message, thrown);
  }

  /** @param {import('./types.js').Returned} returned */
  #return(returned) {
    const call = /** @type {Call} */ (this.#calls.get(returned.returned));
    this.#calls.delete(returned.returned);
    call.disarm?.();
    if (returned.isBusy) this.#sendLater(call, this.#current !== call);
    else this.#settle(call, returned);
    this.#next();
    this.#awaitLess();
  }

  /** @param {import('./types.js').Answer | undefined} outcome @param {unknown} thrown */
  async #end(outcome, thrown) {
    this.#disarm();
    this.#forgetSignal();
    this.#lastUsage = outcome?.usage;
    let error = this.#errorOf(outcome, thrown);
    this.#ended = { error };
    this.#host?.ended();
    try {
      await this.#streams.finish(true);
    } catch (second) {
      error = this.#killed ? error : second;
    }
    this.#failed(error);
    this.loaded.catch(() => {}); // reported by load(), or it was loaded
    const [calls, queue] = [[...this.#calls.values()], this.#queue.takeAll()];
    this.#calls.clear();
    for (const call of calls) {
      call.disarm?.();
      call.reject(from(error, call.caller));
    }
    for (const call of queue) call.reject(hasEnded(error));
    this.#awaited = 1;
    this.#awaitLess();
    this.#closed();
  }

  /** @param {import('./types.js').Answer | undefined} outcome @param {unknown} thrown @returns {any} */
  #errorOf(outcome, thrown) {
    if (!outcome) return wasiErrorOf(thrown);
    return errorOfOutcome(outcome, this.#killed, this.#host, this.#plan);
  }

  #await() {
    if (this.#awaited++ > 0) return;
    this.#streams.setRef?.(true);
    listenTo(this.#id, (message, thrown) => this.#receive(message, thrown));
    keepAlive(true);
  }

  #awaitLess() {
    if (--this.#awaited > 0) return;
    this.#streams.setRef?.(false);
    listenTo(this.#id, undefined); // which holds this object
    keepAlive(false);
  }
}

/**
 * The error that an instance has ended with.
 *
 * @param {import('./types.js').Answer} outcome
 * @param {{ error: unknown } | undefined} killed the error that it was ended with
 * @param {import('./types.js').Host | undefined} host
 * @param {object} plan
 * @returns {any}
 */
function errorOfOutcome(outcome, killed, host, plan) {
  if (outcome.end === 'thrown') return host?.thrown(Number(outcome.message));
  if (outcome.end === 'busy') {
    const message = `the module was not loaded: as many as a process may have, ${outcome.message}, live`;
    return new WasiError('ERR_WASI_BUSY', message);
  }
  if (outcome.end === 'exit') {
    const { exitCode, usage } = outcome;
    const message = `the guest has exited with ${exitCode}`;
    return Object.assign(new WasiError('ERR_WASI_EXIT', message, { exitCode }), { usage });
  }
  try {
    settle(outcome, killed, /** @type {any} */ (plan), 'wasmtime');
  } catch (error) {
    return error;
  }
}

const isInCall = () =>
  errorOf(
    Error,
    'ERR_INVALID_STATE',
    'a component can not be called while it waits for a function of options.imports: call it afterwards',
  );

/** @param {string} name */
function notCallable(name) {
  return new TypeError(
    `the export '${name}' can't be called: it takes or returns something else than numbers (i32, i64, f32, f64)`,
  );
}

/** @param {any} cause */
const hasEnded = (cause) =>
  errorOf(
    Error,
    'ERR_INVALID_STATE',
    `the instance has ended: ${cause?.message ?? cause}; load the program again, or with 'fresh', for more calls`,
    { cause },
  );

/**
 * The exports of a module.
 *
 * @param {Guest} guest
 * @param {ExportedFunction[]} functions
 */
function exportsOfModule(guest, functions) {
  /** @type {Record<string, Function>} */
  const exports = Object.create(null);
  for (const [index, { name, params, results = '' }] of functions.entries()) {
    const exported = { index, decode: decodeResult.bind(undefined, results) };
    const call = {
      async [name](/** @type {unknown[]} */ ...args) {
        if (params === undefined) throw notCallable(name);
        return guest.call(exported, encode(params, args), call);
      },
    }[name];
    exports[name] = Object.defineProperty(call, 'length', { value: params?.length ?? 0 });
  }
  return Object.freeze(exports);
}

/** A loaded module or component, for the user. */
class Instance {
  #guest;

  /**
   * @param {Guest} guest
   * @param {object} exports
   * @param {unknown} memory
   */
  constructor(guest, exports, memory) {
    this.#guest = guest;
    this.exports = exports;
    this.memory = memory;
  }

  /** The amounts that it has used by now. */
  get usage() {
    return this.#guest.usage;
  }

  /** Ends it. Resolves when its files are closed and its output is delivered. */
  async close() {
    const details = { signal: 'SIGTERM' };
    this.#guest.kill(new WasiError('ERR_WASI_KILLED', 'the instance was closed', details));
    await this.#guest.closed;
  }

  [Symbol.asyncDispose ?? Symbol.for('nodejs.asyncDispose')]() {
    return this.close();
  }
}

/**
 * Loads a module or component.
 *
 * @param {import('./program.js').Handle} handle
 * @param {import('./options.js').LoadOptions} options
 * @returns {Promise<Instance>}
 */
const load = async (handle, options) => (await open(handle, options)).instance;

/**
 * Loads a module or component. The result has the guest as well.
 *
 * @param {import('./program.js').Handle} handle
 * @param {import('./options.js').LoadOptions} options
 */
async function open(handle, options) {
  const { given, limits, signal } = options;
  if (signal?.aborted) throw new AbortError(signal.reason);
  const description = await interfaceOf(handle, limits, signal);
  if (description) return openComponent(handle, options, description);
  const { memory } = given;
  const host = require('./options.js').hostOf(given);
  const guest = new Guest(handle.native(), options, host, { mayBeReentered: true });
  GuestMemory.bind(memory, guest.native);
  const { loaded, hasMemory } = await guest.loaded;
  const exports = exportsOfModule(guest, loaded);
  return { guest, instance: new Instance(guest, exports, hasMemory ? memory : null) };
}

/**
 * The description of a component, for which it is compiled.
 *
 * @param {import('./program.js').Handle} handle
 * @param {import('./types.js').Limits} limits
 * @param {AbortSignal | undefined} signal
 */
async function interfaceOf(handle, limits, signal) {
  if (!signal) return handle.interface(limits);
  const cancellation = new Cancellation();
  let forget = () => {};
  const aborted = new Promise((_, reject) => {
    const abort = () => {
      reject(new AbortError(signal.reason));
      cancellation.cancel();
    };
    forget = require('./abort.js').onAbort(signal, abort);
  });
  try {
    return await Promise.race([handle.interface(limits, cancellation), aborted]);
  } finally {
    forget();
  }
}

/** @param {ArrayBuffer} bytes */
const asItIs = (bytes) => bytes;

/**
 * @param {import('./program.js').Handle} handle
 * @param {import('./options.js').LoadOptions} options
 * @param {import('./types.js').Interface} description
 */
async function openComponent(handle, options, description) {
  const { Component } = require('./component.js');
  const component = new Component(description, true);
  const host = component.host(options.given.imports);
  const { isConcurrent } = description;
  const kind = { mayBeReentered: false, isConcurrent };
  const guest = new Guest(handle.native(), options, host, kind);
  await guest.loaded;
  const exports = component.exports(
    (index, bytes, length, entry) =>
      // A call may have to wait, and the next one writes its parameters to the same place.
      guest.call({ index, decode: asItIs }, Buffer.from(bytes.subarray(0, length)), entry),
    true,
  );
  return { guest, instance: new Instance(guest, exports, null) };
}

module.exports = { errorOfOutcome, hasEnded, load, notCallable, open };
