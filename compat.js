'use strict';

// The class with the one quirk of node:wasi that programs are known to count on: directories list no `.` and `..`.

exports.WASI = require('./lib/addon.js').addon.edition('compat');
