'use strict';

// The engine "V8 in a worker": a guest runs in a worker thread, so that the event loop stays free and that the guest can
// be ended, in whatever it is busy with, by ending the thread.

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
// Not the globals: those of jsdom and of fake clocks are others.
const { performance } = require('node:perf_hooks');
const timers = require('node:timers');
const { Worker } = require('node:worker_threads');
const { addTo, busy, errorOf } = require('../errors.js');
const { collect } = require('./sink.js');

/**
 * @typedef {object} ForV8 a program as the addon has prepared it
 * @property {BufferSource} bytes of a module that keeps to its limits, and can be ended in whatever it does
 * @property {BufferSource} meter the bytes of the module that counts its calls
 * @property {import('./guest.js').ImportedMemory[]} memories
 * @property {'preview1' | 'unstable'} version of WASI
 * @property {boolean} isBaseline whether V8's optimiser is not to have it
 * @property {string} [start] what its start function is exported as
 * @property {number} [objects] bytes that its garbage-collected objects may have, if it makes any and is limited; for the main
 *   thread, if it makes any
 *
 * @typedef {object} Limits
 * @property {number} [memory] bytes of all memories, tables and objects
 * @property {number} [tableElements] elements of all tables
 * @property {number} [stack] bytes
 * @property {number} [fuel] which V8 has none of
 * @property {number} [openFiles]
 * @property {number} [stdout] bytes of each captured stream
 *
 * @typedef {number | 'capture' | 'ignore'} Output
 *
 * @typedef {object} Plan
 * @property {string[]} args
 * @property {string[]} env `NAME=value`
 * @property {{ guest: string, path: string, readOnly: boolean }[]} preopens
 * @property {[stdin: number | Uint8Array, stdout: Output, stderr: Output]} stdio numbers are those of tickets
 * @property {Limits & { stdout: number }} limits
 * @property {number} [concurrency] how many may have begun at a time, this one included
 * @property {boolean} trace
 *
 * @typedef {object} Usage
 * @property {number} wall milliseconds
 * @property {number} cpu milliseconds, of the guest's thread
 * @property {number} memory bytes at most; of a guest that was killed, when it last read or wrote
 * @property {number} calls
 * @property {number} read bytes
 * @property {number} written bytes
 *
 * @typedef {typeof SLOT} Slots
 *
 * @typedef {{ exitCode: number, stdout?: Buffer, stderr?: Buffer, usage: Usage }} Result
 *
 * @typedef {Pick<ForV8, 'memories' | 'objects' | 'start' | 'version'> & { module: WebAssembly.Module, meter: WebAssembly.Module }} Prepared
 *
 * @typedef {Prepared & { options: any, capacity: number }} Job what a worker gets: options of the class, but that a
 * stream may be the number of a ticket, or `'capture'`, and how many bytes of each such stream
 */

const MEBIBYTE = 1024 * 1024;

/**
 * Where in the memory that a thread shares with this one, in 8-byte steps, a number stands. Times are integers, the others
 * floats. The first three are the meter's (`crates/modules/src/rewrite/meter.rs`).
 */
const SLOT = Object.freeze({
  calls: 0,
  read: 1,
  written: 2,
  memory: 3,
  cpuStart: 4,
  cpuEnd: 5,
  wallStart: 6,
  wallEnd: 7,
  thread: 8,
});

/** How many guests run at once. */
const MAX_THREADS = Math.max(4, os.availableParallelism());

/** How many may have begun at a time, unless the plan says: most of them then wait for input or a clock. */
const CONCURRENCY = 64;

/**
 * How often it is looked who waits, in milliseconds, while guests have no thread; and up to which share of that time a
 * thread may have been busy. (One that waits wakes every 20 ms, to see whether it is to end.)
 */
const LOOK = { every: 50, busy: 0.1 };

/**
 * How long guests without a thread see nobody get one, in milliseconds, before there is a place more; doubled for each that
 * there is already. Guests that calculate for ever must not keep all others from ever having their turn.
 */
const STANDSTILL = 1000;

/** How long a thread waits for its next guest, in milliseconds. */
const PATIENCE = 10_000;

/** Above this, what a guest leaves behind is given back with its thread rather than left to the garbage collector. */
const MAX_LEFT_BEHIND = 64 * MEBIBYTE;

