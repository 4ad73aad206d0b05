'use strict';

// `import` of components, and of modules that make system calls, by their file (with wasi-rs/register). Node
// itself imports other modules. So that these load no engine, what tells them apart is here once more than in
// `lib/program.js` and `lib/options.js`, which load one.

const fs = require('node:fs');
const { createRequire } = require('node:module');
const { fileURLToPath, pathToFileURL } = require('node:url');

/** The URL of a file of WebAssembly. */
const FILE = /^file:[^?#]*\.wasm(?:[?#]|$)/;

/** The beginning of a file of WebAssembly, and the place of the byte that tells components. */
const MAGIC = 0x0061736d;
const LAYER = 6;

/** The modules of WASI's own functions. */
const SYSTEM_CALLS = new Set(['wasi_snapshot_preview1', 'wasi_unstable']);

/** A name of a module that Node finds beside the file, or by the package of it. */
const BESIDE = /^(?:\.{0,2}\/|#)/;

/** The code of Node's error for a module that is not found. */
const NOT_FOUND = 'ERR_MODULE_NOT_FOUND';

/** The advice for a file that imports what an import statement does not give. */
const ADVICE =
  ' (an import statement gives it functions of ./ and # names only: use load(), with options.imports)';

/** The instances that were made for modules that have not been evaluated. @type {Map<string, any>} */
const made = new Map();

/**
 * The hook of `module.registerHooks()`.
 *
 * @param {string} url
 * @param {any} context
 * @param {(url: string, context: any) => any} nextLoad
 */
function load(url, context, nextLoad) {
  const isOurs = FILE.test(url) && (context.format ?? 'wasm') === 'wasm';
  const source = isOurs ? sourceOf(url) : undefined;
  if (source === undefined) return nextLoad(url, context);
  return { format: 'module', shortCircuit: true, source };
}

/**
 * The hook of `module.registerHooks()` for what a file imports that Node itself imports: a module without
 * system calls, or a command. If it is not found, the error tells what to do.
 *
 * @param {string} specifier
 * @param {any} context
 * @param {(specifier: string, context: any) => any} nextResolve
 */
function resolve(specifier, context, nextResolve) {
  try {
    return nextResolve(specifier, context);
  } catch (error) {
    const { parentURL } = context;
    if (!FILE.test(parentURL) || /** @type {any} */ (error).code !== NOT_FOUND) throw error;
    const isCommand = SYSTEM_CALLS.has(specifier);
    const message = isCommand
      ? 'it is a command: run() and spawn() run it'
      : `it imports from '${specifier}', which is not found${ADVICE}`;
    const { WasiError } = require('./errors.js');
    const code = isCommand ? 'ERR_WASI_PROGRAM' : 'ERR_WASI_IMPORT';
    throw new WasiError(code, `can't import ${fileURLToPath(parentURL)}: ${message}`, {
      cause: error,
    });
  }
}

/** A module with the exports of a file; undefined if Node is to import it. @param {string} url */
function sourceOf(url) {
  const file = fileURLToPath(url);
  const bytes = fs.readFileSync(file);
  if (bytes.length < 8 || bytes.readUInt32BE(0) !== MAGIC) return undefined; // Node says what it is
  const isComponent = bytes[LAYER] === 1;
  if (!isComponent && !bytes.includes('wasi_')) return undefined;
  const imports = isComponent ? undefined : importsOf(file, bytes);
  if (!isComponent && !imports) return undefined;
  const { exports, memory } = loaded(file, imports);
  const items = memory ? { ...exports, memory } : exports;
  made.set(url, items);
  const lines = Object.keys(items).map(
    (name, i) =>
      `const $${i} = $[${JSON.stringify(name)}]; export { $${i} as ${JSON.stringify(name)} };`,
  );
  const own = JSON.stringify(pathToFileURL(__filename).href);
  return `import own from ${own}; const $ = own.take(import.meta.url);\n${lines.join('\n')}\n`;
}

/**
 * The instance of a file.
 *
 * @param {string} file
 * @param {object | undefined} imports
 * @returns {any}
 */
function loaded(file, imports) {
  try {
    return require('./run.js').loadSync(file, { imports }, load);
  } catch (error) {
    const { code, message } = /** @type {any} */ (error);
    if (code === undefined) throw error;
    const advice = code === 'ERR_WASI_IMPORT' ? ADVICE : '';
    const { WasiError } = require('./errors.js');
    throw new WasiError(code, `can't import ${file}: ${message}${advice}`, { cause: error });
  }
}

/**
 * The imports of a module that makes system calls and is no command; undefined for another one.
 *
 * @param {string} file
 * @param {Buffer} bytes
 */
function importsOf(file, bytes) {
  const { exports, imports } = require('./addon.js').engineAddon().describe(bytes);
  const names = new Set(imports.map((/** @type {any} */ one) => one.module));
  const isCommand = exports.some((/** @type {any} */ one) => one.name === '_start');
  if (isCommand || ![...names].some((name) => SYSTEM_CALLS.has(name))) return undefined;
  const require_ = createRequire(file);
  const beside = [...names].filter((name) => BESIDE.test(name));
  return Object.fromEntries(beside.map((name) => [name, functionsOf(require_(name))]));
}

/** The functions among the exports of a module. @param {object} items */
const functionsOf = (items) =>
  Object.fromEntries(Object.entries(items).filter(([, item]) => typeof item === 'function'));

/** Takes the exports of a file, once. @param {string} url */
function take(url) {
  const items = made.get(url);
  made.delete(url);
  return items;
}

module.exports = { load, resolve, take };
