'use strict';

// The class as the documentation's older edition has it: no version needed, and by default proc_exit ends the process.

exports.WASI = require('./lib/addon.js').addon.edition('legacy');
