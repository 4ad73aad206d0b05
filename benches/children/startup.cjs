'use strict';

// A whole small program, as it would be written:  startup.cjs <module that exports WASI> <wasm file>

const { readFileSync } = require('node:fs');
const { WASI } = require(process.argv[2]);

const wasi = new WASI({ version: 'preview1' });
const module_ = new WebAssembly.Module(readFileSync(process.argv[3]));
const instance = new WebAssembly.Instance(module_, wasi.getImportObject());
process.exitCode = wasi.start(instance);
