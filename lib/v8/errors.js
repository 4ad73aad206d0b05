'use strict';

/**
 * A program that this engine can't run.
 *
 * @param {string} reason what it is or does
 * @param {string} [code]
 */
function unusable(reason, code = 'ERR_WASI_PROGRAM') {
  return Object.assign(new Error(`the program ${reason}`), { code });
}

module.exports = { unusable };
