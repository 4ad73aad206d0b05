'use strict';

// A guest that ends the process with 7, and an exit handler that says so.

const { WASI } = require('wasi-rs');

process.on('exit', (code) => console.log(`the exit handler heard ${code}`));

module.exports = function exit() {
  const wasi = new WASI({ version: 'preview1', returnOnExit: false });
  wasi.initialize({ exports: { memory: new WebAssembly.Memory({ initial: 1 }) } });
  wasi.wasiImport.proc_exit(7);
};
