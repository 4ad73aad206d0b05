'use strict';

exports.WASI = require('./binding.js').WASI;

// Loaded when they are first used.
/** @typedef {typeof import('./lib/run.js')} Run */
/** @type {Run['run']} */
exports.run = (source, options) => require('./lib/run.js').run(source, options);
/** @type {Run['spawn']} */
exports.spawn = (source, options) => require('./lib/run.js').spawn(source, options);
/** @type {Run['compile']} */
exports.compile = (source, options) => require('./lib/run.js').compile(source, options);
/** @type {Run['deserialize']} */
exports.deserialize = (bytes) => require('./lib/run.js').deserialize(bytes);
