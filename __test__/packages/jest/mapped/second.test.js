'use strict';

const { expect, test } = require('@jest/globals');
const { WASI } = require('wasi');

require('../../checks.js').declare(test, 'wasi', WASI);

test('wasi is wasi-rs', () => {
  expect(WASI).toBe(require('wasi-rs').WASI);
});
