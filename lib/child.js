'use strict';

// What spawn() returns: shaped like Node's ChildProcess.

const { EventEmitter } = require('node:events');
const { finished } = require('node:stream');
const timers = require('node:timers');
const { setImmediate: turn } = require('node:timers/promises');
const { errorOf } = require('./errors.js');
const { Execution } = require('./execute.js');

/** A program that runs beside this one. */
class GuestProcess extends EventEmitter {
  /** @type {number | null} */
  exitCode = null;
  /** @type {string | null} */
  signalCode = null;
  /** Whether `kill()` has ended it. */
  killed = false;
  #execution;
  #isStarted = false;
  #isAwaited = false;
  /** @type {Promise<void>} */
  #closed;

  /** @param {import('./program.js').ProgramCode} code @param {import('./execute.js').Choice} choice @param {import('./options.js').Options} options */
  constructor(code, choice, options) {
    super();
    this.#execution = new Execution(code, choice, options, () => this.#start());
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
   * What comes of it: resolves as the promise of run() does, when it has ended.
   *
   * @returns {Promise<import('./execute.js').Outcome>}
   */
  get result() {
    this.#isAwaited = true;
    return this.#execution.result;
  }

  /** Ends it. @param {unknown} [reason] what `result` rejects with @returns {boolean} whether it was running */
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
    // An error is heard by the listeners, by who awaits the result, or by nobody: then it is uncaught, as in Node.
    const isHeard = this.killed || (this.#isAwaited && this.listenerCount('error') === 0);
    if (this.#isStarted || this.killed) this.#exit(null);
    else this.stdin?.destroy();
    if (!isHeard) timers.setImmediate(() => this.emit('error', error));
  }

  /** When all that it wrote has been read. */
  async #close() {
    const outputs = [this.stdout, this.stderr].filter((stream) => stream !== null);
    await Promise.all(outputs.map(drained));
    // Who has just read the last of it may want to hear of this too, as of a process, of which the system tells later.
    await turn();
    this.emit('close', this.exitCode, this.signalCode);
  }
}

/** @param {import('node:net').Socket} stream @returns {Promise<void>} */
function drained(stream) {
  // Node's child processes do it too: what nobody listens to must not keep 'close' from coming.
  if (!stream.readableFlowing && stream.listenerCount('readable') === 0) stream.resume();
  return new Promise((resolve) => {
    finished(stream, { writable: false }, () => resolve());
  });
}

module.exports = { GuestProcess };
