'use strict';

const { expect, test } = require('@jest/globals');
const { WASI } = require('node:wasi');

require('../../checks.js').declare(test, 'node:wasi', WASI);

test('node:wasi is wasi-rs', () => {
  expect(WASI).toBe(require('wasi-rs').WASI);
});
