// WASI objects in threads that work at once, end, and are terminated at any moment.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { countsDescriptors, runCollecting } from '../support/collect.mjs';
import { root, runInWorker, startWorker } from '../support/host.mjs';

describe('threads', () => {
  const work = `
    for (let round = 0; round < 40; round++) {
      const guest = new Guest({ args: [String(workerData)], preopens: { '/': '/' } });
      if (guest.args[0] !== String(workerData)) throw new Error('args');
      if (guest.call('random_get', 0, 65536) !== 0) throw new Error('random_get');
      if (guest.open(3, 'no-such-file') !== -44) throw new Error('path_open');
    }
    parentPort.postMessage('done');`;

  test('eight at once, each making objects', async () => {
    const numbers = Array.from({ length: 8 }, (_, index) => index);
    const ends = await Promise.all(numbers.map((workerData) => runInWorker(work, { workerData })));
    assert.deepEqual(ends, Array(8).fill({ code: 0, messages: ['done'] }));
  });

  test('one after the other, again and again', async () => {
    for (let round = 0; round < 5; round++) {
      assert.deepEqual(await runInWorker(work, { workerData: round }), {
        code: 0,
        messages: ['done'],
      });
    }
  });

  test(
    'a thread that ended closes what it had open',
    { skip: !countsDescriptors && 'needs /proc' },
    async () => {
      const { before, after } = await runCollecting(`
        const { Worker } = await import('node:worker_threads');
        const run = () => new Promise((resolve, reject) => new Worker(
          'const { WASI } = require(process.argv[2]);' +
          'globalThis.kept = Array.from({ length: 20 }, () =>' +
          '  new WASI({ version: "preview1", preopens: { "/": "/" } }));',
          { eval: true, execArgv: [], argv: [${JSON.stringify(root)}] },
        ).on('exit', resolve).on('error', reject));
        await run();
        const before = open();
        for (let round = 0; round < 5; round++) await run();
        await collect(() => open() <= before);
        console.log(JSON.stringify({ before, after: open() }));`);
      assert.equal(after, before);
    },
  );

  test('terminated while idle', async () => {
    for (let round = 0; round < 10; round++) {
      const worker = startWorker(`
        globalThis.kept = Array.from({ length: 10 }, () => new Guest({ preopens: { '/': '/' } }));
        parentPort.on('message', () => {});
        parentPort.postMessage('idle');`);
      await new Promise((resolve, reject) => worker.on('message', resolve).on('error', reject));
      assert.equal(await worker.terminate(), 1);
    }
  });

  test('terminated while its guest calls without end', async () => {
    for (let round = 0; round < 5; round++) {
      const worker = startWorker(`
        const guest = new Guest({}, { bind: false });
        const module = wat(\`(module
          (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
          (memory (export "memory") 1)
          (func (export "_start")
            (loop $forever (drop (call $random (i32.const 0) (i32.const 8))) (br $forever))))\`);
        const instance = new WebAssembly.Instance(module, guest.wasi.getImportObject());
        parentPort.postMessage('busy');
        guest.wasi.start(instance);`);
      await new Promise((resolve, reject) => worker.on('message', resolve).on('error', reject));
      assert.equal(await worker.terminate(), 1);
    }
  });

  test('terminated at any moment of making objects', async () => {
    for (let round = 0; round < 8; round++) {
      const worker = startWorker(`
        parentPort.postMessage('begins');
        for (;;) {
          const guest = new Guest({ preopens: { '/': '/' } }, { start: '(call $proc_exit (i32.const 1))' });
          if (guest.result !== 1) throw new Error('start');
        }`);
      await new Promise((resolve, reject) => worker.on('message', resolve).on('error', reject));
      assert.equal(await worker.terminate(), 1);
    }
  });
});