/**
 * How long a killed guest's result waits for the end of its thread, in milliseconds. V8 hears the order to stop within a
 * few, unless it is filling a large memory.
 */
const GRACE = 50;

/** V8's own frames, and Node's, need this much of a worker's stack beside what the guest may use. */
const STACK_OF_NODE = MEBIBYTE / 4;

/** How much stack a guest has unless its limits say; as in wasmtime (`crates/runner/src/mode.rs`). */
const STACK = MEBIBYTE;

/** Bytes of a worker's heap beside the objects of its guest: for Node, and what the class keeps of a guest. */
const HEAP_OF_NODE = 16 * MEBIBYTE;

/** Where a heap is limited, mebibytes of it for what is new. */
const NEW_OBJECTS = 8;

/** Threads without a guest, those used last at the end. @type {Thread[]} */
const idle = [];
/** Guests without a thread, in the order they came. @type {Run[]} */
const waiting = [];
let threads = 0;
/** Those that have a guest. @type {Set<Thread>} */
const running = new Set();
/** How many of them only wait. */
let givenAway = 0;
/** How many threads, of guests that were killed, are not back: the kernel is at a call of theirs. */
let lost = 0;
/** How many places there are because nobody got a thread for so long. */
let extra = 0;
/** When somebody last did, or began to wait for one. */
let moved = 0;
/** @type {NodeJS.Timeout | undefined} */
let looking;

/**
 * Runs a program, at once or when a thread is free.
 *
 * @param {Promise<Prepared>} program
 * @param {Plan} plan
 * @returns {{ result: Promise<Result>, kill(error: unknown): void }} `kill` ends the guest, and `result` with that error
 */
function start(program, plan) {
  refuseFuel(plan.limits);
  const run = new Run(program, plan);
  if (plan.limits.memory === undefined) enqueue(run);
  else run.prepare(enqueue);
  return { result: run.result, kill: (error) => run.kill(error) };
}

/** @param {Run} run */
function enqueue(run) {
  if (waiting.length === 0) moved = performance.now();
  waiting.push(run);
  schedule();
}

/**
 * Has a thread begin to start, for a guest that comes soon: its program has yet to be read.
 *
 * @param {number | undefined} stack bytes of it that the guest will want
 */
function expect(stack = STACK) {
  if (threads >= MAX_THREADS || idle.some((thread) => thread.fits({ stack }))) return;
  try {
    new Thread({ stack }).rest();
  } catch {
    // The guest will be told.
  }
}

/** @param {Limits} limits */
function refuseFuel({ fuel }) {
  if (fuel === undefined) return;
  const message = `"options.limits.fuel" needs the engine 'wasmtime': V8 does not count`;
  throw errorOf(TypeError, 'ERR_INVALID_ARG_VALUE', message);
}

/** Gives the guests that wait a thread, as long as there are any. */
function schedule() {
  if (running.size < MAX_THREADS) extra = 0;
  while (waiting.length > 0) {
    let thread;
    try {
      thread = takeThread(waiting[0]);
    } catch (error) {
      waiting.shift()?.fail(error, NO_USAGE); // there are too many, or the permission model allows no workers
      continue;
    }
    if (!thread) return lookSoon();
    moved = performance.now();
    thread.begin(/** @type {Run} */ (waiting.shift()));
  }
}

/** A guest may wait for another, which waits for a thread: both would wait for ever. */
function lookSoon() {
  looking ??= timers
    .setTimeout(() => {
      looking = undefined;
      givenAway = [...running].filter((thread) => thread.isWaiting()).length;
      if (performance.now() - moved >= STANDSTILL * 2 ** extra) extra++;
      schedule();
    }, LOOK.every)
    .unref();
}

/** @param {Run} run @returns {Thread | undefined} */
function takeThread({ stack, objects, plan: { concurrency = CONCURRENCY } }) {
  if (lost >= CONCURRENCY) throw busy('v8', CONCURRENCY);
  const hasPlace = running.size < MAX_THREADS + givenAway + extra;
  if (hasPlace && running.size >= concurrency) throw busy('v8', concurrency);
  const fitting = idle.findLastIndex((thread) => thread.fits({ stack, objects }));
  if (fitting >= 0) return idle.splice(fitting, 1)[0];
  if (threads < MAX_THREADS + givenAway + extra) return new Thread({ stack, objects });
  idle.shift()?.end(); // which makes room for one with the right limits
  return undefined;
}

