'use strict';

// The standard streams of a program. An engine knows tickets for descriptors, bytes and captures only.
// Streams and functions of the embedder are served here, through a pipe of the operating system whose other
// end the program has: poll_oneoff, EPIPE and waits for room are made by the kernel, at its speed.

const net = require('node:net');
const { performance } = require('node:perf_hooks');
const { Readable, Writable, finished } = require('node:stream');
const { setImmediate: turn } = require('node:timers/promises');
const { types } = require('node:util');
const { errorOf, streamError } = require('./errors.js');
const { Output, isEmitter } = require('./output.js');
const { bytesOf } = require('./program.js');
const { Tickets } = require('./tickets.js');

/** The number of bytes that a function which supplies input is asked for. */
const PIECE = 64 * 1024;

/** The longest time that a source is read without a turn of the event loop, in milliseconds. */
const TURN = 5;

/** @typedef {import('node:net').Socket} Socket */

/** The streams of one run. */
class Streams {
  /** The streams as the engine gets them. @type {import('./types.js').Plan['stdio']} */
  plan;
  /** Where calls are shown, for the engine. @type {import('./types.js').PlannedTrace | undefined} */
  trace;
  /**
   * This end of each pipe that the embedder reads or writes.
   *
   * @type {{ stdin?: Socket, stdout?: Socket, stderr?: Socket }}
   */
  ends = {};
  #tickets = new Tickets();
  /** This end of each pipe that is read here. @type {Socket[]} */
  #outputs = [];
  /** The deliveries of output in progress. @type {Promise<void>[]} */
  #deliveries = [];
  /** Functions that stop the feeding of input. @type {(() => void)[]} */
  #stops = [];
  /** @type {{ error: unknown } | undefined} */
  #failure;
  #fail;
  #isAbandoned = false;
  /** Functions that end the waits for receivers of output. @type {Set<() => void>} */
  #waits = new Set();

