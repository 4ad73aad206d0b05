'use strict';

const { test } = require('@jest/globals');

require('../../checks.js').declare(test, 'wasi', require('wasi').WASI);
