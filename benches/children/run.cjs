'use strict';

// A program off the event loop, or in node:wasi as it would be written, or nothing but Node.js:
//   run.cjs ours|theirs|alone <wasm file> <folder of machine code> <arguments of the program>
// The peak of its memory goes to descriptor 3.

const { readFileSync, writeSync } = require('node:fs');
const { peakMemory } = require('./memory.cjs');

const [side, file, cache, ...args] = process.argv.slice(2);
if (side === 'ours') {
  const { run } = require('../../index.js');
  const options = { args: ['program', ...args], cache, stdout: 'inherit', stderr: 'inherit' };
  run(file, options).then(({ exitCode }) => (process.exitCode = exitCode));
} else if (side === 'theirs') {
  const { WASI } = require('node:wasi');
  const wasi = new WASI({ version: 'preview1', args: ['program', ...args] });
  WebAssembly.instantiate(readFileSync(file), wasi.getImportObject()).then(({ instance }) => {
    process.exitCode = wasi.start(instance);
  });
}

process.on('exit', () => writeSync(3, JSON.stringify(peakMemory())));
