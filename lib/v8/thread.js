'use strict';

// A thread for guests in V8: a worker.

const path = require('node:path');
const { Worker } = require('node:worker_threads');
const { engineName } = require('../addon.js');
const { errorOf } = require('../errors.js');

const MEBIBYTE = 1024 * 1024;

/** How much of a worker's stack V8's own frames, and Node's, need beside the guest's. */
const STACK_OF_NODE = MEBIBYTE / 4;

/** How much stack a guest has unless its limits say; as in wasmtime (`crates/runner/src/mode.rs`). */
const STACK = MEBIBYTE;

/** Bytes of a worker's heap beside the objects of its guest. */
const HEAP_OF_NODE = 16 * MEBIBYTE;

/**
 * Mebibytes of a heap for new objects: where it is limited, and where not. All of a third of them may live on when V8 collects
 * the others. That has to be less than the 16 MiB that are added to a full heap so that its program can be stopped, or V8 ends
 * the process: Node itself gives up to 192 MiB to new objects.
 */
const NEW_OBJECTS = { limited: 8, unlimited: 24 };

/**
 * Needs of a guest: bytes of stack, and for its objects if they are limited.
 *
 * @typedef {{ stack?: number, objects?: number }} Needs
 */

/** The limits of a heap with so many bytes for the guest's objects. @param {number | undefined} objects */
function heapFor(objects) {
  if (objects === undefined) return { maxYoungGenerationSizeMb: NEW_OBJECTS.unlimited };
  const maxOldGenerationSizeMb = Math.ceil((HEAP_OF_NODE + objects) / MEBIBYTE);
  return { maxOldGenerationSizeMb, maxYoungGenerationSizeMb: NEW_OBJECTS.limited };
}

/** A worker, for one guest after the other. */
class Thread {
  /** Ended, it has no guest any more, and gets none. */
  isEnded = false;
  /** Is told when the worker ends while it has a guest. @type {((error: unknown) => void) | undefined} */
  #fail;
  /** The error that ended the worker. @type {NodeJS.ErrnoException | undefined} */
  #error;

  /** @param {Needs} needs @param {(thread: Thread) => void} onExit is called when the worker has ended */
  constructor({ stack = STACK, objects }, onExit) {
    this.stack = stack;
    this.objects = objects;
    this.worker = new Worker(path.join(__dirname, 'worker.js'), {
      workerData: { addon: engineName() },
      // Or Node would look at process.stdout, and so make it non-blocking; nobody writes to these.
      stdout: true,
      stderr: true,
      // Neither the preloads nor the flags of the program that runs the guest, which are not for this thread.
      env: {},
      execArgv: [],
      resourceLimits: {
        stackSizeMb: (stack + STACK_OF_NODE) / MEBIBYTE,
        ...heapFor(objects),
      },
    });
    // It does not keep the process from ending: a run that has not been answered does.
    this.worker.unref();
    this.worker.once('online', () => this.worker.unref());
    this.worker.on('error', (error) => (this.#error = /** @type {Error} */ (error)));
    this.worker.on('exit', () => this.#exited(onExit));
  }

  /** Tells whether a guest with these needs may have it. @param {Needs} needs */
  fits({ stack = STACK, objects }) {
    return this.stack === stack && this.objects === objects;
  }

  /**
   * Begins a run.
   *
   * @param {import('../types.js').Job} job
   * @param {(error: unknown) => void} fail is told if the worker ends before the run does
   */
  begin(job, fail) {
    this.#fail = fail;
    this.worker.postMessage(job);
  }

  /** The run is over. */
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
    this.#fail?.(isOut ? errorOf(Error, 'ERR_WASI_TRAP', trap) : error);
  }
}

/** @typedef {Thread} GuestThread */

module.exports = { Thread };
