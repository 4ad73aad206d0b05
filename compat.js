'use strict';

// The class with the one peculiarity of node:wasi that programs depend on: directories are listed without `.`
// and `..`.

exports.WASI = require('./lib/addon.js').classAddon().edition('compat');
