'use strict';

// Modules for V8's baseline compiler only. They have a function that takes the optimiser too long, and the
// optimiser can't be stopped (crates/modules/src/compile_limits.rs). V8 has no option for a
// module, only flags of the process.

// Node's own: the global one may have been replaced.
const process = require('node:process');
const v8 = require('node:v8');
const { isMainThread } = require('node:worker_threads');

/**
 * The flags that are turned off while such a module is compiled. Lazy compilation would compile a function
 * when it is first called, with the usual flags. Dynamic tiering would count its calls to optimise it later.
 * Without dynamic tiering, tier-up would optimise all functions at once.
 */
const FLAGS = ['wasm-lazy-compilation', 'wasm-dynamic-tiering', 'wasm-tier-up'];

/** Flags with which the user has chosen the compiler, or has made flags unchangeable. */
const OTHERS = /^(liftoff|liftoff-only|freeze-flags-after-init)$/;

/** Compiles a module so that V8 never optimises it: all of it, at once. @param {BufferSource} bytes */
function compileBaseline(bytes) {
  const isNode = !process.versions.electron && !process.versions.bun && !process.versions.deno;
  const given = flagsOf(isNode && !isMainThread ? commandLine() : process.execArgv);
  if (!isNode || [...given.keys()].some((name) => OTHERS.test(name))) {
    return new WebAssembly.Module(bytes);
  }
  try {
    for (const name of FLAGS) set(name, false);
    return new WebAssembly.Module(bytes);
  } finally {
    for (const name of FLAGS) set(name, given.get(name) ?? true);
  }
}

/** @param {string} name of a flag @param {boolean} value */
function set(name, value) {
  v8.setFlagsFromString(`--${value ? '' : 'no-'}${name}`);
}

/**
 * The command line of the process. The thread's own `execArgv` may be another.
 *
 * @returns {readonly string[]}
 */
function commandLine() {
  const report = /** @type {any} */ (process.report);
  const { excludeNetwork } = report;
  report.excludeNetwork = true; // or names of connected hosts would be looked up
  try {
    return report.getReport().header.commandLine;
  } finally {
    report.excludeNetwork = excludeNetwork;
  }
}

/**
 * The flags of V8 that the process was started with. The last value counts.
 *
 * @param {readonly string[]} args
 */
function flagsOf(args) {
  /** @type {Map<string, boolean>} */
  const flags = new Map();
  for (const arg of args) {
    const [, no, name] = /^--(no-?)?(.*)$/.exec(arg.replaceAll('_', '-')) ?? [];
    if (name !== undefined) flags.set(name, no === undefined);
  }
  return flags;
}

module.exports = { compileBaseline };
