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

  /** @param {any} source @param {any} [options] */
  run(source, options) {
    return run(source, this.#merged(options), Runner.prototype.run, this.#pool);
  }

  /** @param {any} source @param {any} [options] */
  spawn(source, options) {
    return spawn(source, this.#merged(options), Runner.prototype.spawn, this.#pool);
  }

  /** @param {any} source @param {any} [options] */
  compile(source, options) {
    const { cache } = this.#defaults;
    const merged = options === undefined ? { cache } : { cache, ...options };
    return compile(source, merged, Runner.prototype.compile, this);
  }

  get stats() {
    return this.#pool.stats;
  }

  /** Ends all programs, and takes no more. Resolves when they have ended. */
  close() {
    return this.#pool.close();
  }

  [Symbol.asyncDispose ?? Symbol.for('nodejs.asyncDispose')]() {
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
