'use strict';

const { classAddon } = require('./lib/addon.js');

// Loaded when it is first used: a program that only needs the class starts sooner without it.
const lib = () => require('./lib/run.js');

/** @typedef {typeof import('./lib/run.js')} Run */

exports.WASI = classAddon().WASI;
/** @type {Run['run']} */
exports.run = async function run(source, options) {
  return lib().run(source, options, run);
};
/** @type {Run['spawn']} */
exports.spawn = function spawn(source, options) {
  return lib().spawn(source, options, spawn);
};
/** @type {Run['compile']} */
exports.compile = async function compile(source, options) {
  return lib().compile(source, options, compile);
};
/** @type {Run['load']} */
exports.load = async function load(source, options) {
  return lib().load(source, options, load);
};
/** @type {Run['loadSync']} */
exports.loadSync = function loadSync(source, options) {
  return lib().loadSync(source, options, loadSync);
};
/** @type {typeof import('./lib/handler.js').handler} */
exports.handler = async function handler(source, options) {
  return require('./lib/handler.js').handler(source, options, handler);
};
/** @typedef {typeof import('./lib/memory.js').memory} Memory */
exports.memory = Object.assign(
  /** @type {(...parameters: Parameters<Memory>) => ReturnType<Memory>} */
  function memory(entries, options) {
    return require('./lib/memory.js').memory(entries, options);
  },
  {
    /** @type {Memory['link']} */
    link: (target) => require('./lib/memory.js').memory.link(target),
    /** @type {Memory['from']} */
    from: (path, options) => require('./lib/memory.js').memory.from(path, options),
    /** @type {Memory['fromTar']} */
    fromTar: (archive, options) => require('./lib/memory.js').memory.fromTar(archive, options),
    /** @type {Memory['shared']} */
    shared: (token) => require('./lib/memory.js').memory.shared(token),
  },
);
/** @type {typeof import('./lib/memory.js').overlay} */
exports.overlay = function overlay(options) {
  return require('./lib/memory.js').overlay(options);
};
/** @type {Run['deserialize']} */
exports.deserialize = async function deserialize(bytes) {
  return lib().deserialize(bytes, deserialize);
};

const classes = {
  get Runner() {
    return require('./lib/runner.js').Runner;
  },
  get ComponentError() {
    return require('./lib/errors.js').ComponentError;
  },
  get MemoryDirectory() {
    return require('./lib/memory.js').MemoryDirectory;
  },
  get WasiError() {
    return require('./lib/errors.js').WasiError;
  },
};
// In a form in which Node finds the names, for `import`.
Object.defineProperty(exports, 'Runner', {
  enumerable: true,
  get() {
    return classes.Runner;
  },
});
Object.defineProperty(exports, 'ComponentError', {
  enumerable: true,
  get() {
    return classes.ComponentError;
  },
});
Object.defineProperty(exports, 'MemoryDirectory', {
  enumerable: true,
  get() {
    return classes.MemoryDirectory;
  },
});
Object.defineProperty(exports, 'WasiError', {
  enumerable: true,
  get() {
    return classes.WasiError;
  },
});
