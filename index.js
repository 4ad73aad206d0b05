'use strict';

const { classAddon } = require('./lib/addon.js');

// Loaded when it is first used: a program that only needs the class starts sooner without it.
const lib = () => require('./lib/run.js');

/** @typedef {typeof import('./lib/run.js')} Run */

exports.WASI = classAddon().WASI;
/** @type {Run['run']} */
exports.run = async (source, options) => lib().run(source, options);
/** @type {Run['spawn']} */
exports.spawn = (source, options) => lib().spawn(source, options);
/** @type {Run['compile']} */
exports.compile = async (source, options) => lib().compile(source, options);
/** @type {Run['deserialize']} */
exports.deserialize = async (bytes) => lib().deserialize(bytes);