  /**
   * @param {import('./options.js').Stdio} stdio
   * @param {import('./options.js').Options['trace']} trace
   * @param {(error: unknown) => void} fail is called with the first error of a stream or function of the
   * embedder
   */
  constructor([stdin, stdout, stderr], trace, fail) {
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
      this.trace = trace && this.#trace(trace);
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
    if (isProcessStdin(stdin)) return this.#tickets.copy(0, 'stdin');
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
      this.#deliveries.push(this.#deliver(socket, output, name));
    }
    return number;
  }

  /**
   * Has calls shown: in a file, or by lines through a pipe, which a program waits for that makes calls faster
   * than they are taken.
   *
   * @param {import('./types.js').Trace} trace
   * @returns {import('./types.js').PlannedTrace}
   */
  #trace(trace) {
    const { to, path, isText, selection } = trace;
    const planned = { isText, selection };
    if (path !== undefined) return { ...planned, ticket: this.#tickets.openTrace(trace) };
    if (to === undefined) return planned;
    const { number, socket } = this.#pipe(false);
    this.#outputs.push(socket);
    this.#deliveries.push(this.#deliver(socket, to, 'trace', isText ? undefined : callsIn()));
    return { ...planned, ticket: number };
  }

  /**
   * A pipe that the program reads or writes: a stream at this end, a ticket for the other.
   *
   * @param {boolean} isInput
   */
  #pipe(isInput) {
    const { fd, number } = this.#tickets.pipe(isInput);
    const socket = new net.Socket({ fd, readable: !isInput, writable: isInput });
    return { number, socket };
  }

  /**
   * Writes the chunks of a source, as fast as the program reads.
   *
   * @param {any} source
   * @param {Socket} socket
   */
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
      if (!isDone) release(source, iterator);
    };
    const fail = (/** @type {unknown} */ error) => {
      if (!isOver) this.#fail(streamError('options.stdin', error));
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
        // A source that always has something at once would leave the event loop to nobody else, timers
        // included.
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

  /**
   * Hands the program's output, or its calls, to a function or a Writable.
   *
   * @param {Socket} socket
   * @param {any} receiver
   * @param {'stdout' | 'stderr' | 'trace'} name
   * @param {(chunk: Buffer) => Iterable<any>} [split] makes of a chunk what the receiver gets
   */
  async #deliver(socket, receiver, name, split = (chunk) => [chunk]) {
    const fail = (/** @type {unknown} */ error) => {
      this.#fail(error);
      socket.destroy();
    };
    const option = `options.${name}`;
    let output;
    try {
      output = new Output(receiver, name, fail);
      for await (const chunk of socket) {
        for (const piece of split(chunk)) {
          const taken = output.write(piece);
          if (taken !== undefined) await this.#unlessAbandoned(taken);
        }
      }
      await this.#unlessAbandoned(output.flush());
    } catch (error) {
      if (!socket.destroyed || !isPremature(error)) fail(streamError(option, error));
    } finally {
      output?.release();
    }
  }

  /** Waits for a receiver to take a chunk, unless the waits are abandoned. @param {unknown} taken */
  async #unlessAbandoned(taken) {
    if (taken === undefined) return;
    let end = () => {};
    const abandoned = new Promise((resolve) => (end = () => resolve(undefined)));
    if (this.#isAbandoned) end();
    this.#waits.add(end);
    try {
      await Promise.race([taken, abandoned]);
    } finally {
      this.#waits.delete(end);
    }
  }

  /** Has the streams keep the event loop from ending, or not. @param {boolean} isRef */
  setRef(isRef) {
    for (const socket of this.#outputs) {
      if (isRef) socket.ref();
      else socket.unref();
    }
  }

  /** Ends all waits for receivers that have no room, which they may never have, now and from now on. */
  abandon() {
    this.#isAbandoned = true;
    for (const end of this.#waits) end();
  }

  /**
   * Ends the streams after the program has ended. Resolves when all output has been delivered; throws the
   * first error of a stream or function of the embedder.
   *
   * @param {boolean} [isKilled] true if the program was ended: its thread may still hold its ends of the
   * pipes
   */
  async finish(isKilled = false) {
    this.#tickets.close();
    for (const stop of this.#stops) stop();
    if (isKilled) {
      this.abandon();
      this.#deliveries.push(...this.#outputs.map(closeWhenEmpty));
    }
    await Promise.all(this.#deliveries);
    if (this.#failure) throw this.#failure.error;
  }
}

/** The calls in the chunks of a pipe, each a line of JSON. @returns {(chunk: Buffer) => Generator<object>} */
function callsIn() {
  /** The beginning of a line. @type {Buffer[]} */
  let begun = [];
  return function* (chunk) {
    let from = 0;
    for (let end; (end = chunk.indexOf(10, from)) >= 0; from = end + 1) {
      const line = Buffer.concat([...begun, chunk.subarray(from, end)]);
      begun = [];
      yield JSON.parse(line.toString());
    }
    if (from < chunk.length) begun.push(chunk.subarray(from));
  };
}

/**
 * True for the process's stdin if nothing has been read of it; a worker's is another stream.
 *
 * @param {any} stdin
 */
function isProcessStdin(stdin) {
  // (Node makes it when it is first asked for, in 2 ms.)
  if (stdin === 'pipe' || typeof stdin === 'function' || stdin !== process.stdin) return false;
  return stdin.fd === 0 && !stdin.readableDidRead && !stdin.destroyed;
}

/**
 * Watches a stream for errors, also while nobody reads it.
 *
 * @param {any} source
 * @param {(error: unknown) => void} fail
 * @returns {() => void} ends the watch
 */
function watchSource(source, fail) {
  if (!isEmitter(source)) return () => {};
  return finished(source, { writable: false }, (error) => {
    if (error) fail(error);
  });
}

/**
 * Destroys a source, or ends its iterator. Errors of it are ignored.
 *
 * @param {any} source
 * @param {AsyncIterator<unknown> | undefined} iterator
 */
async function release(source, iterator) {
  try {
    if (typeof source.destroy !== 'function') return await iterator?.return?.();
    if (source.destroyed) return;
    if (isEmitter(source)) {
      const forget = finished(source, () => forget());
    }
    source.destroy();
  } catch {
    // Its own error, which nobody waits for.
  }
}

/**
 * Closes a pipe when all that is in it has been read: its other end may stay open for a while.
 *
 * @param {Socket} socket
 */
async function closeWhenEmpty(socket) {
  let seen;
  do {
    seen = socket.bytesRead;
    // In two turns the event loop polls the pipe.
    await turn();
    await turn();
  } while (socket.bytesRead !== seen);
  socket.destroy();
}

/**
 * Resolves when a pipe has taken a chunk, or never will.
 *
 * @param {Socket} socket
 * @param {string | Uint8Array} chunk
 * @returns {Promise<void>}
 */
const written = (socket, chunk) => new Promise((resolve) => socket.write(chunk, () => resolve()));

/** The chunk that a source has yielded. @param {any} value @returns {string | Uint8Array} */
const chunkOf = (value) =>
  typeof value === 'string' ? value : bytesOf(value, 'chunk', 'of type string or an instance of');

/** @param {any} error */
const isPremature = (error) => error?.code === 'ERR_STREAM_PREMATURE_CLOSE';

/** The chunks that a function supplies. @param {(maxBytes: number) => unknown} supply */
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

/**
 * Streams that have ended, for this end of pipes that are not opened.
 *
 * @param {boolean[]} isPipe for each of stdin, stdout and stderr
 */
function endedEnds([isStdin, isStdout, isStderr]) {
  const ended = () => /** @type {any} */ (Readable.from([]));
  return {
    ...(isStdin && { stdin: /** @type {any} */ (new Writable().destroy()) }),
    ...(isStdout && { stdout: ended() }),
    ...(isStderr && { stderr: ended() }),
  };
}

module.exports = { Streams, endedEnds };
