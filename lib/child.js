'use strict';

// The object that spawn() returns, with the interface of Node's ChildProcess.

const { EventEmitter } = require('node:events');
const { finished } = require('node:stream');
const timers = require('node:timers');
const { setImmediate: turn } = require('node:timers/promises');
const { errorOf } = require('./errors.js');
const { Execution } = require('./execute.js');

/** A running program. */
class GuestProcess extends EventEmitter {
  /** @type {number | null} */
  exitCode = null;
  /** @type {string | null} */
  signalCode = null;
  /** True if `kill()` has ended it. */
  killed = false;
  #execution;
  #isStarted = false;
  #isAwaited = false;
  /** @type {Promise<void>} */
  #closed;

  /**
   * @param {import('./program.js').Handle} handle
   * @param {import('./execute.js').Choice} choice
   * @param {import('./options.js').Options} options
   */
  constructor(handle, choice, options) {
    super();
    this.#execution = new Execution(handle, choice, options, () => this.#start());
    const { stdin = null, stdout = null, stderr = null } = this.#execution.streams.ends;
    this.stdin = stdin;
    this.stdout = stdout;
    this.stderr = stderr;
    this.stdio = [stdin, stdout, stderr];
    const ended = this.#execution.result.then(
      ({ exitCode }) => this.#exit(exitCode),
      (error) => this.#fail(error),
    );
    this.#closed = ended.then(() => this.#close());
  }

  /**
   * The outcome of the program, as a promise like that of run(). Reading this property opts out of 'error'
   * events if there is no listener for them: the promise rejects with the error instead.
   *
   * @returns {Promise<import('./execute.js').Outcome>}
   */
  get result() {
    this.#isAwaited = true;
    return this.#execution.result;
  }

  /**
   * Ends the program.
   *
   * @param {unknown} [reason] the error that `result` rejects with
   * @returns {boolean} true if it was running
   */
  kill(reason = errorOf(Error, 'ERR_WASI_KILLED', 'the program was killed')) {
    if (this.exitCode !== null || this.signalCode !== null) return false;
    if (!this.#execution.kill(reason)) return false;
    this.killed = true;
    return true;
  }

  [Symbol.dispose ?? Symbol.for('nodejs.dispose')]() {
    this.kill();
  }

  async [Symbol.asyncDispose ?? Symbol.for('nodejs.asyncDispose')]() {
    this.kill();
    await this.#closed;
  }

  #start() {
    this.#isStarted = true;
    this.emit('spawn');
  }

  /** @param {number | null} exitCode */
  #exit(exitCode) {
    this.exitCode = exitCode;
    this.stdin?.destroy();
    this.emit('exit', this.exitCode, this.signalCode);
  }

  /** @param {unknown} error */
  #fail(error) {
    if (this.killed) this.signalCode = 'SIGTERM';
    // An error goes to the listeners or to the promise of the result; otherwise it is uncaught, as in Node.
    const isHeard = this.killed || (this.#isAwaited && this.listenerCount('error') === 0);
    if (this.#isStarted || this.killed) this.#exit(null);
    else this.stdin?.destroy();
    if (!isHeard) timers.setImmediate(() => this.emit('error', error));
  }

  /** Emits 'close' when all output has been read. */
  async #close() {
    const outputs = [this.stdout, this.stderr].filter((stream) => stream !== null);
    await Promise.all(outputs.map(drained));
    // A turn later: a caller that has just read the last of the output can still add a listener, as for a
    // process.
    await turn();
    this.emit('close', this.exitCode, this.signalCode);
  }
}

/**
 * Resolves when a stream has ended or failed.
 *
 * @param {import('node:net').Socket} stream
 * @returns {Promise<void>}
 */
function drained(stream) {
  // As in Node's child processes: a stream without listeners must not keep 'close' from coming.
  if (!stream.readableFlowing && stream.listenerCount('readable') === 0) stream.resume();
  return new Promise((resolve) => {
    finished(stream, { writable: false }, () => resolve());
  });
}

module.exports = { GuestProcess };
