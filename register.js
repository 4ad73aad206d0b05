'use strict';

// node --import wasi-rs/register, node -r wasi-rs/register: node:wasi has our class from then on.
//
// The class is put into Node's own module rather than another module into its place: then whatever way leads there,
// in CommonJS or ESM, leads to it, on every Node, and no hook stands in the way of other modules.

const { syncBuiltinESMExports } = require('node:module');
const { WASI } = require('./compat.js');

// node:wasi warns when it is loaded, once; that it is experimental is no longer true of what it hands out.
silently(() => require('node:wasi')).WASI = WASI;
// That module.parent is deprecated is no concern of the program's.
const isRequired = silently(() => module.parent?.id === 'internal/preload');
if (!isRequired) reachEvalWorkers();
syncBuiltinESMExports();

/**
 * @template T
 * @param {() => T} run
 */
function silently(run) {
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    return run();
  } finally {
    process.emitWarning = emitWarning;
  }
}

/** Node runs -r in every thread, --import in each but those made of a string of CommonJS: these get a line to do it. */
function reachEvalWorkers() {
  const threads = require('node:worker_threads');
  threads.Worker = new Proxy(threads.Worker, {
    construct(Worker, [script, options, ...rest], newTarget) {
      const isCode = options?.eval && typeof script === 'string';
      return Reflect.construct(
        Worker,
        [isCode ? registering(script) : script, options, ...rest],
        newTarget,
      );
    },
  });
}

/**
 * The code, requiring this file before it does anything. Its lines keep their numbers, and it may turn out to be an
 * ES module, or to declare a `require` of its own.
 *
 * @param {string} code
 */
function registering(code) {
  const strict = /^(?:\s|\/\/.*|\/\*[^]*?\*\/)*(['"])use strict\1/.test(code)
    ? "'use strict';"
    : '';
  const hashbang = code.startsWith('#!') ? '//' : '';
  return `${strict}globalThis.require?.(${JSON.stringify(__filename)});${hashbang}${code}`;
}
