'use strict';

// Places for the programs of a Runner: so many run at a time, and the others wait in a queue.

const { performance } = require('node:perf_hooks');

/**
 * @typedef {InstanceType<typeof import('./program.js').Cancellation>} Cancellation
 *
 * @typedef {object} Execution
 * @property {(error: unknown) => boolean} kill
 * @property {Promise<unknown>} result
 *
 * @typedef {object} Place
 * @property {Promise<void> | undefined} taken resolves when it is the program's; undefined if it was at once
 * @property {() => number} waited the milliseconds that the program has waited for it
 * @property {() => void} leave gives it to the next program
 */

class Pool {
  #size;
  #taken = 0;
  /** Called when there is a place. @type {Set<() => void>} */
  #queue = new Set();
  /** The programs that run or wait. @type {Set<Execution>} */
  #executions = new Set();
  #completed = 0;
  #failed = 0;
  #isClosed = false;

  #owner;

  /**
   * @param {number} size the number of programs that run at a time
   * @param {string} [owner] the thing that is closed with it
   */
  constructor(size, owner = 'Runner') {
    this.#size = size;
    this.#owner = owner;
  }

  get stats() {
    const [running, queued] = [this.#taken, this.#queue.size];
    return { running, queued, completed: this.#completed, failed: this.#failed };
  }

  get isClosed() {
    return this.#isClosed;
  }

  /** Throws ERR_INVALID_STATE if it has been closed. */
  requireOpen() {
    if (!this.#isClosed) return;
    throw require('./errors.js').errorOf(
      Error,
      'ERR_INVALID_STATE',
      `the ${this.#owner} is closed`,
    );
  }

  /** Asks for a place. @param {Cancellation} cancellation gives it up @returns {Place} */
  enter(cancellation) {
    this.requireOpen();
    const since = performance.now();
    let [waited, isTaken] = [0, false];
    const take = () => {
      waited = performance.now() - since;
      isTaken = true;
      this.#taken++;
    };
    const leave = () => {
      if (isTaken) this.#leave();
      isTaken = false;
    };
    const place = { taken: undefined, waited: () => waited, leave };
    if (this.#taken < this.#size) {
      take();
      return place;
    }
    const taken = new Promise((/** @type {(_: void) => void} */ resolve) => {
      const next = () => {
        take();
        resolve();
      };
      this.#queue.add(next);
      cancellation.onCancel(() => this.#queue.delete(next));
    });
    return { ...place, taken };
  }

  #leave() {
    this.#taken--;
    const [next] = this.#queue;
    this.#queue.delete(next);
    next?.();
  }

  /** Counts a program until it has ended. @param {Execution} execution */
  add(execution) {
    this.#executions.add(execution);
    execution.result.then(
      () => this.#completed++,
      // With `check`, the program has ended by itself all the same.
      ({ code }) => (code === 'ERR_WASI_EXIT' ? this.#completed++ : this.#failed++),
    );
    const forget = () => void this.#executions.delete(execution);
    execution.result.then(forget, forget);
  }

  /** Ends all programs, and takes no more. Resolves when they have ended. */
  async close() {
    this.#isClosed = true;
    const all = [...this.#executions];
    const { WasiError } = require('./errors.js');
    const message = `the program was killed: its ${this.#owner} was closed`;
    for (const one of all)
      one.kill(new WasiError('ERR_WASI_KILLED', message, { signal: 'SIGTERM' }));
    await Promise.allSettled(all.map(({ result }) => result));
  }
}

module.exports = { Pool };
