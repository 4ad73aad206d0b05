'use strict';

const { it } = require('node:test');
const { declare } = require('../checks.js');

declare(it, 'wasi-rs', require('wasi-rs').WASI);
declare(it, 'node:wasi', require('node:wasi').WASI);
