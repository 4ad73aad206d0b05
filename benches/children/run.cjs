'use strict';

// A program off the event loop, or in node:wasi as it would be written:
//   run.cjs ours|theirs <wasm file> <folder of machine code> <arguments of the program>

const { readFileSync } = require('node:fs');

const [side, file, cache, ...args] = process.argv.slice(2);
if (side === 'ours') {
  const { run } = require('../../index.js');
  const options = { args: ['program', ...args], cache, stdout: 'inherit', stderr: 'inherit' };
  run(file, options).then(({ exitCode }) => (process.exitCode = exitCode));
} else {
  const { WASI } = require('node:wasi');
  const wasi = new WASI({ version: 'preview1', args: ['program', ...args] });
  WebAssembly.instantiate(readFileSync(file), wasi.getImportObject()).then(({ instance }) => {
    process.exitCode = wasi.start(instance);
  });
}
