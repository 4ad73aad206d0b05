'use strict';

// node --import wasi-rs/register, node -r wasi-rs/register: node:wasi has our class from then on, and files
// of WebAssembly that Node can't import are imported.
//
// The class is put into Node's own module, instead of another module in the place of that one: so CommonJS
// and ESM get it on every Node.

const { registerHooks, syncBuiltinESMExports } = require('node:module');
const { WASI } = require('./compat.js');

// Loading node:wasi warns, once, that it is experimental; the class that it has from now on is not.
silently(() => require('node:wasi')).WASI = WASI;
// The warning that module.parent is deprecated does not concern the program.
const isRequired = silently(() => module.parent?.id === 'internal/preload');
if (!isRequired) reachEvalWorkers();
syncBuiltinESMExports();
// From Node 22 on. The file is loaded when there is something to import.
registerHooks?.({
  load: (url, context, nextLoad) =>
    url.includes('.wasm')
      ? require('./lib/import.js').load(url, context, nextLoad)
      : nextLoad(url, context),
  resolve: (specifier, context, nextResolve) =>
    context.parentURL?.includes('.wasm')
      ? require('./lib/import.js').resolve(specifier, context, nextResolve)
      : nextResolve(specifier, context),
});

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

/**
 * Makes threads from a string of CommonJS require this file: Node runs -r in every thread, but --import not
 * in these.
 */
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
 * The code with a call before it that requires this file. Its lines keep their numbers. It may be an ES
 * module, or declare a `require` of its own.
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
