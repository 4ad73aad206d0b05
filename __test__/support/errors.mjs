// Errors of programs, as tests expect them.

import assert from 'node:assert/strict';
import { WasiError } from '../../index.js';

/**
 * A check that an error is that of a stream or function of the embedder.
 *
 * @param {unknown} cause the embedder's error itself, or an object of some of its properties
 */
export const ofStream = (cause) => (error) => {
  assert.ok(error instanceof WasiError, String(error));
  assert.equal(error.code, 'ERR_WASI_STREAM');
  const isPattern = cause?.constructor === Object;
  if (isPattern) assert.throws(() => throwIt(error.cause), cause);
  else assert.equal(error.cause, cause);
  return true;
};

function throwIt(error) {
  throw error;
}
