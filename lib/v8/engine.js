'use strict';

// The engine "V8 in a worker": a guest runs in a worker thread. So the event loop stays free, and the guest
// can be ended at any point, with its thread. The addon decides when a run begins, and makes its outcome.

const { wasiErrorOf } = require('../errors.js');
const { settle } = require('../outcome.js');
const { endRun, requestV8Run } = require('../requests.js');
const { release, take } = require('./threads.js');

/**
 * @typedef {import('../types.js').Plan} Plan
 * @typedef {import('../types.js').Prepared} Prepared
 * @typedef {import('../types.js').Result} Result
 */

/** The usage of a run that has not been requested. */
const NO_USAGE = Object.freeze({
  ...{ queued: 0, compiled: 0, wall: 0, cpu: 0, memory: 0, calls: 0, read: 0, written: 0 },
});

/**
 * Runs a program as soon as there is a slot for it.
 *
 * @param {Promise<Prepared>} program
 * @param {Plan} plan
 * @returns {import('../types.js').Running}
 */
function start(program, plan) {
  const run = new Run(program, plan);
  return { result: run.result, kill: (error) => run.kill(error) };
}

/** A run, from its request until its end. */
class Run {
  #plan;
  /** The error that the run was ended with. @type {{ error: unknown } | undefined} */
  #killed;
  /** The number of its request, once the addon has it. @type {number | undefined} */
  #id;
  /** @type {import('./thread.js').GuestThread | undefined} */
  #thread;
  /** @type {(error: unknown) => void} */
  #reject = () => {};

  /** @param {Promise<Prepared>} program @param {Plan} plan */
  constructor(program, plan) {
    this.#plan = plan;
    /** @type {Promise<Result>} */
    this.result = new Promise((resolve, reject) => {
      this.#reject = reject;
      program.then(
        (prepared) => this.#killed ?? resolve(this.#queue(prepared)),
        (error) => this.#refuse(error),
      );
    });
  }

  /** Ends the run early. @param {unknown} error */
  kill(error) {
    if (this.#killed) return;
    this.#killed = { error };
    if (this.#id === undefined) return this.#refuse(error);
    endRun(this.#id);
    this.#thread?.end();
  }

  /** Settles a run that is not begun. @param {unknown} error */
  #refuse(error) {
    this.#reject(Object.assign(wasiErrorOf(error), { usage: NO_USAGE }));
  }

  /** @param {Prepared} prepared @returns {Promise<Result>} */
  async #queue(prepared) {
    const begin = (/** @type {number} */ number) => this.#begin(prepared, number);
    const { id, answer } = requestV8Run(prepared.program, this.#plan, begin);
    this.#id = id;
    /** @type {import('../types.js').Answer | undefined} */
    let outcome;
    try {
      outcome = await answer;
      return settle(outcome, this.#killed, this.#plan, 'v8');
    } finally {
      if (this.#thread) release(this.#thread, outcome?.usage.memory ?? Infinity);
      this.#thread = undefined;
    }
  }

  /**
   * Begins the run: it has got a slot.
   *
   * @param {Prepared} prepared
   * @param {number} number of the run, for the worker
   */
  #begin({ program, module, isGiven }, number) {
    if (this.#killed) return;
    try {
      this.#thread = take({ stack: this.#plan.limits.stack, objects: program.objects });
      this.#thread.begin({ number, module, isGiven }, (error) => this.kill(error));
    } catch (error) {
      this.kill(error); // there are too many threads, or the permission model allows no workers
    }
  }
}

/**
 * Prepares a program. Its module is compiled by the workers, so that the end of the process, which ends them
 * first, does not wait for V8's optimiser (`docs/decisions/v8-optimiser.md`).
 *
 * @param {Promise<import('../types.js').V8Program>} found
 * @returns {Promise<Prepared>}
 */
async function prepare(found) {
  const program = await found;
  if (!program.isBaseline) return { program };
  return { program, module: program.withBytes(require('./baseline.js').compileBaseline) };
}

module.exports = { prepare, start };
