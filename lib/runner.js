'use strict';

// A pool of one's own, with defaults for its programs.

const { readRunnerOptions } = require('./options.js');
const { Pool } = require('./pool.js');
const { compile, run, spawn } = require('./run.js');

/** The options that are merged, property by property, with those of a call. */
const MERGED = ['limits', 'preopens', 'env'];

class Runner {
  #defaults;
  #pool;

  /** @param {any} [options] */
  constructor(options) {
    const { concurrency, defaults } = readRunnerOptions(options);
    this.#defaults = defaults;
    this.#pool = new Pool(concurrency);
  }

  /** Throws ERR_INVALID_THIS for another `this` of a method. @param {any} value */
  static #require(value) {
    if (!(#pool in Object(value))) throw require('./errors.js').invalidThis('Runner');
  }

  /** @param {any} source @param {any} [options] */
  async run(source, options) {
    Runner.#require(this);
    return run(source, this.#merged(options), Runner.prototype.run, this.#pool);
  }

  /** @param {any} source @param {any} [options] */
  spawn(source, options) {
    Runner.#require(this);
    return spawn(source, this.#merged(options), Runner.prototype.spawn, this.#pool);
  }

  /** @param {any} source @param {any} [options] */
  async compile(source, options = {}) {
    Runner.#require(this);
    this.#pool.requireOpen();
    const { cache } = this.#defaults;
    const merged = isObject(options) ? { cache, ...given(options) } : options;
    return compile(source, merged, Runner.prototype.compile, this);
  }

  get stats() {
    Runner.#require(this);
    return this.#pool.stats;
  }

  /** Ends all programs, and takes no more. Resolves when they have ended. */
  async close() {
    Runner.#require(this);
    return this.#pool.close();
  }

  async [Symbol.asyncDispose ?? Symbol.for('nodejs.asyncDispose')]() {
    Runner.#require(this);
    return this.close();
  }

  /** The options of a call, with the defaults. @param {any} options */
  #merged(options) {
    if (options === undefined) return this.#defaults;
    if (!isObject(options)) return options; // refused later
    const merged = { ...this.#defaults, ...given(options) };
    for (const name of MERGED) {
      const [one, other] = [this.#defaults[name], options[name]];
      if (other === undefined) merged[name] = one;
      // A directory that is undefined is refused later.
      else if (name === 'preopens' && isObject(other)) merged[name] = { ...one, ...other };
      else if (one && isObject(other)) merged[name] = { ...one, ...given(other) };
    }
    return merged;
  }
}

/** The properties that are not undefined: a limit must not be lost by one. @param {object} value */
const given = (value) =>
  Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined));

/** @param {any} value */
const isObject = (value) => value !== null && typeof value === 'object' && !Array.isArray(value);

module.exports = { Runner };
