'use strict';

const { expect, test } = require('@jest/globals');
const { WASI } = require('wasi-rs');

require('../../checks.js').declare(test, 'wasi-rs', WASI);

test('an error is matched by its code', () => {
  expect(() => new WASI(/** @type {any} */ ({}))).toThrow(
    expect.objectContaining({ name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' }),
  );
});