/** A guest, from when it is asked for until it has ended. */
class Run {
  /** @type {{ stdout: SharedArrayBuffer[], stderr: SharedArrayBuffer[] }} */
  chunks = { stdout: [], stderr: [] };
  isPreparing = false;
  /** The thread it runs on. @type {Thread | undefined} */
  thread;
  /** Why it was killed. @type {{ error: unknown } | undefined} */
  killed;

  /** @param {Promise<Prepared>} program @param {Plan} plan */
  constructor(program, plan) {
    this.program = program;
    this.plan = plan;
    this.stack = plan.limits.stack ?? STACK;
    /** Bytes that its objects may have. @type {number | undefined} */
    this.objects = undefined;
    /** @type {Promise<Result>} */
    this.result = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }

  /**
   * Finds out what thread it needs: one whose heap is limited if it makes objects there.
   *
   * @param {(run: Run) => void} next
   */
  async prepare(next) {
    this.isPreparing = true;
    try {
      ({ objects: this.objects } = await this.program);
    } catch (error) {
      if (this.isPreparing) this.fail(error, NO_USAGE);
      this.isPreparing = false;
    }
    if (this.isPreparing) next(this);
    this.isPreparing = false;
  }

  /** @param {unknown} error */
  kill(error) {
    if (this.killed) return;
    this.killed = { error };
    if (this.thread) this.thread.end();
    else {
      const place = waiting.indexOf(this);
      if (place < 0 && !this.isPreparing) return; // it has ended
      if (place >= 0) waiting.splice(place, 1);
      this.isPreparing = false;
      this.fail(error, NO_USAGE);
    }
  }

  /** What is captured of its streams. */
  output() {
    const [, stdout, stderr] = this.plan.stdio;
    return {
      ...(stdout === 'capture' && { stdout: collect(this.chunks.stdout) }),
      ...(stderr === 'capture' && { stderr: collect(this.chunks.stderr) }),
    };
  }

  /** @param {number} exitCode @param {Usage} usage */
  succeed(exitCode, usage) {
    try {
      this.resolve?.({ exitCode, ...this.output(), usage });
    } catch (error) {
      this.reject?.(error); // such as more than a Buffer holds
    }
  }

  /** @param {unknown} error @param {Usage} usage */
  fail(error, usage) {
    try {
      addTo(error, { ...this.output(), usage });
    } catch {
      addTo(error, { usage });
    }
    this.reject?.(error);
  }
}

/**
 * What a guest needs of its thread: bytes of stack, and for its objects if they are limited.
 *
 * @typedef {{ stack: number, objects?: number }} Needs
 */

/** The limits of a heap with so many bytes for the guest's objects. @param {number} objects */
function heapFor(objects) {
  const maxOldGenerationSizeMb = Math.ceil((HEAP_OF_NODE + objects) / MEBIBYTE);
  return { maxOldGenerationSizeMb, maxYoungGenerationSizeMb: NEW_OBJECTS };
}

/** @type {Usage} */
const NO_USAGE = Object.freeze({ wall: 0, cpu: 0, memory: 0, calls: 0, read: 0, written: 0 });

/** A worker, for one guest after the other. */
class Thread {
  /** @type {Run | undefined} */
  #run;
  /** What ended the worker. @type {Error | undefined} */
  #error;
  /** What its guest had used when it was ended. @type {Usage | undefined} */
  #usage;
  #ended = false;
  /** Whether its place is another's. */
  #left = false;
  /** When it was looked at last, how many nanoseconds it had been busy; in all its guests. */
  #busy = 0n;
  /** @type {NodeJS.Timeout | undefined} */
  #grace;
  /** @type {NodeJS.Timeout | undefined} */
  #rest;

