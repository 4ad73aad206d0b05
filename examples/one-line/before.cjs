const { readFileSync } = require('node:fs');
const { WASI } = require('node:wasi');

const wasi = new WASI({ version: 'preview1', args: ['hello'], env: {}, preopens: {} });
const hello = new WebAssembly.Module(readFileSync(`${__dirname}/hello.wasm`));
process.exitCode = wasi.start(new WebAssembly.Instance(hello, wasi.getImportObject()));
