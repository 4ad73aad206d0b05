// Runs the checks and prints how many hold, here and in threads; ends by the proc_exit of a guest.

import fs from 'node:fs';
import { createRequire } from 'node:module';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { WASI } from 'wasi-rs';
import { WASI as CompatWASI } from 'wasi-rs/compat';
import { WASI as LegacyWASI } from 'wasi-rs/legacy';

const require = createRequire(import.meta.url);
const { declare } = require('../checks.js');

const passed = [];
const running = [];
function test(name, run) {
  running.push((async () => run())().then(() => passed.push(name)));
}
declare(test, 'wasi-rs', WASI);
declare(test, 'wasi-rs/compat', CompatWASI);
test('required it is the same', () => {
  if (require('wasi-rs').WASI !== WASI) throw new Error('another class');
});
await Promise.all(running);

if (isMainThread) {
  console.log(`${passed.length} passed`);
  const threads = Array.from({ length: 3 }, async () => {
    const worker = new Worker(new URL(import.meta.url));
    return new Promise((resolve, reject) => worker.on('message', resolve).on('error', reject));
  });
  console.log(`in threads: ${await Promise.all(threads)}`);

  process.on('exit', (code) => console.log(`exit handler: ${code}`));
  const folder = new URL('.', import.meta.url).pathname;
  const wasi = new LegacyWASI({ args: ['guest', '.npmrc'], preopens: { '/': folder } });
  const binary = fs.readFileSync(new URL('../build/guest.wasm', import.meta.url));
  const instance = new WebAssembly.Instance(new WebAssembly.Module(binary), wasi.getImportObject());
  wasi.start(instance);
  console.log('not reached');
} else {
  parentPort.postMessage(passed.length);
}