  /** @param {Needs} needs */
  constructor({ stack, objects }) {
    this.stack = stack;
    this.objects = objects;
    this.shared = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
    this.numbers = new Float64Array(this.shared.buffer);
    this.worker = new Worker(path.join(__dirname, 'worker.js'), {
      workerData: { shared: this.shared, SLOT }, // a file less to load there
      // Or Node would look at process.stdout, and so make it non-blocking; nobody writes to these.
      stdout: true,
      stderr: true,
      // Neither the preloads nor the flags of the program that runs the guest, which are not for this thread.
      env: {},
      execArgv: [],
      resourceLimits: {
        stackSizeMb: (stack + STACK_OF_NODE) / MEBIBYTE,
        ...(objects !== undefined && heapFor(objects)),
      },
    });
    this.worker.unref(); // without a guest it does not keep the process from ending
    this.worker.once('online', () => this.#run ?? this.worker.unref());
    threads++;
    this.worker.on('message', (message) => this.#hear(message));
    this.worker.on('error', (error) => (this.#error = /** @type {Error} */ (error)));
    this.worker.on('exit', () => this.#exited());
  }

  /** Whether a guest with these needs may have it. @param {Needs} needs */
  fits({ stack, objects }) {
    return this.stack === stack && this.objects === objects;
  }

  /** @param {Run} run */
  async begin(run) {
    timers.clearTimeout(this.#rest);
    running.add(this);
    this.#run = run;
    run.thread = this;
    this.worker.ref();
    this.numbers.fill(0, 0, SLOT.thread);
    try {
      const prepared = await run.program;
      if (!this.#ended) this.worker.postMessage({ ...prepared, ...jobOf(run, prepared) });
    } catch (error) {
      if (!this.#ended) this.#release().fail(error, NO_USAGE);
    }
  }

  /** Ends the guest, and the thread with it. */
  end() {
    if (this.#ended) return;
    this.#ended = true;
    timers.clearTimeout(this.#rest);
    const place = idle.indexOf(this);
    if (place >= 0) idle.splice(place, 1);
    if (this.#run) {
      this.#usage = readUsage(this.numbers);
      this.#grace = timers.setTimeout(() => this.#lose(), GRACE);
    }
    this.worker.terminate();
  }

  /** @param {any} message */
  #hear({ stream, chunk, failure, exitCode }) {
    const run = this.#run;
    if (chunk) run?.chunks[/** @type {'stdout' | 'stderr'} */ (stream)].push(chunk);
    else if (run && !this.#ended) {
      const usage = readUsage(this.numbers);
      this.#release();
      if (failure) run.fail(revive(failure), usage);
      else run.succeed(exitCode, usage);
    }
  }

  /** The guest is done with: on to the next, if the thread is fit for it. @returns {Run} */
  #release() {
    const run = /** @type {Run} */ (this.#run);
    running.delete(this);
    this.#run = undefined;
    run.thread = undefined;
    this.worker.unref();
    const isLarge = this.numbers[SLOT.memory] > MAX_LEFT_BEHIND;
    if (isLarge || threads > MAX_THREADS) this.end();
    else this.rest();
    schedule();
    return run;
  }

  /** Waits for the next guest, but not for ever. */
  rest() {
    idle.push(this);
    this.#rest = timers.setTimeout(() => this.end(), PATIENCE).unref();
  }

  /** Whether it has done next to nothing since it was asked the last time. */
  isWaiting() {
    const { cpu = 0n, delay = 0n } = cpuTime(this.numbers[SLOT.thread]) ?? {};
    const before = this.#busy;
    this.#busy = cpu + delay; // it would have been busy, had there been a processor for it
    const hasBegun = readUsage(this.numbers) !== NO_USAGE;
    return hasBegun && before > 0n && this.#busy - before < LOOK.every * LOOK.busy * 1e6;
  }

  #exited() {
    this.end(); // where it ended by itself
    timers.clearTimeout(this.#grace);
    if (this.#left) lost--;
    else this.#leave();
  }

  /** The worker ends, but not soon. */
  #lose() {
    lost++;
    this.worker.unref();
    this.#leave();
  }

  /** The worker has ended, or is lost: another may have its place. */
  #leave() {
    this.#left = true;
    threads--;
    running.delete(this);
    this.#report();
    schedule();
  }

  /** Its guest gets to know why. */
  #report() {
    const run = this.#run;
    if (!run) return;
    this.#run = undefined;
    run.thread = undefined;
    const usage = this.#usage ?? readUsage(this.numbers);
    if (run.killed) return run.fail(run.killed.error, usage);
    const error = /** @type {NodeJS.ErrnoException} */ (
      this.#error ?? new Error('the worker has ended')
    );
    const isOut = error.code === 'ERR_WORKER_OUT_OF_MEMORY';
    const message = "wasm trap: out of V8's memory";
    run.fail(isOut ? errorOf(Error, 'ERR_WASI_TRAP', message) : error, usage);
  }
}

/** What a worker needs to know of a run, beside the modules. @param {Run} run @param {Prepared} prepared */
function jobOf({ plan }, { version }) {
  const [stdin, stdout, stderr] = plan.stdio;
  const options = {
    version,
    args: plan.args,
    env: Object.fromEntries(plan.env.map(splitVariable)),
    preopens: Object.fromEntries(
      plan.preopens.map(({ guest, path, readOnly }) => [guest, { path, readOnly }]),
    ),
    stdin,
    stdout,
    stderr,
    limits: { openFiles: plan.limits.openFiles },
    trace: plan.trace,
  };
  return { options, capacity: plan.limits.stdout };
}

/** @param {string} entry @returns {[string, string]} */
function splitVariable(entry) {
  const equals = entry.indexOf('=');
  return [entry.slice(0, equals), entry.slice(equals + 1)];
}

/** Compiles a program. @param {Promise<ForV8>} program @returns {Promise<Prepared>} */
async function compile(program) {
  const { bytes, meter, memories, version, isBaseline, start, objects } = await program;
  const [compiled, compiledMeter] = await Promise.all([
    isBaseline ? require('./baseline.js').compileBaseline(bytes) : WebAssembly.compile(bytes),
    WebAssembly.compile(meter),
  ]);
  return { module: compiled, meter: compiledMeter, memories, version, start, objects };
}

/** @param {Float64Array} numbers @returns {Usage} of the guest whose numbers they are, until now */
function readUsage(numbers) {
  const nanoseconds = new BigUint64Array(numbers.buffer);
  const { wallStart, wallEnd, cpuStart, cpuEnd } = SLOT;
  if (nanoseconds[wallStart] === 0n) return NO_USAGE; // it has not begun
  const milliseconds = (/** @type {number} */ from, /** @type {bigint} */ to) =>
    Math.max(0, Number(to - nanoseconds[from]) / 1e6);
  const wall = milliseconds(wallStart, nanoseconds[wallEnd] || process.hrtime.bigint());
  const cpu = nanoseconds[cpuEnd] || cpuTime(numbers[SLOT.thread])?.cpu;
  return {
    wall,
    cpu: cpu === undefined ? wall : milliseconds(cpuStart, cpu),
    memory: numbers[SLOT.memory],
    calls: numbers[SLOT.calls],
    read: numbers[SLOT.read],
    written: numbers[SLOT.written],
  };
}

/**
 * How long a thread has run up to now, and how long it has waited for a processor, in nanoseconds; Linux brings the numbers
 * up to date every some milliseconds.
 *
 * @param {number} thread its number in Linux
 * @returns {{ cpu: bigint, delay: bigint } | undefined} on other systems nobody tells of a thread that does not ask itself
 */
function cpuTime(thread) {
  try {
    const text = fs.readFileSync(`/proc/self/task/${thread}/schedstat`, 'latin1');
    const [cpu, delay] = text.split(' ').map(BigInt);
    return { cpu, delay };
  } catch {
    return undefined;
  }
}

/** An error from a worker. @param {{ name: string, message: string, stack?: string, code?: string }} failure @returns {Error} */
function revive({ name, message, stack, code }) {
  const { CompileError, LinkError } = WebAssembly;
  const types = /** @type {Record<string, new (message: string) => Error>} */ ({
    ...{ TypeError, RangeError, CompileError, LinkError },
  });
  const error = new (types[name] ?? Error)(message);
  return Object.assign(error, code !== undefined && { code }, stack !== undefined && { stack });
}

/** Whether the end of the process would wait for a thread. */
const isHeldUp = () => lost > 0;

module.exports = { compile, expect, isHeldUp, start };
