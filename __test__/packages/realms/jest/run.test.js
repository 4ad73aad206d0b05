'use strict';

const { test } = require('@jest/globals');

require('../checks.js').declareRuns(test, require('wasi-rs'));
