'use strict';

// The object that spawn() returns, with the interface of Node's ChildProcess.

const { EventEmitter } = require('node:events');
const { finished } = require('node:stream');
const timers = require('node:timers');
const { setImmediate: turn } = require('node:timers/promises');
const { Execution } = require('./execute.js');

/** The constants of the operating system. */
const constants = () => require('node:os').constants;

/** A running program. */
class GuestProcess extends EventEmitter {
  /** @type {number | null} */
  exitCode = null;
  /** @type {string | null} */
  signalCode = null;
  /** The sockets that it was started with, once it has begun. @type {import('./types.js').Served[]} */
  sockets = [];
  /** True if `kill()`, the timeout, the signal or the Runner has ended it, before it began or later. */
  killed = false;
  #execution;
  #isBegun = false;
  #isAwaited = false;
  /** The reason why there are no lines to read, once a loop has begun. @type {string | undefined} */
  #unreadable;
  /** @type {Promise<void>} */
  #closed;

  /**
   * @param {import('./program.js').AnyHandle} handle
   * @param {import('./execute.js').Choice} choice
   * @param {import('./options.js').Options} options
   * @param {import('./errors.js').Caller} caller
   */
  constructor(handle, choice, options, caller) {
    super();
    const onKill = () => (this.killed = true);
    const hooks = { onBegin: this.#begin.bind(this), onKill };
    this.#execution = new Execution(handle, choice, options, caller, hooks);
    const { stdin = null, stdout = null, stderr = null } = this.#execution.streams.ends;
    this.stdin = stdin;
    this.stdout = stdout;
    this.stderr = stderr;
    this.stdio = [stdin, stdout, stderr];
    const { encoding } = options;
    if (encoding) for (const stream of [stdout, stderr]) stream?.setEncoding(encoding);
    const ended = this.#execution.result.then(
      ({ exitCode }) => {
        this.exitCode = exitCode;
        this.#exit();
      },
      (error) => this.#fail(error),
    );
    this.#closed = ended.then(() => this.#close());
  }

  /** Throws ERR_INVALID_THIS for another `this` of a method. @param {any} value */
  static #require(value) {
    if (!(#execution in Object(value))) throw require('./errors.js').invalidThis('GuestProcess');
  }

  /**
   * The outcome of the program, as a promise like that of run(). Reading this property opts out of 'error'
   * events if there is no listener for them: the promise rejects with the error instead.
   *
   * @returns {Promise<import('./execute.js').Outcome>}
   */
  get result() {
    GuestProcess.#require(this);
    this.#isAwaited = true;
    return this.#execution.result;
  }

  /**
   * Ends the program, whichever signal it is; 0 only asks if the program is running.
   *
   * @param {string | number} [signal]
   * @param {unknown} [cause] the cause of the error that `result` rejects with
   * @returns {boolean} true if it was running
   */
  kill(signal = 'SIGTERM', cause) {
    GuestProcess.#require(this);
    const name = signal === 0 ? undefined : nameOf(signal);
    if (this.exitCode !== null || this.signalCode !== null) return false;
    if (name === undefined) return true;
    const { WasiError } = require('./errors.js');
    const message = `the program was killed (${name})`;
    this.#execution.kill(new WasiError('ERR_WASI_KILLED', message, { signal: name, cause }));
    this.killed = true; // also where something else has ended it
    return true;
  }

  /**
   * The lines of standard output, as text. At their end the outcome is awaited, so errors of the program are
   * thrown here.
   */
  async *[Symbol.asyncIterator]() {
    GuestProcess.#require(this);
    const { isOfBytes, linesIn } = require('./text.js');
    const stdout = /** @type {import('node:net').Socket} */ (this.stdout);
    const reason = this.#unreadable ?? whyUnreadable(stdout);
    if (reason !== undefined) {
      const message = `there are no lines to read: ${reason}`;
      throw require('./errors.js').errorOf(Error, 'ERR_INVALID_STATE', message);
    }
    if (isOfBytes(stdout.readableEncoding)) {
      throw require('./errors.js').incompatible(
        'for await (const line of child)',
        'options.encoding',
      );
    }
    this.#unreadable = `a loop over them has begun before; ${ADVICE}`;
    this.#isAwaited = true;
    if (stdout.readableEncoding === null) stdout.setEncoding('utf8');
    yield* linesIn(stdout);
    await this.#execution.result;
  }

  [Symbol.dispose ?? Symbol.for('nodejs.dispose')]() {
    GuestProcess.#require(this);
    this.kill();
  }

  async [Symbol.asyncDispose ?? Symbol.for('nodejs.asyncDispose')]() {
    GuestProcess.#require(this);
    this.kill();
    await this.#closed;
  }

  /** @param {import('./types.js').Served[]} sockets */
  #begin(sockets) {
    this.#isBegun = true;
    this.sockets = sockets;
    // Not within the addon's call, which an exception of a listener must not reach.
    queueMicrotask(() => this.emit('spawn'));
  }

