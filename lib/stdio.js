'use strict';

// A program's standard streams: what the options say, made into tickets for descriptors, bytes and captures, which is all
// that an engine knows. Streams and functions are at the other end of a pipe of the operating system: so poll_oneoff, EPIPE
// and waiting for room are the kernel's, at its speed.

const net = require('node:net');
const { performance } = require('node:perf_hooks');
const { finished } = require('node:stream');
const { setImmediate: turn } = require('node:timers/promises');
const { types } = require('node:util');
const { errorOf } = require('./errors.js');
const { Outlet, tells } = require('./outlet.js');
const { bytesOf } = require('./program.js');
const { Tickets } = require('./tickets.js');

/** How many bytes a function that supplies input is asked for. */
const PIECE = 64 * 1024;

/** How long a source is read without a turn of the event loop, in milliseconds. */
const TURN = 5;

/** @typedef {import('node:net').Socket} Socket */

/** The streams of one run. */
class Streams {
  /** What the engine gets. @type {import('./types.js').Plan['stdio']} */
  plan;
  /** This end of those that are `'pipe'`. @type {{ stdin?: Socket, stdout?: Socket, stderr?: Socket }} */
  ends = {};
  #tickets = new Tickets();
  /** What the outputs are read from at this end. @type {Socket[]} */
  #outputs = [];
  /** What goes on between the pipes and those at this end. @type {Promise<void>[]} */
  #work = [];
  /** What stops those that supply input. @type {(() => void)[]} */
  #stops = [];
  /** @type {{ error: unknown } | undefined} */
  #failure;
  #fail;
  #isHurried = false;
  /** What is called when nobody is waited for any more. @type {Set<() => void>} */
  #hurries = new Set();

  /**
   * @param {import('./options.js').Stdio} stdio
   * @param {(error: unknown) => void} fail is told when one at this end throws
   */
  constructor([stdin, stdout, stderr], fail) {
    this.#fail = (/** @type {unknown} */ error) => {
      if (this.#failure) return;
      this.#failure = { error };
      fail(error);
    };
    try {
      this.plan = [
        this.#input(stdin),
        this.#output(stdout, 'stdout'),
        this.#output(stderr, 'stderr'),
      ];
    } catch (error) {
      this.#tickets.close();
      for (const stop of this.#stops) stop();
      for (const socket of [...this.#outputs, ...Object.values(this.ends)]) socket.destroy();
      throw error;
    }
  }

  /** @param {any} stdin @returns {number | Uint8Array} */
  #input(stdin) {
    if (typeof stdin === 'number') return this.#tickets.copy(stdin, 'stdin');
    if (types.isUint8Array(stdin)) return stdin;
    if (isOwnStdin(stdin)) return this.#tickets.copy(0, 'stdin');
    const { number, socket } = this.#pipe(true);
    if (stdin === 'pipe') this.ends.stdin = socket;
    else this.#feed(typeof stdin === 'function' ? supplies(stdin) : stdin, socket);
    return number;
  }

  /** @param {any} output @param {'stdout' | 'stderr'} name @returns {number | 'capture' | 'ignore'} */
  #output(output, name) {
    if (typeof output === 'number') return this.#tickets.copy(output, name);
    if (output === 'capture' || output === 'ignore') return output;
    const { number, socket } = this.#pipe(false);
    if (output === 'pipe') this.ends[name] = socket;
    else {
      this.#outputs.push(socket);
      this.#work.push(this.#deliver(socket, output, name));
    }
    return number;
  }

  /** A pipe that the program reads, or writes: a stream at this end, a ticket for the other. @param {boolean} isInput */
  #pipe(isInput) {
    const { fd, number } = this.#tickets.pipe(isInput);
    const socket = new net.Socket({ fd, readable: !isInput, writable: isInput });
    return { number, socket };
  }

