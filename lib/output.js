'use strict';

// The receiver of a program's output in this process: a function, a Writable, a WritableStream, or another
// object with `write()`.

const os = require('node:os');
const { finished } = require('node:stream');
const { WasiError, streamError } = require('./errors.js');

/** A receiver of output, for one run. */
class Output {
  /** True if it calls back when it has taken a chunk, as a Writable does. */
  #callsBack = false;
  #receiver;
  #name;
  #fail;
  #unwatch = () => {};
  /** The number of chunks that a Writable has not taken yet. */
  #pending = 0;
  /** Called when there are none. */
  #flushed = () => {};
  /** True if it takes nothing any more. */
  #isBroken = false;
  #isReleased = false;

  /**
   * @param {any} receiver
   * @param {'stdout' | 'stderr' | 'trace'} name
   * @param {(error: unknown) => void} fail is called when it takes nothing any more
   */
  constructor(receiver, name, fail) {
    this.#receiver = receiver;
    this.#name = name;
    this.#fail = fail;
    if (isWebStream(receiver)) this.#openWriter(receiver);
    if (typeof receiver === 'function' || !isEmitter(receiver)) return;
    this.#callsBack = typeof receiver.writableLength === 'number';
    this.#unwatch = watch(receiver, (error) => this.#break(receiver.errored ?? error));
    if (receiver.writableEnded) this.#break(undefined);
  }

  /**
   * Hands a chunk on.
   *
   * @param {any} chunk a Buffer, or a call for a function
   * @returns {unknown} a promise to be awaited before the next chunk, where there is one
   */
  write(chunk) {
    const receiver = this.#receiver;
    if (typeof receiver === 'function') return receiver(chunk);
    if (this.#isBroken) return undefined;
    if (this.#callsBack) {
      if (receiver.writableEnded) return this.#break(undefined);
      this.#pending++;
      const hasRoom = receiver.write(chunk, (/** @type {unknown} */ error) => this.#taken(error));
      return hasRoom ? undefined : this.flush();
    }
    const result = receiver.write(chunk);
    return result === false && isEmitter(receiver) ? drained(receiver) : result;
  }

  /** Writes to a WritableStream, until this is released. @param {WritableStream} stream */
  #openWriter(stream) {
    const { writer, release } = writerOf(stream);
    writer.closed.then(
      () => this.#break(undefined),
      (error) => (error === undefined ? this.#failed(error) : this.#break(error)),
    );
    this.#receiver = (/** @type {Buffer} */ chunk) => writer.write(chunk);
    this.#unwatch = release;
  }

  /** Resolves when a Writable has taken all chunks, or never will. @returns {Promise<void> | undefined} */
  flush() {
    if (this.#pending === 0 || this.#isBroken) return undefined;
    return new Promise((resolve) => (this.#flushed = resolve));
  }

  /** Ends the writing. The receiver is watched for as long as a pending write may fail. */
  release() {
    this.#isReleased = true;
    if (this.#pending === 0 && !this.#isBroken) this.#unwatch();
  }

  /** @param {unknown} error */
  #taken(error) {
    this.#pending--;
    if (error) this.#break(this.#receiver.errored ?? error);
    if (this.#pending > 0) return;
    this.#flushed();
    // (One that has failed emits 'error' yet: the listener stays until then.)
    if (this.#isReleased && !this.#isBroken) this.#unwatch();
  }

  /** @param {any} error the reason why it takes nothing any more; undefined if it has just been ended */
  #break(error) {
    if (error !== undefined && !CLOSED.has(error?.code)) return this.#failed(error);
    this.#end(() => this.#brokenPipe(error));
  }

  /** Ends the writing to a receiver that has failed. @param {unknown} reason anything, also undefined */
  #failed(reason) {
    this.#end(() => streamError(`options.${this.#name}`, reason));
  }

  /** @param {() => unknown} errorOf makes the error that is reported */
  #end(errorOf) {
    if (this.#isBroken) return;
    this.#isBroken = true;
    this.#flushed();
    if (!this.#isReleased) this.#fail(errorOf());
  }

  /** @param {unknown} cause */
  #brokenPipe(cause) {
    const message = `write EPIPE: options.${this.#name} was ended or destroyed before the program had ended`;
    const errno = -os.constants.errno.EPIPE;
    return new WasiError('EPIPE', message, { cause, errno, syscall: 'write', signal: 'SIGTERM' });
  }
}

/**
 * The writers of WritableStreams, each with the number of its users: both outputs of a program may go to one
 * stream.
 *
 * @type {WeakMap<WritableStream, { writer: WritableStreamDefaultWriter, users: number }>}
 */
const writers = new WeakMap();

/** @param {WritableStream} stream */
function writerOf(stream) {
  const one = writers.get(stream) ?? { writer: stream.getWriter(), users: 0 };
  writers.set(stream, one);
  one.users++;
  const release = () => {
    if (--one.users > 0) return;
    writers.delete(stream);
    one.writer.releaseLock();
  };
  return { writer: one.writer, release };
}

/** True for a WritableStream of any realm. @param {any} stream */
const isWebStream = (stream) => typeof stream.getWriter === 'function';

/** True for a stream of any kind that emits events. @param {any} stream */
const isEmitter = (stream) =>
  typeof stream.on === 'function' && typeof stream.removeListener === 'function';

/** Node's codes for a stream that has been destroyed or ended. */
const CLOSED = new Set([
  'EPIPE', // of a stream whose reader has left
  'ERR_STREAM_DESTROYED',
  'ERR_STREAM_PREMATURE_CLOSE',
  'ERR_STREAM_WRITE_AFTER_END',
]);

/**
 * The watch on each Writable that runs write to. Any number of runs share one, and so add no more listeners
 * than one does.
 *
 * @typedef {{ listeners: Set<(error: unknown) => void>, stop: () => void }} Watch
 * @type {WeakMap<object, Watch>}
 */
const watches = new WeakMap();

/**
 * Calls a listener when a Writable fails, is destroyed or has finished.
 *
 * @param {any} writable
 * @param {(error: unknown) => void} listener
 * @returns {() => void} removes the listener
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

/**
 * Resolves when a stream that does not call back has room again.
 *
 * @param {any} stream
 * @returns {Promise<void>}
 */
const drained = (stream) => new Promise((resolve) => stream.once('drain', () => resolve()));

module.exports = { Output, isEmitter };
