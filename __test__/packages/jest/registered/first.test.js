'use strict';

const { test } = require('@jest/globals');

require('../../checks.js').declare(test, 'node:wasi', require('node:wasi').WASI);
