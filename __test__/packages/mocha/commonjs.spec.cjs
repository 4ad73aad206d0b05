'use strict';

const { it } = require('mocha');
const { declare } = require('../checks.js');

declare(it, 'wasi-rs', require('wasi-rs').WASI);
declare(it, 'node:wasi', require('node:wasi').WASI);
