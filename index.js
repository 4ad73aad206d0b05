'use strict';

exports.WASI = require('./binding.js').WASI;