  /** Writes what a source yields, as fast as the program reads. @param {any} source @param {Socket} socket */
  async #feed(source, socket) {
    /** @type {AsyncIterator<unknown> | undefined} */
    let iterator;
    let unwatch = () => {};
    let [isDone, isOver] = [false, false];
    const stop = () => {
      if (isOver) return;
      isOver = true;
      unwatch();
      socket.destroy();
      if (!isDone) letGo(source, iterator);
    };
    const fail = (/** @type {unknown} */ error) => {
      if (!isOver) this.#fail(error);
      stop();
    };
    this.#stops.push(stop);
    // The program need not read to the end.
    socket.on('error', stop);
    try {
      unwatch = watchSource(source, fail);
      const opened = (iterator = /** @type {AsyncIterator<unknown>} */ (
        source[Symbol.asyncIterator]()
      ));
      let since = performance.now();
      for (;;) {
        const { done, value } = await opened.next();
        if (isOver) return;
        if (done) break;
        await written(socket, chunkOf(value));
        // A source that always has something at once would leave the event loop to nobody else, timers included.
        if (performance.now() - since < TURN) continue;
        await turn();
        since = performance.now();
      }
      isDone = true;
      unwatch();
      socket.end();
    } catch (error) {
      fail(error);
    }
  }

  /** Hands what the program writes to a function or a Writable. @param {Socket} socket @param {any} output @param {'stdout' | 'stderr'} name */
  async #deliver(socket, output, name) {
    const fail = (/** @type {unknown} */ error) => {
      this.#fail(error);
      socket.destroy();
    };
    let outlet;
    try {
      outlet = new Outlet(output, name, fail);
      for await (const chunk of socket) await this.#unlessHurried(outlet.write(chunk));
      await this.#unlessHurried(outlet.flush());
    } catch (error) {
      if (!socket.destroyed || !isPremature(error)) fail(error);
    } finally {
      outlet?.release();
    }
  }

  /** Waits for one at this end, until nobody is waited for any more. @param {unknown} taken */
  async #unlessHurried(taken) {
    if (taken === undefined) return;
    let hurry = () => {};
    const hurried = new Promise((resolve) => (hurry = () => resolve(undefined)));
    if (this.#isHurried) hurry();
    this.#hurries.add(hurry);
    try {
      await Promise.race([taken, hurried]);
    } finally {
      this.#hurries.delete(hurry);
    }
  }

  /** From now on, nobody who has no room is waited for: they may never have. */
  hurry() {
    this.#isHurried = true;
    for (const hurry of this.#hurries) hurry();
  }

  /**
   * The program has ended. Resolves when all it has written has been delivered; what failed on the way is thrown.
   *
   * @param {boolean} [isKilled] whether it was ended: its thread may still be there, and with it its ends of the pipes
   */
  async finish(isKilled = false) {
    this.#tickets.close();
    for (const stop of this.#stops) stop();
    if (isKilled) {
      this.hurry();
      this.#work.push(...this.#outputs.map(abandon));
    }
    await Promise.all(this.#work);
    if (this.#failure) throw this.#failure.error;
  }
}

/** Whether it is this process's own, of which nothing has been read; in a worker it is another. @param {any} stdin */
function isOwnStdin(stdin) {
  // (Node makes it when it is first asked for, in 2 ms.)
  if (stdin === 'pipe' || typeof stdin === 'function' || stdin !== process.stdin) return false;
  return stdin.fd === 0 && !stdin.readableDidRead && !stdin.destroyed;
}

/**
 * Has a stream tell when it fails, also while nobody reads it.
 *
 * @param {any} source
 * @param {(error: unknown) => void} fail
 * @returns {() => void} what ends that
 */
function watchSource(source, fail) {
  if (!tells(source)) return () => {};
  if (source.readableEnded) {
    const message =
      "The property 'options.stdin' is a stream that has been read to its end before the program began";
    throw errorOf(TypeError, 'ERR_INVALID_ARG_VALUE', message);
  }
  return finished(source, { writable: false }, (error) => {
    if (error) fail(error);
  });
}

/** Tells a source that nobody reads it any more. What it says to that is of no interest. @param {any} source @param {AsyncIterator<unknown> | undefined} iterator */
async function letGo(source, iterator) {
  try {
    if (typeof source.destroy !== 'function') return await iterator?.return?.();
    if (source.destroyed) return;
    if (tells(source)) {
      const forget = finished(source, () => forget());
    }
    source.destroy();
  } catch {
    // It has none to tell.
  }
}

/** Reads what is in a pipe, and ends it: its other end may stay open for a while. @param {Socket} socket */
async function abandon(socket) {
  let seen;
  do {
    seen = socket.bytesRead;
    // The event loop looks at the pipe in between.
    await turn();
    await turn();
  } while (socket.bytesRead !== seen);
  socket.destroy();
}

/** Resolves when a pipe has taken a chunk, or never will. @param {Socket} socket @param {string | Uint8Array} chunk @returns {Promise<void>} */
const written = (socket, chunk) => new Promise((resolve) => socket.write(chunk, () => resolve()));

/** @param {any} value what a source has yielded @returns {string | Uint8Array} */
const chunkOf = (value) =>
  typeof value === 'string' ? value : bytesOf(value, 'chunk', 'of type string or an instance of');

/** @param {any} error */
const isPremature = (error) => error?.code === 'ERR_STREAM_PREMATURE_CLOSE';

/** What a function supplies. @param {(maxBytes: number) => unknown} supply */
async function* supplies(supply) {
  for (;;) {
    const chunk = await supply(PIECE);
    if (chunk === null) return;
    if (!types.isUint8Array(chunk)) {
      const message = `Expected an instance of Uint8Array or null to be returned from the "options.stdin" function but got ${typeof chunk}.`;
      throw errorOf(TypeError, 'ERR_INVALID_RETURN_VALUE', message);
    }
    if (chunk.length === 0) return; // as in the class
    yield chunk;
  }
}

module.exports = { Streams };
