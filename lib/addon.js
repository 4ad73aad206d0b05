'use strict';

// Finds and loads the addons, for the package's own files only: users can't require this file.

const { dirname, sep, toNamespacedPath } = require('node:path');
// Node's own: the global one may have been replaced.
const process = require('node:process');

const root = dirname(__dirname);

/** The addons that have been loaded, by their names. @type {Map<string, any>} */
const loaded = new Map();

/** The addon with the class, loaded when it is first asked for: a worker of V8 needs the other one only. */
const classAddon = () => once('wasi-rs');

/**
 * The name of the addon with the engines. In a build as one addon (`cargo build`), the addon with the class
 * has everything.
 */
const engineName = () => (classAddon().engine ? 'wasi-rs' : 'wasi-rs-engine');

/**
 * The addon with wasmtime and the reader of WebAssembly's text, loaded when it is first asked for: it is 14
 * times as large as the one with the class.
 */
const engineAddon = () => once(engineName());

/**
 * An addon of the package, which is loaded once.
 *
 * @param {string} name the name of its file up to the first dot
 */
function once(name) {
  if (!loaded.has(name)) loaded.set(name, load(name));
  return loaded.get(name);
}

/**
 * An addon of the package. The usual file is tried first and alone, which takes neither the names of all
 * platforms nor a search.
 *
 * @param {string} name the name of its file up to the first dot
 */
function load(name) {
  const { platform, arch } = process;
  const abi = { linux: '-gnu', win32: '-msvc' }[String(platform)] ?? '';
  try {
    return open(`${root}${sep}${name}.${platform}-${arch}${abi}.node`);
  } catch {
    return require('./load.js').load(name, open);
  }
}

/**
 * The exports of an addon. While it is being loaded they hold Node's own `process`, of which
 * `src/permission.rs` takes the permission model; `require` would give the addon no more than the global one.
 *
 * @param {string} file
 */
function open(file) {
  /** @type {{ exports: any }} */
  const module = { exports: { process } };
  process.dlopen(module, toNamespacedPath(file));
  delete module.exports.process;
  return module.exports; // in Deno, not the object above
}

/**
 * Node's permission model as it was when this file was loaded; undefined unless the process was started with
 * `--permission`. The addons ask it themselves; asking here makes the error come sooner.
 *
 * @type {{ has(scope: string, resource?: string): boolean } | undefined}
 */
const permission = bound(/** @type {any} */ (process).permission);

/** @param {any} permission @returns {typeof permission} */
function bound(permission) {
  return permission && { has: permission.has.bind(permission) };
}

module.exports = { classAddon, engineAddon, engineName, once, permission };
