'use strict';

// Modules that only V8's baseline compiler gets: with a function that would be too much for the optimiser, which can't be
// stopped (crates/modules/src/compile_limits.rs). V8 knows that by flags of the process only.

// Node's own, whatever the global one has become.
const process = require('node:process');
const v8 = require('node:v8');
const { isMainThread } = require('node:worker_threads');

/**
 * What is turned off while such a module is compiled: to compile a function as late as when it is called, where the flags are
 * others again; to count how often it runs; and, which V8 does where it does not count, to optimise all at once.
 */
const FLAGS = ['wasm-lazy-compilation', 'wasm-dynamic-tiering', 'wasm-tier-up'];

/** Who chose other compilers has these, and frozen flags can't be changed. */
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

/** The command line of the process, where the thread's own `execArgv` may be others. @returns {readonly string[]} */
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

/** The flags of V8 that the process was started with; of one that is there twice, the last. @param {readonly string[]} args */
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
