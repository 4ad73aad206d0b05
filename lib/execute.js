'use strict';

// One run: its engine, its streams, and its early end by `kill()`, `timeout` and `signal`.

const { clearTimeout, setTimeout } = require('node:timers');
const { types } = require('node:util');
const { inV8, inWasmtime } = require('./program.js');

const NAMES = ['stdin', 'stdout', 'stderr'];

/** Loaded when there is an error. */
const errors = () => require('./errors.js');

/**
 * @typedef {object} Outcome
 * @property {number} exitCode
 * @property {Buffer | null} stdout
 * @property {Buffer | null} stderr
 * @property {import('./types.js').Usage} usage
 */

/**
 * @typedef {import('./program.js').Chosen} Chosen
 *
 * @typedef {InstanceType<typeof import('./program.js').Cancellation>} Cancellation
 *
 * @typedef {object} Choice
 * @property {Promise<Chosen>} chosen the engine
 * @property {Cancellation} cancellation of the requests that are made to choose it
 */

/** A run, from its request until all its output has been delivered. */
class Execution {
  /** The error that the run is ended with. @type {{ error: unknown } | undefined} */
  #killed;
  /** Ends the run in the engine. @type {((error: unknown) => void) | undefined} */
  #kill;
  /** Rejects when the run is ended before an engine has it. @type {Promise<never>} */
  #interrupted;
  /** @type {(error: unknown) => void} */
  #interrupt;
  /** @type {Cancellation} */
  #cancellation;
  #disarm = () => {};
  /** True while the output of the ended program is being delivered. */
  #isDelivering = false;
  /** @type {Streams} */
  streams;

  /**
   * @param {import('./program.js').Handle} handle
   * @param {Choice} choice
   * @param {import('./options.js').Options} options
   * @param {() => void} [onStart] is called when the engine has the run
   */
  constructor(handle, { chosen, cancellation }, options, onStart) {
    this.#cancellation = cancellation;
    chosen.catch(() => {}); // reported by the result
    const { promise, reject } = withReject();
    this.#interrupted = promise;
    this.#interrupt = reject;
    this.#interrupted.catch(() => {});
    this.streams = streamsOf(options.stdio, (error) => this.kill(error));
    /** @type {Promise<Outcome>} */
    this.result = this.#run(handle, chosen, options, onStart);
    this.result.catch(() => {}); // reported to those who read the result
  }

