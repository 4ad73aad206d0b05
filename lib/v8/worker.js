'use strict';

// The thread of the guests: runs one after the other, each as a message says, and tells what became of it.

const fs = require('node:fs');
const path = require('node:path');
const { parentPort, workerData } = require('node:worker_threads');
const { WASI } = require('../../index.js');
const { errorOf } = require('../errors.js');
const { Sink } = require('./sink.js');
const { fits } = require('./heap.js');
const { NO_MEMORY, exportsOf, importsOf, trapMessage } = require('./guest.js');

/**
 * @typedef {import('./engine.js').Job} Job
 */

/** The class whose standard streams may be copies of descriptors. @type {typeof WASI} */
const RunWASI = require('../addon.js').addon.edition('run');

/** @type {{ shared: WebAssembly.Memory, SLOT: import('./engine.js').Slots }} */
const { shared, SLOT } = workerData;
const numbers = new Float64Array(shared.buffer);
const nanoseconds = new BigUint64Array(shared.buffer);
const port = /** @type {import('node:worker_threads').MessagePort} */ (parentPort);

// The thread's own clock, which Node has no function for, is a syscall away.
const clock = new WASI({ version: 'preview1' });
clock.initialize({ exports: { memory: shared } });
const CPU_OF_THREAD = 3;

/** @param {number} cpuSlot @param {number} wallSlot */
function note(cpuSlot, wallSlot) {
  clock.wasiImport.clock_time_get(CPU_OF_THREAD, 0n, cpuSlot * nanoseconds.BYTES_PER_ELEMENT);
  nanoseconds[wallSlot] = process.hrtime.bigint();
}

numbers[SLOT.thread] = threadNumber();

port.on('message', (/** @type {Job} */ job) => {
  let outcome;
  note(SLOT.cpuStart, SLOT.wallStart);
  try {
    outcome = { exitCode: run(job) };
  } catch (error) {
    outcome = { failure: describe(error) };
  }
  note(SLOT.cpuEnd, SLOT.wallEnd);
  port.postMessage(outcome);
});

/** The thread's number in Linux, for others to look up its times. */
function threadNumber() {
  try {
    return Number(path.basename(fs.readlinkSync('/proc/thread-self')));
  } catch {
    return 0; // another system
  }
}

/** @param {Job} job @returns {number} the exit code */
function run({ module, meter, memories, start, options, capacity }) {
  const wasi = makeWASI(options, capacity);
  try {
    const exports = instantiate({ module, meter, memories, start }, wasi);
    try {
      return wasi.start({ exports });
    } finally {
      numbers[SLOT.memory] = exports.memory.buffer.byteLength;
    }
  } finally {
    wasi[Symbol.dispose]();
  }
}

/**
 * The exports of a new instance, whose calls are metered.
 *
 * @param {Pick<import('./engine.js').Job, 'module' | 'meter' | 'memories' | 'start'>} prepared
 * @param {import('../../index.js').WASI} wasi
 * @returns {import('./guest.js').Exports}
 */
function instantiate({ module, meter, memories, start }, wasi) {
  const [[namespace, syscalls]] = Object.entries(wasi.getImportObject());
  const guest = { memory: NO_MEMORY };
  let view = new DataView(NO_MEMORY.buffer);
  const transfer = (/** @type {number} */ slot, /** @type {number} */ address) => {
    const { buffer } = guest.memory;
    if (view.buffer !== buffer) {
      view = new DataView(buffer); // the memory has grown
      numbers[SLOT.memory] = buffer.byteLength;
    }
    numbers[slot] += view.getUint32(address >>> 0, true);
  };
  const metered = new WebAssembly.Instance(meter, { m: { m: shared, t: transfer }, s: syscalls });
  const imports = importsOf(
    namespace,
    { ...syscalls, .../** @type {any} */ (metered.exports) },
    memories,
  );
  imports['wasi-rs'] = { fits }; // of crates/modules/src/rewrite/objects.rs; no guest has it in its own name
  const exports = exportsOf(new WebAssembly.Instance(module, imports), start);
  guest.memory = exports.memory;
  numbers[SLOT.memory] = guest.memory.buffer.byteLength;
  return exports;
}

/**
 * An object of the class, with copies of the descriptors that tickets stand for. What the tickets stood for is closed: of a
 * pipe's end no other must stay open.
 *
 * @param {Job['options']} options
 * @param {number} capacity
 */
function makeWASI(options, capacity) {
  /** @type {Record<string, any>} */
  const streams = {};
  /** @type {(() => void)[]} */
  const closing = [];
  try {
    for (const name of /** @type {const} */ (['stdin', 'stdout', 'stderr'])) {
      const stream = options[name];
      if (stream === 'capture') streams[name] = capture(name, capacity);
      if (typeof stream !== 'number') continue;
      const taken = require('../wasmtime.js').takeOver(stream);
      if (!taken) throw errorOf(Error, 'UVWASI_EBADF', `options.${name} is closed already`);
      closing.push(taken.close);
      streams[name] = taken;
    }
    return new RunWASI({ ...options, ...streams });
  } finally {
    for (const close of closing) close();
  }
}

/** A function that captures a stream. @param {string} stream @param {number} capacity */
function capture(stream, capacity) {
  const sink = new Sink(stream, capacity, (chunk) => port.postMessage({ stream, chunk }));
  return (/** @type {Uint8Array} */ bytes) => sink.write(bytes);
}

/** An exception, in a form that reaches another thread whole. @param {unknown} thrown */
function describe(thrown) {
  const trap = trapMessage(thrown);
  if (trap !== undefined) return { name: 'Error', message: trap, code: 'ERR_WASI_TRAP' };
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  const { name, message, stack } = error;
  return { name, message, stack, code: /** @type {NodeJS.ErrnoException} */ (error).code };
}
