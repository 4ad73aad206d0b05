'use strict';

// The modules that a worker has compiled. V8 shares the code of equal modules between workers.

/** @typedef {import('../types.js').V8Program} V8Program */

/** The most modules, and bytes of them, that are kept; the last one is kept whatever its size. */
const MOST = { modules: 16, bytes: 32 * 1024 * 1024 };

/**
 * The modules by the numbers of their programs; the last used is the last.
 *
 * @type {Map<number, { module: WebAssembly.Module, size: number }>}
 */
const kept = new Map();

/** The module of a program, compiled or kept. @param {V8Program} program */
async function moduleOf(program) {
  const one = kept.get(program.id) ?? (await program.withBytes(compile));
  kept.delete(program.id);
  kept.set(program.id, one);
  dropOld();
  return one.module;
}

/** Compiles a copy of these bytes. @param {ArrayBuffer} bytes */
async function compile(bytes) {
  const size = bytes.byteLength;
  return { module: await WebAssembly.compile(bytes), size };
}

function dropOld() {
  let bytes = 0;
  let modules = 0;
  for (const [id, { size }] of [...kept].reverse()) {
    bytes += size;
    modules += 1;
    const isTooMuch = modules > MOST.modules || bytes > MOST.bytes;
    if (isTooMuch && modules > 1) kept.delete(id);
  }
}

module.exports = { moduleOf };
