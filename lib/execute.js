'use strict';

// One run: its engine, its streams, and its early end by `kill()`, `timeout` and `signal`.

const { clearTimeout, setTimeout } = require('node:timers');
const { types } = require('node:util');
const { inV8, inWasmtime } = require('./program.js');

/** @typedef {import('./errors.js').Caller} Caller */

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
 * @typedef {InstanceType<typeof import('./program.js').ProgramHandle>} ProgramHandle
 * @typedef {import('./program.js').Chosen} Chosen
 *
 * @typedef {InstanceType<typeof import('./program.js').Cancellation>} Cancellation
 *
 * @typedef {object} Choice
 * @property {Promise<Chosen>} chosen the engine
 * @property {Cancellation} cancellation of the requests that are made to choose it
 * @property {Pool} [pool]
 * @property {import('./pool.js').Place} [place] in the pool
 *
 * @typedef {InstanceType<typeof import('./pool.js').Pool>} Pool
 */

/**
 * Functions of the child that a run is for.
 *
 * @typedef {object} Hooks
 * @property {() => void} [onBegin] is called when the program has begun
 * @property {() => void} [onKill] is called when it is ended by `kill()`, `timeout`, `signal` or its Runner
 */

/** The codes of errors by which a run is ended, other than those of its streams. */
const KILLS = new Set(['ERR_WASI_KILLED', 'ERR_WASI_TIMEOUT', 'ABORT_ERR']);

/** A run, from its request until all its output has been delivered. */
class Execution {
  /** The error that the run is ended with. @type {{ error: unknown } | undefined} */
  #killed;
  #onKill;
  #options;
  #caller;
  #place;
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
   * @param {import('./program.js').AnyHandle} handle
   * @param {Choice} choice
   * @param {import('./options.js').Options} options
   * @param {Caller} caller
   * @param {Hooks} [hooks]
   */
  constructor(handle, { chosen, cancellation, pool, place }, options, caller, hooks = {}) {
    this.#onKill = hooks.onKill;
    this.#options = options;
    this.#place = place;
    this.#caller = caller;
    this.#cancellation = cancellation;
    chosen.catch(() => {}); // reported by the result
    const { promise, reject } = withReject();
    this.#interrupted = promise;
    this.#interrupt = reject;
    this.#interrupted.catch(() => {});
    const { stdio, trace, signal } = options;
    if (signal?.aborted) {
      this.streams = unopened(stdio);
      this.kill(new (errors().AbortError)(signal.reason));
    } else {
      this.streams = this.#open(stdio, trace);
    }
    /** @type {Promise<Outcome>} */
    this.result = this.#run(handle, chosen, options, hooks.onBegin);
    this.result.catch(() => {}); // reported to those who read the result
    pool?.add(this);
  }

