'use strict';

// The class with the one quirk of node:wasi that programs are known to count on: directories list no `.` and `..`.

exports.WASI = /** @type {any} */ (require('./index.js'))[
  Symbol.for('wasi-rs addon')
].addon.edition('compat');