  /**
   * Ends the run with this error.
   *
   * @param {unknown} error
   * @returns {boolean} false if it has been ended before
   */
  kill(error) {
    if (this.#killed) return false;
    this.#killed = { error };
    this.#interrupt(error);
    this.#cancellation.cancel();
    this.#kill?.(error);
    if (this.#isDelivering) this.streams.abandon();
    return true;
  }

  /**
   * @param {import('./program.js').Handle} handle
   * @param {Promise<Chosen>} chosen
   * @param {import('./options.js').Options} options
   * @param {() => void} [onStart]
   */
  async #run(handle, chosen, options, onStart) {
    try {
      return await this.#finished(this.#execute(handle, chosen, options, onStart));
    } finally {
      this.#disarm();
    }
  }

  /**
   * @param {import('./program.js').Handle} handle
   * @param {Promise<Chosen>} choosing
   * @param {import('./options.js').Options} options
   * @param {() => void} [onStart]
   */
  async #execute(handle, choosing, options, onStart) {
    this.#arm(options);
    const chosen = await Promise.race([choosing, this.#interrupted]);
    const { args, env, preopens, limits, concurrency, trace } = options;
    const plan = { args, env, preopens, limits, concurrency, trace, stdio: this.streams.plan };
    const result = this.#start(chosen, plan);
    if (chosen.isFirst) require('./background.js').compileAfter(handle, result);
    onStart?.();
    if (!chosen.mayChange) return result;
    return result.catch((error) => this.#startInOther(handle, chosen, plan, error));
  }

  /**
   * @param {Chosen} chosen
   * @param {import('./types.js').Plan} plan
   * @returns {Promise<import('./types.js').Result>}
   */
  #start({ engine, program }, plan) {
    if (this.#killed) throw this.#killed.error; // while the engine was being chosen
    const { result, kill } = engine.start(program, plan);
    this.#kill = kill;
    return result;
  }

  /**
   * Runs the program in the other engine, which may have a feature of WebAssembly that the chosen one lacks.
   * If it can't run there either, the error is that of wasmtime.
   *
   * @param {import('./program.js').Handle} handle
   * @param {Chosen} chosen the engine that can't run the program
   * @param {import('./types.js').Plan} plan
   * @param {any} error the error of that engine
   */
  async #startInOther(handle, { engine }, plan, error) {
    if (unified(error)?.code !== 'ERR_WASI_PROGRAM' || this.#killed) throw error;
    const isV8 = engine === require('./wasmtime.js');
    try {
      return await this.#start(
        isV8 ? await inV8(handle, plan.limits, this.#cancellation) : await inWasmtime(handle),
        plan,
      );
    } catch (second) {
      const { code: why } = unified(second) ?? {};
      // EBADF: wasmtime has begun the run and taken its descriptors.
      throw isV8 && (why === 'ERR_WASI_PROGRAM' || why === 'UVWASI_EBADF') ? error : second;
    }
  }

  /**
   * Waits until the program has ended and its output has been delivered.
   *
   * @param {Promise<import('./types.js').Result>} ends
   * @returns {Promise<Outcome>}
   */
  async #finished(ends) {
    /** @type {any} */
    let carrier;
    try {
      const { exitCode, stdout = null, stderr = null, usage } = await ends;
      carrier = { exitCode, stdout, stderr, usage };
    } catch (error) {
      await this.streams.finish(true).catch(() => {});
      throw unified(error);
    }
    try {
      this.#isDelivering = true;
      if (this.#killed) this.streams.abandon();
      await this.streams.finish();
      if (this.#killed) throw this.#killed.error; // while its output was being delivered
    } catch (error) {
      const { stdout, stderr, usage } = carrier;
      errors().addTo(error, { stdout, stderr, usage });
      throw error;
    }
    return carrier;
  }

  /** Arms the timeout and the signal that end the run. @param {import('./options.js').Options} options */
  #arm({ timeout, signal }) {
    const abort = () =>
      this.kill(new (errors().AbortError)(/** @type {AbortSignal} */ (signal).reason));
    const expire = () => this.kill(timedOut(timeout));
    const timer = timeout > 0 ? setTimeout(expire, timeout) : undefined;
    const forget = signal && require('./abort.js').onAbort(signal, abort);
    this.#disarm = () => {
      clearTimeout(timer);
      forget?.();
    };
  }
}

/**
 * @typedef {InstanceType<typeof import('./stdio.js').Streams>} AllStreams
 *
 * @typedef {Pick<AllStreams, 'plan' | 'ends' | 'abandon' | 'finish'>} Streams
 */

/**
 * The standard streams of a run. Most runs need no streams in JavaScript.
 *
 * @param {import('./options.js').Stdio} stdio
 * @param {(error: unknown) => void} fail is called when a stream in JavaScript throws
 * @returns {Streams}
 */
function streamsOf(stdio, fail) {
  const isPlain = (/** @type {any} */ one) =>
    typeof one === 'number' || one === 'capture' || one === 'ignore' || types.isUint8Array(one);
  if (!stdio.every(isPlain)) return new (require('./stdio.js').Streams)(stdio, fail);
  if (!stdio.some((one) => typeof one === 'number')) {
    const plan = /** @type {import('./types.js').Plan['stdio']} */ (stdio);
    return { plan, ends: {}, abandon: () => {}, finish: async () => {} };
  }
  const tickets = new (require('./tickets.js').Tickets)();
  const plan = /** @type {import('./types.js').Plan['stdio']} */ (
    stdio.map((one, i) => (typeof one === 'number' ? tickets.copy(one, NAMES[i]) : one))
  );
  return { plan, ends: {}, abandon: () => {}, finish: async () => tickets.close() };
}

/** A promise and the function that rejects it. (Node 20 has no Promise.withResolvers.) */
function withReject() {
  /** @type {(error: unknown) => void} */
  let reject = () => {};
  /** @type {Promise<never>} */
  const promise = new Promise((_, with_) => (reject = with_));
  return { promise, reject };
}

/** @param {number} timeout */
function timedOut(timeout) {
  return errors().errorOf(
    Error,
    'ERR_WASI_TIMEOUT',
    `the program was still running after ${timeout} ms`,
  );
}

/** The error of both engines for a program that can't be run. @param {unknown} error @returns {any} */
function unified(error) {
  const { name } = /** @type {any} */ (error) ?? {};
  if (name !== 'CompileError' && name !== 'LinkError') return error;
  const wrong = `the program ${errors().uncompiled(/** @type {Error} */ (error))}`;
  return errors().errorOf(Error, 'ERR_WASI_PROGRAM', wrong, { cause: error });
}

module.exports = { Execution };
