'use strict';

// load() with `fresh`: an instance of its own for each call. The next one is loaded ahead.

const { types } = require('node:util');
const { WasiError, from, invalidArgValue } = require('./errors.js');
const { isThenable } = require('./host.js');
const { hasEnded, load } = require('./instance.js');
const { makeImports } = require('./options.js');
const { Pool } = require('./pool.js');
const { Cancellation } = require('./program.js');
const { isResourceClass } = require('./resources.js');
const { returnsStreams } = require('./component.js');

/** The most calls at a time, unless the options say another number. */
const CONCURRENCY = 64;

/** @typedef {Awaited<ReturnType<typeof load>>} Instance */

/** The error of a call that was made before the instances were closed. */
const closed = () =>
  new WasiError('ERR_WASI_KILLED', 'the instance was closed', { signal: 'SIGTERM' });

/** Instances of one program, each for one call. */
class FreshInstances {
  #make;
  #pool;
  /** The instance for the next call. @type {Promise<Instance> | undefined} */
  #spare;
  /** The instances that are being loaded for a call. @type {Set<Promise<Instance>>} */
  #loading = new Set();
  /** The instances that are in a call. @type {Set<Instance>} */
  #busy = new Set();
  #isClosed = false;
  /** @type {import('./types.js').Usage} */
  #usage = { queued: 0, compiled: 0, wall: 0, cpu: 0, memory: 0, calls: 0, read: 0, written: 0 };

  /** @param {() => Promise<Instance>} make @param {number} concurrency */
  constructor(make, concurrency) {
    this.#make = make;
    this.#pool = new Pool(concurrency, 'instance');
  }

  get usage() {
    return structuredClone(this.#usage);
  }

  /** Loads the instance for the next call. */
  prepare() {
    this.#spare = this.#make();
    this.#spare.catch(() => {}); // reported to the call
    return this.#spare;
  }

  /**
   * Makes a call in an instance of its own. Its caller does not wait for the end of that.
   *
   * @param {(exports: any) => any} act
   */
  async call(act) {
    if (this.#isClosed) throw hasEnded(closed());
    const place = this.#pool.enter(new Cancellation());
    let instance;
    try {
      await place.taken;
      this.#requireOpen();
      instance = await this.#take();
      this.#busy.add(instance);
      return await act(instance.exports);
    } finally {
      this.#end(instance).then(place.leave);
    }
  }

  /**
   * Ends the instance of a call that is over, and loads one for the next: not while the call is at work,
   * since most pages that a guest first writes to interrupt the processors of other threads.
   *
   * @param {Instance | undefined} instance
   */
  async #end(instance) {
    if (!instance) return;
    this.#add(instance.usage);
    if (!this.#isClosed && !this.#spare) this.prepare();
    await instance.close();
    this.#busy.delete(instance);
  }

  #requireOpen() {
    if (this.#isClosed) throw closed();
  }

  /** The instance for a call. */
  async #take() {
    const taken = this.#spare ?? this.#make();
    this.#spare = undefined;
    this.#loading.add(taken);
    try {
      const instance = await taken;
      if (this.#isClosed) await instance.close();
      this.#requireOpen();
      return instance;
    } finally {
      this.#loading.delete(taken);
    }
  }

  /** @param {import('./types.js').Usage} usage */
  #add({ memory, byCall, ...usage }) {
    const sum = /** @type {any} */ (this.#usage);
    sum.memory = Math.max(sum.memory, memory);
    addTo(sum, usage);
    if (byCall) sum.byCall ??= {};
    for (const [name, row] of Object.entries(byCall ?? {})) addTo((sum.byCall[name] ??= {}), row);
  }

  async close() {
    this.#isClosed = true;
    const loading = [...this.#loading, this.#spare].filter(Boolean);
    const loaded = await Promise.allSettled(loading);
    const instances = loaded.map((one) => (one.status === 'fulfilled' ? one.value : undefined));
    await Promise.all([...this.#busy, ...instances].map((instance) => instance?.close()));
  }
}

/** Adds amounts to sums. @param {any} sum @param {object} amounts */
function addTo(sum, amounts) {
  for (const [name, amount] of Object.entries(amounts)) sum[name] = (sum[name] ?? 0) + amount;
}

/**
 * The exports, as functions that are called in instances of their own.
 *
 * @param {FreshInstances} instances
 * @param {any} exports of one instance
 * @param {(exports: any) => any} find finds the same of another instance
 */
function mirrored(instances, exports, find) {
  const all = Object.create(null);
  for (const [name, item] of Object.entries(exports)) {
    if (isResourceClass(item)) throw refused(`exports a resource, ${name}`);
    if (returnsStreams(item)) throw refused(`returns a stream or future, from ${name}()`);
    const found = (/** @type {any} */ other) => find(other)[name];
    if (typeof item !== 'function') {
      all[name] = mirrored(instances, item, found);
      continue;
    }
    const call = {
      async [name](/** @type {unknown[]} */ ...args) {
        const copies = args.map(copyOf); // the call may have to wait
        return instances.call((other) => found(other)(...copies));
      },
    }[name];
    all[name] = Object.defineProperty(call, 'length', { value: item.length });
  }
  return Object.freeze(all);
}

/**
 * A copy of data, as deep as it goes; objects of classes, streams and promises are the same.
 *
 * @param {any} value
 * @returns {any}
 */
function copyOf(value) {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(copyOf);
  // (Buffer's own slice() is a view.)
  if (types.isTypedArray(value))
    return types.isUint8Array(value) ? Buffer.from(value) : value.slice();
  if (types.isAnyArrayBuffer(value)) return value.slice(0);
  if (Symbol.asyncIterator in value || Symbol.iterator in value || isThenable(value)) return value;
  const prototype = Object.getPrototypeOf(value);
  const isPlain = prototype === null || Object.getPrototypeOf(prototype) === null;
  if (!isPlain) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, copyOf(item)]));
}

/** @param {string} reason */
function refused(reason) {
  reason = `can't be had for a component that ${reason}: it would end with its call`;
  return invalidArgValue('options.fresh', true, reason);
}

/** A program of which each call has an instance of its own, for the user. */
class FreshInstance {
  #instances;

  /** @param {FreshInstances} instances @param {object} exports */
  constructor(instances, exports) {
    this.#instances = instances;
    this.exports = exports;
    this.memory = null;
  }

  /** The amounts of all instances that have ended; of memory, the largest. */
  get usage() {
    return this.#instances.usage;
  }

  async close() {
    await this.#instances.close();
  }

  [Symbol.asyncDispose ?? Symbol.for('nodejs.asyncDispose')]() {
    return this.close();
  }
}

/**
 * Loads a program of which each call is to have an instance of its own.
 *
 * @param {import('./program.js').Handle} handle
 * @param {any} options as the user has passed them
 * @param {import('./options.js').LoadOptions} checked
 * @param {import('./errors.js').Caller} caller
 */
async function loadFresh(handle, options, checked, caller) {
  const { imports } = options;
  let isFirst = true;
  const make = async () => {
    // Imports that get the memory get that of each instance.
    const read = isFirst ? checked : { ...checked, given: makeImports(imports) };
    isFirst = false;
    try {
      return await load(handle, read);
    } catch (error) {
      throw from(error, caller);
    }
  };
  const instances = new FreshInstances(make, checked.concurrency ?? CONCURRENCY);
  const { exports } = await instances.prepare();
  try {
    return new FreshInstance(
      instances,
      mirrored(instances, exports, (other) => other),
    );
  } catch (error) {
    await instances.close();
    throw error;
  }
}

module.exports = { loadFresh };
