'use strict';

const { addon, openOwn } = require('./lib/addon.js');

exports.WASI = addon.WASI;

// Loaded when they are first used.
/** @typedef {typeof import('./lib/run.js')} Run */
/** @type {Run['run']} */
exports.run = async (source, options) => lib().run(source, options);
/** @type {Run['spawn']} */
exports.spawn = (source, options) => lib().spawn(source, options);
/** @type {Run['compile']} */
exports.compile = async (source, options) => lib().compile(source, options);
/** @type {Run['deserialize']} */
exports.deserialize = async (bytes) => lib().deserialize(bytes);

/** The file that has the rest. @returns {Run} */
const lib = () => openOwn('run.js', () => require('./lib/run.js'));
