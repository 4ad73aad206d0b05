'use strict';

// A program off the event loop, or in node:wasi as it would be written, or nothing but Node.js; or its
// machine code is made:
// run.cjs ours|theirs|alone|compile <wasm file> <folder of machine code> time|memory <arguments of the
// program>
// For `memory` its peak goes to descriptor 3, for `compile` the milliseconds it took.

const { readFileSync, writeSync } = require('node:fs');

const [side, file, cache, what, ...args] = process.argv.slice(2);
if (side === 'ours') {
  const { run } = require('../../index.js');
  const options = { argv0: 'program', args, cache, stdout: 'inherit', stderr: 'inherit' };
  run(file, options).then(({ exitCode }) => (process.exitCode = exitCode));
} else if (side === 'theirs') {
  const { WASI } = require('node:wasi');
  const wasi = new WASI({ version: 'preview1', args: ['program', ...args] });
  WebAssembly.instantiate(readFileSync(file), wasi.getImportObject()).then(({ instance }) => {
    process.exitCode = wasi.start(instance);
  });
} else if (side === 'compile') {
  const { compile } = require('../../index.js');
  const start = performance.now();
  compile(file, { cache }).then(() => writeSync(3, String(performance.now() - start)));
}

if (what === 'memory') {
  const { peakMemory } = require('./memory.cjs');
  process.on('exit', () => writeSync(3, JSON.stringify(peakMemory())));
}
