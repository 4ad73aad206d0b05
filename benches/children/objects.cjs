'use strict';

// Memory per WASI object, in KiB: node --expose-gc objects.cjs <module that exports WASI> <options as JSON>
// <count>

const fs = require('node:fs');

const { WASI } = require(process.argv[2]);
const options = { version: 'preview1', ...JSON.parse(process.argv[3]) };
const count = Number(process.argv[4]);

make(100); // costs of the first objects alone
const before = residentMemory();
const objects = make(count);
const after = residentMemory();
fs.writeSync(3, JSON.stringify((after - before) / objects.length));

function make(count) {
  return Array.from({ length: count }, () => new WASI(options));
}

function residentMemory() {
  globalThis.gc();
  return process.memoryUsage.rss() / 1024;
}
