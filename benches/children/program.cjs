'use strict';

// Runs one program:  program.cjs <module that exports WASI> <wasm file> <options as JSON>
// Its time goes to descriptor 3, as JSON.

const fs = require('node:fs');
const { peakMemory } = require('./memory.cjs');

const [specifier, file, options] = process.argv.slice(2);
const { WASI } = require(specifier);
const module_ = new WebAssembly.Module(fs.readFileSync(file));
const wasi = new WASI({ version: 'preview1', ...JSON.parse(options) });
const instance = new WebAssembly.Instance(module_, wasi.getImportObject());

const start = performance.now();
process.exitCode = wasi.start(instance);
const guest = performance.now() - start;

fs.writeSync(3, JSON.stringify({ guest, memory: peakMemory() }));
