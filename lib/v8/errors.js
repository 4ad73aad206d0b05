'use strict';

const { errorOf } = require('../errors.js');

/**
 * A program that this engine can't run.
 *
 * @param {string} reason what it is or does
 * @param {string} [code]
 */
function unusable(reason, code = 'ERR_WASI_PROGRAM') {
  return errorOf(Error, code, `the program ${reason}`);
}

module.exports = { unusable };
