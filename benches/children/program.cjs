'use strict';

// Runs one program:  program.cjs <module that exports WASI> <wasm file> <options as JSON>
// What it took goes to descriptor 3, as JSON.

const fs = require('node:fs');

const [specifier, file, options] = process.argv.slice(2);
const { WASI } = require(specifier);
const module_ = new WebAssembly.Module(fs.readFileSync(file));
const wasi = new WASI({ version: 'preview1', ...JSON.parse(options) });
const instance = new WebAssembly.Instance(module_, wasi.getImportObject());

const start = performance.now();
process.exitCode = wasi.start(instance);
const guest = performance.now() - start;

fs.writeSync(3, JSON.stringify({ guest, memory: peakMemory() }));

/** In KiB. A process's maxRSS begins with that of its parent at fork, on Linux; VmHWM is its own. */
function peakMemory() {
  try {
    return Number(/^VmHWM:\s*(\d+)/m.exec(fs.readFileSync('/proc/self/status', 'utf8'))[1]);
  } catch {
    return process.resourceUsage().maxRSS;
  }
}
