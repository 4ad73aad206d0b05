'use strict';

// load() with `fresh`: an instance of its own for each call. The next one is loaded ahead.

const { from, invalidArgValue } = require('./errors.js');
const { hasEnded, load } = require('./instance.js');
const { readLoadOptions } = require('./options.js');
const { Pool } = require('./pool.js');
const { Cancellation } = require('./program.js');
const { isResourceClass } = require('./resources.js');

/** The most calls at a time, unless the options say another number. */
const CONCURRENCY = 64;

/** @typedef {Awaited<ReturnType<typeof load>>} Instance */

/** Instances of one program, each for one call. */
class FreshInstances {
  #make;
  #pool;
  /** The instance for the next call. @type {Promise<Instance> | undefined} */
  #spare;
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
    return { ...this.#usage };
  }

  /** Loads the instance for the next call. */
  prepare() {
    this.#spare = this.#make();
    this.#spare.catch(() => {}); // reported to the call
    return this.#spare;
  }

  /**
   * Makes a call in an instance of its own.
   *
   * @param {(exports: any) => any} act
   */
  async call(act) {
    if (this.#isClosed) throw hasEnded(undefined);
    const place = this.#pool.enter(new Cancellation());
    try {
      await place.taken;
      if (this.#isClosed) throw hasEnded(undefined);
      const taken = this.#spare ?? this.#make();
      this.#spare = undefined;
      const instance = await taken;
      this.#busy.add(instance);
      try {
        const result = act(instance.exports);
        if (!this.#isClosed) this.prepare(); // while that is at work
        return await result;
      } finally {
        this.#busy.delete(instance);
        this.#add(instance.usage);
        await instance.close();
      }
    } finally {
      place.leave();
    }
  }

  /** @param {import('./types.js').Usage} usage */
  #add({ memory, ...usage }) {
    const sum = /** @type {any} */ (this.#usage);
    sum.memory = Math.max(sum.memory, memory);
    for (const [name, amount] of Object.entries(usage)) sum[name] = (sum[name] ?? 0) + amount;
  }

  async close() {
    this.#isClosed = true;
    const spare = await this.#spare?.catch(() => undefined);
    await Promise.all([...this.#busy, spare].map((instance) => instance?.close()));
  }
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
    if (isResourceClass(item)) throw refused(name);
    const found = (/** @type {any} */ other) => find(other)[name];
    if (typeof item !== 'function') all[name] = mirrored(instances, item, found);
    else
      all[name] = {
        async [name](/** @type {unknown[]} */ ...args) {
          return instances.call((other) => found(other)(...args));
        },
      }[name];
  }
  return Object.freeze(all);
}

/** @param {string} name of a class */
function refused(name) {
  const reason = `can't be had for a component that exports a resource, ${name}: it would end with its call`;
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
  const copy = { ...options, fresh: undefined, concurrency: undefined };
  // Imports that get the memory get that of each instance.
  let first = /** @type {import('./options.js').LoadOptions | undefined} */ (checked);
  const make = () => {
    const read = first ?? readLoadOptions(copy, handle.source);
    first = undefined;
    return load(handle, read).catch((error) => {
      throw from(error, caller);
    });
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
