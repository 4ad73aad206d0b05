'use strict';

// Finds and loads the addons. For the package's own files: nothing leads here by a name that others may require.

const fs = require('node:fs');
const { dirname, sep } = require('node:path');
// Node's own, whatever the global one has become.
const process = require('node:process');

const root = dirname(__dirname);
/** @type {NodeJS.Module} */
const own = /** @type {any} */ (module);

/** @type {any} */
let classAddon;

/** The addon with the class. */
const addon = () => (classAddon ??= find('wasi-rs'));

/** The name of the addon with the engines. Built as one, the addon with the class has everything. */
const engineName = () => (addon().engine ? 'wasi-rs' : 'wasi-rs-engine');

/**
 * The addon with what only some programs need: wasmtime, and the reader of WebAssembly's text. It is 14 times as large and
 * takes longer to load.
 */
const more = () => find(engineName());

/**
 * Finds and loads an addon of the package.
 *
 * @param {string} name its file's name up to the first dot
 */
function find(name) {
  return nearby(name) ?? require('./load.js').load(name, refuseTruncated);
}

// Where it nearly always is, looked at first and alone: without the file that knows all platforms.
/** @param {string} name */
function nearby(name) {
  const { platform, arch } = process;
  const abi = { linux: '-gnu', win32: '-msvc' }[String(platform)] ?? '';
  const file = `${root}${sep}${name}.${platform}-${arch}${abi}.node`;
  try {
    refuseTruncated(file);
    return open(file);
  } catch {
    return undefined; // load finds it elsewhere, or says why
  }
}

/**
 * What a file of lib/ exports.
 *
 * @param {string} name
 * @param {() => any} otherwise where modules are not Node's
 */
const openOwn = (name, otherwise) => open(`${__dirname}${sep}${name}`, otherwise);

/**
 * What `require(file)` does once it has found the file. To find one whose path is known already takes it as long as to load
 * it: it goes through the path, a character at a time, until V8 compiles the loop.
 *
 * @param {string} file
 * @param {() => any} otherwise where modules are not Node's
 */
function open(file, otherwise = () => require(file)) {
  const known = require.cache[file];
  if (known) return known.exports;
  const opened = newModule(file);
  const extension = require.extensions[/** @type {'.js'} */ (file.slice(file.lastIndexOf('.')))];
  if (!opened || !extension) return otherwise();
  require.cache[file] = opened;
  try {
    if (file.endsWith('.node')) opened.exports.process = process; // for src/permission.rs
    extension(opened, file);
    delete opened.exports.process;
  } catch (error) {
    delete require.cache[file];
    throw error;
  }
  opened.loaded = true;
  return opened.exports;
}

/**
 * A module as Node makes one; nothing where somebody else does: jest, vitest, Bun, bundlers. (To ask Node for its class by name
 * would take 0.2 ms.)
 *
 * @param {string} file
 * @returns {any}
 */
function newModule(file) {
  const Module = /** @type {any} */ (own.constructor);
  if (typeof Module._load !== 'function' || process.versions.bun) return undefined;
  try {
    const made = new Module(file, own);
    made.filename = file;
    made.paths = own.paths;
    made.require = (/** @type {string} */ request) => requireFrom(made, request);
    return made;
  } catch {
    return undefined; // vitest's, in contexts of its own
  }
}

/**
 * `require` as a file of lib/ has it: its neighbours, this file among them, need not be looked for.
 *
 * @param {any} opened the file's module
 * @param {string} request
 */
function requireFrom(opened, request) {
  const isNear = request.startsWith('./') && !request.includes('/', 2);
  if (isNear) return open(`${__dirname}${sep}${request.slice(2)}`);
  return own.require.call(opened, request);
}

/**
 * A shared object that ends too early is mapped without a word, and SIGBUS kills the process that touches what is not
 * there. No ELF file (here: 64-bit, little-endian) ends before its section headers do.
 *
 * @param {string} file
 */
function refuseTruncated(file) {
  let fd;
  try {
    fd = fs.openSync(file, 'r');
  } catch {
    return; // require says why; or loads it, where a test has put a mock in node:fs's place
  }
  try {
    const header = new DataView(new ArrayBuffer(64));
    fs.readSync(fd, header);
    if (header.getUint32(0) !== 0x7f454c46 || header.getUint16(4) !== 0x0201) return;
    const sections = Number(header.getBigUint64(40, true));
    const length = sections + header.getUint16(58, true) * header.getUint16(60, true);
    if (fs.readSync(fd, header, 0, 1, length - 1) === 0) {
      throw new Error(`${file}: truncated, shorter than its ${length} bytes`);
    }
  } finally {
    fs.closeSync(fd);
  }
}

/**
 * Node's permission model, where the process was started with `--permission`, as it was when this was loaded. The addons ask
 * for themselves; who asks here, asks to say it sooner.
 *
 * @type {{ has(scope: string, resource?: string): boolean } | undefined}
 */
const permission = kept(/** @type {any} */ (process).permission);

/** @param {any} permission @returns {typeof permission} */
function kept(permission) {
  return permission && { has: permission.has.bind(permission) };
}

module.exports = {
  /** The addon with the class, which is loaded when it is first asked for: a worker of V8 needs the other one only. */
  get addon() {
    return addon();
  },
  engineName,
  find,
  more,
  openOwn,
  permission,
};
