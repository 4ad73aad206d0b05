// Prints which ways to node:wasi lead to our class.

import { createRequire } from 'node:module';
import wasi, { WASI } from 'node:wasi';

const require = createRequire(import.meta.url);
const { WASI: ours } = require('wasi-rs/compat');
const found = {
  import: WASI,
  'default import': wasi.WASI,
  'import()': (await import('node:wasi')).WASI,
  require: require('wasi').WASI,
  getBuiltinModule: process.getBuiltinModule('node:wasi').WASI,
};
console.log(
  Object.keys(found)
    .filter((way) => found[way] === ours)
    .join(', '),
);
