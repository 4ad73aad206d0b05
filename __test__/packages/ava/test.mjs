import { createRequire } from 'node:module';
import wasi, { WASI as NodeWASI } from 'node:wasi';
import test from 'ava';
import { WASI } from 'wasi-rs';
import { declare } from '../checks.js';

const require = createRequire(import.meta.url);

/** Counted by AVA are only assertions of its own. @param {string} name @param {() => void | Promise<void>} run */
const it = (name, run) => test(name, (t) => t.notThrowsAsync(async () => run()));

declare(it, 'wasi-rs', WASI);
declare(it, 'node:wasi', NodeWASI);
declare(it, 'node:wasi, the default import,', wasi.WASI);
declare(it, 'node:wasi, required,', require('node:wasi').WASI);

test('an error is matched by its code', (t) => {
  t.throws(() => new WASI({}), { instanceOf: TypeError, code: 'ERR_INVALID_ARG_TYPE' });
});