  /** @param {import('./options.js').Stdio} stdio @param {import('./options.js').Options['trace']} trace */
  #open(stdio, trace) {
    try {
      return streamsOf(stdio, trace, (error) => this.kill(error));
    } catch (error) {
      this.#place?.leave();
      throw this.#shown(error);
    }
  }

  /** The error as the user gets it: with its output, and the stack of the call. @param {unknown} error */
  #shown(error) {
    const all = withOutput(error, this.#options.stdio);
    return errors().from(decoded(all, this.#options), this.#caller);
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
    if (KILLS.has(/** @type {any} */ (error)?.code)) this.#onKill?.();
    this.#interrupt(error);
    this.#cancellation.cancel();
    this.#kill?.(error);
    if (this.#isDelivering) this.streams.abandon();
    return true;
  }

  /**
   * @param {import('./program.js').AnyHandle} handle
   * @param {Promise<Chosen>} chosen
   * @param {import('./options.js').Options} options
   * @param {() => void} [onBegin]
   */
  async #run(handle, chosen, options, onBegin) {
    try {
      const execution = this.#execute(handle, chosen, options, onBegin);
      return decoded(checked(await this.#finished(execution), options.check), options);
    } catch (error) {
      throw this.#shown(error);
    } finally {
      this.#disarm();
      this.#place?.leave();
    }
  }

  /**
   * @param {import('./program.js').AnyHandle} handle
   * @param {Promise<Chosen>} choosing
   * @param {import('./options.js').Options} options
   * @param {() => void} [onBegin]
   */
  async #execute(handle, choosing, options, onBegin) {
    this.#arm(options);
    const chosen = await Promise.race([choosing, this.#interrupted]);
    const { args, env, preopens, limits, maxBuffer, concurrency, byCall } = options;
    const { exchange, fetch, sockets, fixed } = options;
    const host = options.given ? await this.#hostOf(handle, options) : options.host;
    const { plan: stdio, trace } = this.streams;
    const plan = {
      args,
      env,
      preopens,
      limits,
      maxBuffer,
      concurrency,
      trace,
      byCall,
      stdio,
      host,
      exchange: exchange?.(),
      fetch,
      sockets,
      fixed,
      onBegin,
    };
    const result = this.#start(chosen, plan);
    if (chosen.isFirst)
      require('./background.js').compileAfter(/** @type {ProgramHandle} */ (handle), result);
    if (!chosen.mayChange) return result;
    return result.catch((error) => this.#startInOther(handle, chosen, plan, error));
  }

  /**
   * The functions that a component is given.
   *
   * @param {import('./program.js').AnyHandle} handle
   * @param {import('./options.js').Options} options
   */
  async #hostOf(handle, { given, limits }) {
    const describing = /** @type {ProgramHandle} */ (handle).interface(limits);
    const description = await Promise.race([describing, this.#interrupted]);
    if (!description) return require('./options.js').hostOf(given); // the file has changed
    return new (require('./component.js').Component)(description).host(given?.imports);
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
   * @param {import('./program.js').AnyHandle} handle
   * @param {Chosen} chosen the engine that can't run the program
   * @param {import('./types.js').Plan} plan
   * @param {any} error the error of that engine
   */
  async #startInOther(handle, { engine }, plan, error) {
    if (!isUnfit(error) || this.#killed) throw error;
    const isV8 = engine === require('./wasmtime.js');
    try {
      return await this.#start(
        isV8
          ? await inV8(handle, plan.limits, this.#cancellation)
          : await inWasmtime(/** @type {ProgramHandle} */ (handle)),
        plan,
      );
    } catch (second) {
      // EBADF: wasmtime has begun the run and taken its descriptors.
      const isNoBetter = isUnfit(second) || /** @type {any} */ (second)?.code === 'UVWASI_EBADF';
      throw isV8 && isNoBetter ? error : second;
    }
  }

  /**
   * Waits until the program has ended and its output has been delivered.
   *
   * @param {Promise<import('./types.js').Result>} ends
   * @returns {Promise<Outcome>}
   */
  async #finished(ends) {
    /** @type {Outcome} */
    let outcome;
    try {
      const { exitCode, stdout = null, stderr = null, usage } = await ends;
      usage.queued += this.#place?.waited() ?? 0;
      outcome = { exitCode, stdout, stderr, usage };
    } catch (error) {
      await this.streams.finish(true).catch(() => {});
      throw errors().wasiErrorOf(error);
    }
    try {
      this.#isDelivering = true;
      if (this.#killed) this.streams.abandon();
      await this.streams.finish();
      if (this.#killed) throw this.#killed.error; // while its output was being delivered
    } catch (error) {
      const { exitCode, ...output } = outcome;
      const failed = /** @type {any} */ (Object.assign(errors().wasiErrorOf(error), output));
      const isOfStream = failed.code === 'ERR_WASI_STREAM' || failed.code === 'EPIPE';
      // It ends the run, but not the program, which has ended itself.
      if (isOfStream) Object.assign(failed, { exitCode, signal: undefined, isTerminated: false });
      throw failed;
    }
    return outcome;
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
 * @typedef {Pick<AllStreams, 'plan' | 'ends' | 'abandon' | 'finish'> & Partial<AllStreams>} Streams
 */

/**
 * The standard streams of a run. Most runs need no streams in JavaScript.
 *
 * @param {import('./options.js').Stdio} stdio
 * @param {import('./options.js').Options['trace']} trace
 * @param {(error: unknown) => void} fail is called when a stream in JavaScript throws
 * @returns {Streams}
 */
function streamsOf(stdio, trace, fail) {
  const isPlain = (/** @type {any} */ one) =>
    typeof one === 'number' || one === 'capture' || one === 'ignore' || types.isUint8Array(one);
  if (trace || !stdio.every(isPlain))
    return new (require('./stdio.js').Streams)(stdio, trace, fail);
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

/**
 * The standard streams of a run that is not to begin: nothing is opened, and this end of each pipe has ended.
 *
 * @param {import('./options.js').Stdio} stdio
 * @returns {Streams}
 */
function unopened(stdio) {
  const [stdin] = /** @type {any[]} */ (stdio);
  if (!types.isUint8Array(stdin)) stdin?.destroy?.();
  const isOpen = (/** @type {unknown} */ one) => one === 'pipe';
  const ends = stdio.some(isOpen) ? require('./stdio.js').endedEnds(stdio.map(isOpen)) : {};
  const plan = /** @type {Streams['plan']} */ ([new Uint8Array(), 'ignore', 'ignore']);
  return { plan, ends, abandon: () => {}, finish: async () => {} };
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
  const message = `the program was still running after ${timeout} ms`;
  const details = { timedOut: true, signal: 'SIGTERM' };
  return new (errors().WasiError)('ERR_WASI_TIMEOUT', message, details);
}

/** True for the error of an engine that can't run the program. @param {any} error */
function isUnfit(error) {
  return ['CompileError', 'LinkError'].includes(error?.name) || error?.code === 'ERR_WASI_PROGRAM';
}

/**
 * The outcome, unless another exit code than 0 is to be an error.
 *
 * @param {Outcome} outcome
 * @param {boolean} check
 * @returns {Outcome}
 */
function checked(outcome, check) {
  const { exitCode } = outcome;
  if (!check || exitCode === 0) return outcome;
  const error = new (errors().WasiError)(
    'ERR_WASI_EXIT',
    `the program has exited with ${exitCode}`,
  );
  throw Object.assign(error, outcome);
}

/**
 * An error of a run with nothing for each captured stream that it has no output of, as of a program that was
 * never begun.
 *
 * @param {any} error
 * @param {import('./options.js').Stdio} stdio
 */
function withOutput(error, stdio) {
  const { WasiError } = errors();
  if (!(error instanceof WasiError)) return error;
  const captured = /** @type {('stdout' | 'stderr')[]} */ (
    NAMES.filter((_, i) => stdio[i] === 'capture')
  );
  for (const name of captured) error[name] ??= Buffer.alloc(0);
  return error;
}

/**
 * An outcome or error with its captured output in the encoding of the options.
 *
 * @template {any} T
 * @param {T} outcome
 * @param {import('./options.js').Options} options
 * @returns {T}
 */
function decoded(outcome, { encoding, lines }) {
  return encoding ? require('./text.js').decode(outcome, encoding, lines) : outcome;
}

module.exports = { Execution, streamsOf, timedOut };
