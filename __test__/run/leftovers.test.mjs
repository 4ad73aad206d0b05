// Runs leave no descriptor, listener or warning behind, whatever becomes of them.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import { PassThrough, Readable } from 'node:stream';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { forEachEngine } from '../support/engine.mjs';
import { HANGS, index, startWorker } from '../support/host.mjs';
import { listeners, settled, untilClosed } from '../support/pipes.mjs';
import { SLEEP, SPIN, after, cat, program } from '../support/programs.mjs';

const CAT = cat();
/** Writes a dot, and then nothing for long. */
const SILENT = after('.', SLEEP);
const bounded = { timeout: HANGS };

forEachEngine(({ engine, run, spawn }) => {
  describe(`what is left of runs in ${engine}`, bounded, () => {
    test('runs leave no listener and no descriptor, also when many share a stream', async (t) => {
      const warnings = [];
      const note = (warning) => warnings.push(warning);
      process.on('warning', note);
      t.after(() => process.off('warning', note));
      const output = new PassThrough().resume();
      const [open, before] = [await settled(engine), listeners(output)];
      const one = () => run(CAT, { stdin: Readable.from(['x']), stdout: output, stderr: output });
      for (let round = 0; round < 5; round++) await Promise.all(Array.from({ length: 20 }, one));
      await turn();
      assert.deepEqual([listeners(output), warnings], [before, []]);
      await untilClosed(open);
    });

    test('a descriptor may be closed when run() has returned', async (t) => {
      const folder = fs.mkdtempSync('/tmp/wasi-rs-test-');
      t.after(() => fs.rmSync(folder, { recursive: true }));
      fs.writeFileSync(`${folder}/secret`, 'secret');
      fs.writeFileSync(`${folder}/input`, 'input');
      const fd = fs.openSync(`${folder}/input`);
      const running = run(CAT, { stdin: fd });
      fs.closeSync(fd);
      const other = fs.openSync(`${folder}/secret`);
      assert.equal(other, fd, 'another file has its number');
      assert.equal(String((await running).stdout), 'input');
      fs.closeSync(other);
    });

    test('runs that never begin leave no descriptor', async () => {
      const open = await settled(engine);
      const streams = () => ({ stdin: new PassThrough(), stdout: new PassThrough() });
      const broken = Uint8Array.of(1, 2, 3);
      await assert.rejects(run(broken, streams()), { code: 'ERR_WASI_PROGRAM' });
      await assert.rejects(run('/none', streams()), { code: 'ENOENT' });
      await assert.rejects(run(CAT, { ...streams(), preopens: { '/': '/none' } }), {
        code: 'UVWASI_ENOENT',
      });
      await assert.rejects(run(CAT, { ...streams(), stderr: 999 }), { code: 'UVWASI_EBADF' });
      await assert.rejects(run(CAT, { ...streams(), signal: AbortSignal.abort() }));
      if (engine === 'v8') {
        // The next workers die as soon as they are there.
        const kill = (worker) => void worker.terminate();
        process.on('worker', kill);
        const limits = { stack: 3 * 1024 * 1024 }; // that no thread has yet
        await assert.rejects(run(CAT, { ...streams(), limits }), /the worker has ended/);
        process.off('worker', kill);
      }
      // More than run at once: some are killed in the queue.
      const children = Array.from({ length: 30 }, () => spawn(program(SPIN)));
      for (const child of children) child.kill();
      for (const { result } of children) await assert.rejects(result, { code: 'ERR_WASI_KILLED' });
      await untilClosed(open);
    });

    test('runs in a worker that is terminated leave no descriptor, and no warning', async () => {
      const script = `
        const { run, spawn } = await import(${JSON.stringify(index)});
        const { PassThrough, Writable } = await import('node:stream');
        process.on('warning', ({ message }) => parentPort.postMessage(message));
        const options = { engine: '${engine}', cache: false };
        await run(workerData.cat, { ...options, stdin: new PassThrough().end('x'), stdout() {} });
        let begun = 0;
        const stdout = { write: () => { if (++begun === 6) parentPort.postMessage('begun'); } };
        for (let i = 0; i < 6; i++) run(workerData.silent, { ...options, stdin: new PassThrough(), stdout });
        spawn(workerData.silent, options).stderr.destroy();`;
      const open = await settled(engine);
      for (let round = 0; round < 2; round++) {
        const worker = startWorker(script, { cat: CAT, silent: SILENT });
        const [message] = await once(worker, 'message');
        assert.equal(message, 'begun');
        await worker.terminate();
        await untilClosed(open);
      }
    });
  });
});
