'use strict';

// A program's standard streams: what the options say, made into descriptors, bytes and captures, which is all that an
// engine knows. Streams and functions are at the other end of a pipe of the operating system: so poll_oneoff, EPIPE and
// waiting for room are the kernel's, at its speed.

const fs = require('node:fs');

/** How many bytes a function that supplies input is asked for. */
const PIECE = 64 * 1024;

/** A descriptor on which nothing comes and what goes is lost. @type {number | undefined} */
let nowhere;

/** @typedef {import('node:net').Socket} Socket */

/** The streams of one run. */
class Streams {
  /** What the engine gets. @type {import('./v8/engine.js').Plan['stdio']} */
  plan;
  /** This end of those that are `'pipe'`. @type {{ stdin?: Socket, stdout?: Socket, stderr?: Socket }} */
  ends = {};
  /** The program's ends of the pipes. @type {number[]} */
  #given = [];
  /** What goes on between the pipes and those at this end. @type {Promise<void>[]} */
  #work = [];
  /** What stops those that supply input. @type {(() => void)[]} */
  #stops = [];
  /** @type {{ error: unknown } | undefined} */
  #failure;
  /** Resolves when nobody is waited for any more. @type {Promise<void>} */
  #hurried;
  #hurry = () => {};

  /**
   * @param {import('./options.js').Stdio} stdio
   * @param {(error: unknown) => void} fail is told when one at this end throws
   */
  constructor([stdin, stdout, stderr], fail) {
    this.#hurried = new Promise((resolve) => (this.#hurry = resolve));
    this.fail = (/** @type {unknown} */ error) => {
      this.#failure ??= { error };
      fail(error);
    };
    try {
      this.plan = [
        this.#input(stdin),
        this.#output(stdout, 'stdout'),
        this.#output(stderr, 'stderr'),
      ];
    } catch (error) {
      this.#closeGiven();
      for (const end of Object.values(this.ends)) end.destroy();
      throw error;
    }
  }

  /** @param {any} stdin @returns {number | Uint8Array} */
  #input(stdin) {
    if (typeof stdin === 'number' || stdin instanceof Uint8Array) return stdin;
    // (Node makes it when it is first asked for, in 2 ms.)
    if (stdin !== 'pipe' && stdin === process.stdin) return 0;
    const { descriptor, socket } = this.#pipe('writer');
    if (stdin === 'pipe') this.ends.stdin = socket;
    else this.#feed(typeof stdin === 'function' ? supplies(stdin) : stdin, socket);
    return descriptor;
  }

  /** @param {any} output @param {'stdout' | 'stderr'} name @returns {number | 'capture'} */
  #output(output, name) {
    if (typeof output === 'number' || output === 'capture') return output;
    if (output === 'ignore') return (nowhere ??= fs.openSync(require('node:os').devNull, 'r+'));
    const { descriptor, socket } = this.#pipe('reader');
    if (output === 'pipe') this.ends[name] = socket;
    else this.#work.push(this.#deliver(socket, output));
    return descriptor;
  }

  /**
   * A pipe: a stream at this end, the descriptor of the other for the program.
   *
   * @param {'reader' | 'writer'} here which of its ends is at this end
   */
  #pipe(here) {
    const net = require('node:net');
    const ends = require('./wasmtime.js').makePipe();
    const descriptor = ends[here === 'reader' ? 'writer' : 'reader'];
    this.#given.push(descriptor);
    const readable = here === 'reader';
    const socket = new net.Socket({ fd: ends[here], readable, writable: !readable });
    return { descriptor, socket };
  }

  /** Writes what a source yields, as fast as the program reads. @param {any} source @param {Socket} socket */
  async #feed(source, socket) {
    let isOver = false;
    const iterator = source[Symbol.asyncIterator]();
    this.#stops.push(() => {
      isOver = true;
      socket.destroy();
      // A source that nobody reads to its end is told so; what it says to that is of no interest.
      if (typeof source.destroy === 'function') source.destroy();
      else Promise.resolve(iterator.return?.()).catch(() => {});
    });
    // The program need not read to the end.
    socket.on('error', () => (isOver = true));
    try {
      for (;;) {
        const { done, value } = await iterator.next();
        if (done || isOver) break;
        if (!socket.write(value)) await room(socket);
      }
      socket.end();
    } catch (error) {
      if (!isOver) this.fail(error);
      socket.destroy();
    }
  }

  /** Hands what the program writes to a function or a Writable. @param {Socket} socket @param {any} output */
  async #deliver(socket, output) {
    const isStream = typeof output !== 'function';
    const fail = (/** @type {unknown} */ error) => {
      this.fail(error);
      socket.destroy();
    };
    if (isStream) output.on?.('error', fail);
    try {
      for await (const chunk of socket) {
        const taken = isStream ? output.write(chunk) !== false || room(output) : output(chunk);
        await Promise.race([taken, this.#hurried]);
      }
    } catch (error) {
      if (!this.#failure) fail(error);
    } finally {
      if (isStream) output.off?.('error', fail);
    }
  }

  #closeGiven() {
    for (const descriptor of this.#given.splice(0)) fs.closeSync(descriptor);
  }

  /**
   * The program has ended. Resolves when all it has written has been delivered; what failed on the way is thrown.
   *
   * @param {boolean} [hurry] whether to deliver it without waiting for those that have no room: they may never have
   */
  async finish(hurry = false) {
    if (hurry) this.#hurry();
    this.#closeGiven();
    for (const stop of this.#stops) stop();
    await Promise.all(this.#work);
    if (this.#failure) throw this.#failure.error;
  }
}

/** Resolves when a Writable has room again, or never will. @param {any} writable @returns {Promise<void>} */
function room(writable) {
  if (typeof writable.once !== 'function' || writable.destroyed) return Promise.resolve();
  const events = ['drain', 'close', 'error'];
  return new Promise((resolve) => {
    const done = () => {
      for (const event of events) writable.off(event, done);
      resolve();
    };
    for (const event of events) writable.on(event, done);
  });
}

/** What a function supplies. @param {(maxBytes: number) => unknown} supply */
async function* supplies(supply) {
  for (;;) {
    const chunk = await supply(PIECE);
    if (chunk === null) return;
    if (!(chunk instanceof Uint8Array)) {
      const message = `Expected an instance of Uint8Array or null to be returned from the "options.stdin" function but got ${typeof chunk}.`;
      throw require('./errors.js').errorOf(TypeError, 'ERR_INVALID_RETURN_VALUE', message);
    }
    if (chunk.length === 0) return; // as in the class
    yield chunk;
  }
}

module.exports = { Streams };