  #exit() {
    this.stdin?.destroy();
    this.emit('exit', this.exitCode, this.signalCode);
  }

  /**
   * Emits 'error' and 'exit'; for a program that has not begun, 'error' alone.
   *
   * @param {any} error
   * @returns {Promise<void>} resolves when they have been emitted
   */
  #fail(error) {
    const { code, exitCode, signal } = error;
    const isOver = this.#isBegun || signal !== undefined || exitCode !== undefined;
    if (!isOver) this.exitCode = errnoOf(error);
    else if (exitCode !== undefined) this.exitCode = exitCode;
    else this.signalCode = signal ?? 'SIGABRT';
    const end = () => (isOver ? this.#exit() : this.stdin?.destroy());
    // An error goes to the listeners or to the promise of the result; otherwise it is uncaught, as in Node.
    const isHeard = this.#isAwaited && this.listenerCount('error') === 0;
    if (code === 'ERR_WASI_KILLED' || code === 'ERR_WASI_EXIT' || isHeard) {
      end();
      return Promise.resolve();
    }
    // Two immediates: if a listener throws, or there is none, the end is told all the same.
    timers.setImmediate(() => this.emit('error', error));
    return new Promise((resolve) => {
      timers.setImmediate(() => {
        end();
        resolve();
      });
    });
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

/** Advice to those who would find no lines. */
const ADVICE = 'begin the loop before the program ends, and read stdout once';

/**
 * The reason why a loop would miss output; nothing for a stream that nobody has read, or that had nothing.
 *
 * @param {import('node:stream').Readable | null} stdout
 * @returns {string | undefined}
 */
function whyUnreadable(stdout) {
  if (stdout === null) return "options.stdout is not 'pipe'";
  if (stdout.readableDidRead) {
    return `the output of the program was read before, or thrown away when it had ended; ${ADVICE}`;
  }
  if (stdout.destroyed && !stdout.readableEnded) return 'its stdout was destroyed';
  return undefined;
}

/**
 * The name of a signal, by its name in letters of any case or its number.
 *
 * @param {unknown} signal
 * @returns {string}
 */
function nameOf(signal) {
  const { signals } = constants();
  const isMeant = (/** @type {[name: string, number: number]} */ [name, number]) =>
    typeof signal === 'string' ? name === signal.toUpperCase() : number === signal;
  const found = Object.entries(signals).find(isMeant);
  if (found) return found[0];
  const message = `Unknown signal: ${require('node:util').format('%s', signal)}`;
  throw require('./errors.js').errorOf(TypeError, 'ERR_UNKNOWN_SIGNAL', message);
}

/**
 * The exit code of a program that has not begun: as for a process, a negative error number of the system.
 *
 * @param {{ code?: string }} error
 * @returns {number}
 */
function errnoOf({ code = '' }) {
  const { errno } = constants();
  const name = code === 'ERR_WASI_BUSY' ? 'EAGAIN' : code.replace('UVWASI_', '');
  return -(/** @type {Record<string, number>} */ (errno)[name] ?? errno.ENOEXEC);
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
