import { expect, test } from 'vitest';
import { WASI } from 'wasi-rs';
import { declare } from '../checks.js';

declare(test, 'wasi-rs', WASI);

test('an error is matched by its code', () => {
  expect(() => new WASI(/** @type {any} */ ({}))).toThrow(
    expect.objectContaining({ name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' }),
  );
});
