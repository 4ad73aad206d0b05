// A guest that waits in a system call, in a worker: worker.terminate() ends it. (Under node:wasi it does not.)
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { index } from '../support/host.mjs';

// Posts a message, then makes one call that nothing but the end of the worker ends.
const program = `
const { parentPort, workerData } = require('node:worker_threads');
const { WASI } = require(workerData.addon);
const wasi = new WASI({ version: 'preview1', stdin: workerData.stdin });
const memory = new WebAssembly.Memory({ initial: 1 });
wasi.initialize({ exports: { memory } });
const view = new DataView(memory.buffer);
parentPort.postMessage('waiting');
let errno;
if (workerData.call === 'poll_oneoff') {
  view.setUint32(16, 1, true); // the monotonic clock
  view.setBigUint64(24, 3_600_000_000_000n, true); // an hour
  errno = wasi.wasiImport.poll_oneoff(0, 128, 1, 256);
} else {
  view.setUint32(0, 64, true);
  view.setUint32(4, 16, true);
  errno = wasi.wasiImport.fd_read(0, 0, 1, 32);
}
// V8 stops where a function begins or a loop goes round: the next line of the program may still be reached.
(() => parentPort.postMessage('came back with ' + errno))();
`;

async function terminate(call, stdin) {
  const worker = new Worker(program, { eval: true, workerData: { addon: index, call, stdin } });
  const messages = [];
  worker.on('message', (message) => messages.push(message));
  await once(worker, 'message');
  assert.equal(await worker.terminate(), 1);
  assert.deepEqual(messages, ['waiting']);
}

test('terminate() ends a guest that waits for a clock', { timeout: 20_000 }, () =>
  terminate('poll_oneoff', 0),
);

test('terminate() ends a guest that reads a silent stdin', { timeout: 20_000 }, async (t) => {
  const silent = spawn(process.execPath, ['-e', 'process.stdin.resume()'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  t.after(() => silent.kill());
  await terminate('fd_read', silent.stdout._handle.fd);
});
