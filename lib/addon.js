'use strict';

// Finds and loads the addons, for the package's own files only: users can't require this file.

// Asked before anything is required: in a bundle that is an ES module, that fails with words that don't help.
if (typeof __dirname === 'undefined') throw require('./bundled.js').moduleError();

const { existsSync } = require('node:fs');
// Node's own: the global one may have been replaced.
const process = require('node:process');

/** The package's version. Its addons' files have it in their names (`packedName` in platform.js). */
const VERSION = '0.1.0';

const isWindows = process.platform === 'win32';
const root = `${__dirname}/..`;

/** The addons that have been loaded, by their names. @type {Map<string, any>} */
const loaded = new Map();

/**
 * Their files, by their names. A worker is given those of the thread that starts it: under Yarn's
 * Plug'n'Play it would find none itself.
 *
 * @type {Record<string, string>}
 */
const files = {};

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
 * An addon of the package. Its usual files are tried first and alone, which takes neither the table of all
 * platforms nor a search.
 *
 * @param {string} name the name of its file up to the first dot
 */
function load(name) {
  if (name in files) return open(name, files[name]);
  const { platform, arch } = process;
  const abis = { linux: ['-gnu', '-musl'], win32: ['-msvc'] }[String(platform)] ?? [''];
  for (const abi of abis) {
    try {
      return open(name, usualFile(name, `${platform}-${arch}${abi}`));
    } catch {
      // The next one, or load.js, which tells the reasons.
    }
  }
  return require('./load.js').load(name, VERSION, (file) => open(name, file));
}

/**
 * The file that was built here, or else the one of the package that lies beside this one in `node_modules`.
 *
 * @param {string} name
 * @param {string} triple
 */
function usualFile(name, triple) {
  const built = `${root}/${name}.${triple}.node`;
  if (existsSync(built)) return built;
  const prefix = name === 'wasi-rs' ? '' : 'engine-';
  return `${root}/../@wasi-rs/${prefix}${triple}/${name}.${VERSION}.node`;
}

/**
 * The exports of an addon. While it is being loaded they hold Node's own `process`, of which
 * `src/permission.rs` takes the permission model; `require` would give the addon no more than the global one.
 *
 * @param {string} name
 * @param {string} file
 */
function open(name, file) {
  /** @type {{ exports: any }} */
  const module = { exports: { process } };
  process.dlopen(module, isWindows ? require('node:path').toNamespacedPath(file) : file);
  delete module.exports.process;
  files[name] = file;
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

module.exports = { VERSION, classAddon, engineAddon, engineName, files, once, permission };
