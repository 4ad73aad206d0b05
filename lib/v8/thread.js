'use strict';

// A worker of Node as a thread for guests in V8.

const path = require('node:path');
const { Worker } = require('node:worker_threads');
const { classAddon, engineName, files } = require('../addon.js');

const MEBIBYTE = 1024 * 1024;

/** The part of a worker's stack for the frames of V8 and Node, in bytes. */
const STACK_OF_NODE = MEBIBYTE / 4;

/** The stack of a guest without a limit, in bytes; as in wasmtime. @type {number} */
const STACK = classAddon().ranges.stack;

/** The part of a worker's heap that is not for the guest's objects, in bytes. */
const HEAP_OF_NODE = 16 * MEBIBYTE;

/**
 * The part of a heap for new objects, in mebibytes: of one with a limit, and of one without. When V8
 * collects them, up to a third may live on and move out of this part. A full heap gets 16 MiB more so that
 * its program can be stopped; if more than that moves at once, V8 ends the process. Node's default is up to
 * 192 MiB.
 */
const NEW_OBJECTS = { limited: 8, unlimited: 24 };

/**
 * The needs of a guest: bytes of stack, and bytes for its objects if they are limited.
 *
 * @typedef {{ stack?: number, objects?: number }} Needs
 */

/**
 * The limits of a heap with this number of bytes for the guest's objects.
 *
 * @param {number | undefined} objects
 */
function heapFor(objects) {
  if (objects === undefined) return { maxYoungGenerationSizeMb: NEW_OBJECTS.unlimited };
  const maxOldGenerationSizeMb = Math.ceil((HEAP_OF_NODE + objects) / MEBIBYTE);
  return { maxOldGenerationSizeMb, maxYoungGenerationSizeMb: NEW_OBJECTS.limited };
}

/** A worker that runs one guest after the other. */
class Thread {
  /** True if the worker has ended, or is being terminated: it gets no guest any more. */
  isEnded = false;
  /** Called when the worker ends while it has a guest. @type {((error: unknown) => void) | undefined} */
  #fail;
  /** The error that ended the worker. @type {NodeJS.ErrnoException | undefined} */
  #error;

  /** @param {Needs} needs @param {(thread: Thread) => void} onExit is called when the worker has ended */
  constructor({ stack = STACK, objects }, onExit) {
    this.stack = stack;
    this.objects = objects;
    this.worker = new Worker(path.join(__dirname, 'worker.js'), {
      workerData: { addon: engineName(), files, isLimited: objects !== undefined },
      // Otherwise Node reads process.stdout, and so makes it non-blocking. Nothing is written to these.
      stdout: true,
      stderr: true,
      // Without the preloads and flags of the main program, which are not for this thread.
      env: {},
      execArgv: [],
      resourceLimits: {
        stackSizeMb: (stack + STACK_OF_NODE) / MEBIBYTE,
        ...heapFor(objects),
      },
    });
    // The worker does not keep the process alive; a request that has not been answered does.
    this.worker.unref();
    this.worker.once('online', () => this.worker.unref());
    this.worker.on('error', (error) => (this.#error = /** @type {Error} */ (error)));
    this.worker.on('exit', () => this.#exited(onExit));
  }

  /** True if a guest with these needs can run on this thread. @param {Needs} needs */
  fits({ stack = STACK, objects }) {
    return this.stack === stack && this.objects === objects;
  }

  /**
   * Begins a run.
   *
   * @param {import('../types.js').Job} job
   * @param {(error: unknown) => void} fail is called if the worker ends before the run does
   */
  begin(job, fail) {
    this.#fail = fail;
    this.worker.postMessage(job);
  }

  /** Ends the run's hold on the thread: the run is over. */
  finish() {
    this.#fail = undefined;
  }

  /** Ends the worker, and its guest with it. */
  end() {
    this.isEnded = true;
    this.worker.terminate();
    this.worker.unref(); // terminate() has it keep the process, also while the kernel keeps the thread
  }

  /** @param {(thread: Thread) => void} onExit */
  #exited(onExit) {
    this.isEnded = true;
    onExit(this);
    const error = this.#error ?? new Error('the worker has ended');
    const isOut = /** @type {any} */ (error).code === 'ERR_WORKER_OUT_OF_MEMORY';
    const trap = "wasm trap: out of V8's memory";
    const details = { cause: error, signal: 'SIGABRT' };
    if (!isOut) return this.#fail?.(error);
    const { WasiError } = require('../errors.js');
    this.#fail?.(new WasiError('ERR_WASI_TRAP', trap, details));
  }
}

/** @typedef {Thread} GuestThread */

module.exports = { Thread };
