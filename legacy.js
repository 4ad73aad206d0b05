'use strict';

// The class of the documentation's older edition: no version is needed, and by default proc_exit ends the
// process.

exports.WASI = require('./lib/addon.js').classAddon().edition('legacy');
