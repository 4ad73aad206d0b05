'use strict';

// Where a program's output goes at this end: a function, a Writable, or another object that is written to.

const os = require('node:os');
const { finished } = require('node:stream');
const { errorOf } = require('./errors.js');

/** An output, for one run. */
class Outlet {
  /** Whether it calls back when it has taken a chunk, as a Writable does. */
  #callsBack = false;
  #output;
  #name;
  #fail;
  #unwatch = () => {};
  /** How many chunks a Writable has not taken yet. */
  #pending = 0;
  /** What is called when there are none. */
  #flushed = () => {};
  /** Whether it takes nothing any more. */
  #isBroken = false;
  #isReleased = false;

  /**
   * @param {any} output
   * @param {'stdout' | 'stderr'} name
   * @param {(error: unknown) => void} fail is told when it takes nothing any more
   */
  constructor(output, name, fail) {
    this.#output = output;
    this.#name = name;
    this.#fail = fail;
    if (typeof output === 'function' || !tells(output)) return;
    this.#callsBack = typeof output.writableLength === 'number';
    this.#unwatch = watch(output, (error) => this.#break(error));
    if (output.writableEnded) this.#break(undefined);
  }

  /**
   * Hands a chunk on.
   *
   * @param {Buffer} chunk
   * @returns {unknown} what is to be waited for before the next
   */
  write(chunk) {
    const output = this.#output;
    if (typeof output === 'function') return output(chunk);
    if (this.#isBroken) return undefined;
    if (this.#callsBack) {
      if (output.writableEnded) return this.#break(undefined);
      this.#pending++;
      const hasRoom = output.write(chunk, (/** @type {unknown} */ error) => this.#taken(error));
      return hasRoom ? undefined : this.flush();
    }
    const result = output.write(chunk);
    return result === false && tells(output) ? drained(output) : result;
  }

  /** Resolves when a Writable has taken all, or never will. @returns {Promise<void> | undefined} */
  flush() {
    if (this.#pending === 0 || this.#isBroken) return undefined;
    return new Promise((resolve) => (this.#flushed = resolve));
  }

  /** Nothing more is written. It is watched for as long as it may still fail for what has been. */
  release() {
    this.#isReleased = true;
    if (this.#pending === 0 && !this.#isBroken) this.#unwatch();
  }

  /** @param {unknown} error */
  #taken(error) {
    this.#pending--;
    if (error) this.#break(error);
    if (this.#pending > 0) return;
    this.#flushed();
    // (One that has failed says so again, to those who listen: that is waited for.)
    if (this.#isReleased && !this.#isBroken) this.#unwatch();
  }

  /** @param {any} error why it takes nothing any more; nothing if it has just been ended */
  #break(error) {
    if (this.#isBroken) return;
    this.#isBroken = true;
    this.#flushed();
    if (this.#isReleased) return;
    const reason = this.#output.errored ?? error;
    this.#fail(
      reason === undefined || CLOSED.has(reason?.code) ? this.#brokenPipe(reason) : reason,
    );
  }

  /** @param {unknown} cause */
  #brokenPipe(cause) {
    const message = `write EPIPE: options.${this.#name} was ended or destroyed before the program had ended`;
    const error = errorOf(Error, 'EPIPE', message, cause === undefined ? undefined : { cause });
    return Object.assign(error, { errno: -os.constants.errno.EPIPE, syscall: 'write' });
  }
}

/** Whether it is a stream, of whatever kind, that tells what becomes of it. @param {any} stream */
const tells = (stream) =>
  typeof stream.on === 'function' && typeof stream.removeListener === 'function';

/** What Node says of a stream that somebody has destroyed or ended. */
const CLOSED = new Set([
  'ERR_STREAM_DESTROYED',
  'ERR_STREAM_PREMATURE_CLOSE',
  'ERR_STREAM_WRITE_AFTER_END',
]);

/**
 * Who wants to know when a Writable takes nothing any more: of any number of runs, and yet with the listeners of one.
 *
 * @typedef {{ listeners: Set<(error: unknown) => void>, stop: () => void }} Watch
 * @type {WeakMap<object, Watch>}
 */
const watches = new WeakMap();

/**
 * @param {any} writable
 * @param {(error: unknown) => void} listener is told when it fails, is destroyed or has finished
 * @returns {() => void} what ends that
 */
function watch(writable, listener) {
  const known = watches.get(writable) ?? newWatch(writable);
  known.listeners.add(listener);
  return () => {
    known.listeners.delete(listener);
    if (known.listeners.size > 0 || watches.get(writable) !== known) return;
    watches.delete(writable);
    known.stop();
  };
}

/** @param {any} writable @returns {Watch} */
function newWatch(writable) {
  /** @type {Watch['listeners']} */
  const listeners = new Set();
  const stop = finished(writable, { readable: false }, (error) => {
    stop();
    watches.delete(writable);
    for (const listener of listeners) listener(error ?? undefined);
  });
  const made = { listeners, stop };
  watches.set(writable, made);
  return made;
}

/** Resolves when a stream that does not call back has room again. @param {any} stream @returns {Promise<void>} */
const drained = (stream) => new Promise((resolve) => stream.once('drain', () => resolve()));

module.exports = { Outlet, tells };
