// A memory that threads share.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { ERRNO, Guest } from '../support/guest.mjs';
import { runInWorker, startWorker, temporaryFolder } from '../support/host.mjs';

describe('shared memory', () => {
  const shared = { memory: '(import "env" "memory" (memory 1 100 shared))' };
  const newMemory = () => new WebAssembly.Memory({ initial: 1, maximum: 100, shared: true });

  test('works as any other', (t) => {
    const folder = temporaryFolder(t);
    fs.writeFileSync(path.join(folder, 'file'), 'shared 🐎');
    const options = { args: ['a', 'b'], preopens: { '/': folder } };
    const guest = new Guest(options, { ...shared, imports: { env: { memory: newMemory() } } });
    assert.ok(guest.memory.buffer instanceof SharedArrayBuffer);
    assert.deepEqual(guest.args, ['a', 'b']);
    assert.equal(guest.read(guest.open(3, 'file')), 'shared 🐎');
    const out = guest.open(3, 'out', { oflags: 1 });
    assert.equal(guest.write(out, 'written'), 0);
    assert.equal(fs.readFileSync(path.join(folder, 'out'), 'utf8'), 'written');
  });

  test('grown by this thread', () => {
    const guest = new Guest({}, { ...shared, imports: { env: { memory: newMemory() } } });
    assert.equal(guest.call('random_get', 0x10000, 1), ERRNO.FAULT);
    assert.equal(guest.exports.grow(1), 1);
    assert.equal(guest.call('random_get', 0x10000, 1), 0);
    guest.memory.grow(1);
    assert.equal(guest.call('random_get', 0x2fff0, 16), 0);
    assert.equal(guest.call('random_get', 0x2fff1, 16), ERRNO.FAULT);
  });

  test('grown by a worker while this thread calls', async (t) => {
    const memory = newMemory();
    const guest = new Guest({}, { ...shared, imports: { env: { memory } } });
    const turns = new Int32Array(new SharedArrayBuffer(8));
    const worker = startWorker(
      `const { memory, turns } = workerData;
       parentPort.postMessage('ready');
       for (let page = 1; page < 100; page++) {
         Atomics.wait(turns, 0, page - 1);
         memory.grow(1);
         Atomics.store(turns, 1, page);
         Atomics.notify(turns, 1);
       }`,
      { memory, turns },
    );
    t.after(() => worker.terminate());
    const exit = new Promise((resolve) => worker.on('exit', resolve));
    await new Promise((resolve, reject) => worker.on('message', resolve).on('error', reject));
    for (let page = 1; page < 100; page++) {
      const start = 0x10000 * page;
      assert.equal(guest.call('random_get', start - 8, 9), ERRNO.FAULT);
      Atomics.store(turns, 0, page);
      Atomics.notify(turns, 0);
      // Calls while the other thread grows it; the answer is one or the other.
      while (Atomics.load(turns, 1) < page) {
        const errno = guest.call('random_get', start - 8, 9);
        assert.ok(errno === 0 || errno === ERRNO.FAULT);
      }
      // This thread has not looked at the memory's buffer since it grew.
      assert.equal(guest.call('random_get', start, 0x10000), 0);
      assert.equal(guest.call('random_get', start + 1, 0x10000), ERRNO.FAULT);
    }
    assert.equal(await exit, 0);
  });

  test('one memory, a WASI object in each of several threads', async () => {
    const memory = newMemory();
    const run = (index) =>
      runInWorker(
        `const options = { args: ['thread', '' + workerData.index] };
         const guest = new Guest(options, {
           memory: '(import "env" "memory" (memory 1 100 shared))',
           imports: { env: { memory: workerData.memory } },
         });
         const at = 1024 * workerData.index;
         for (let round = 0; round < 1000; round++) {
           if (guest.call('args_get', at, at + 16) !== 0) throw new Error('args_get');
           const text = guest.text(at + 16, 9);
           if (text !== 'thread\\0' + workerData.index + '\\0') throw new Error(text);
         }`,
        { workerData: { memory, index } },
      );
    const ends = await Promise.all([1, 2, 3, 4].map(run));
    assert.deepEqual(
      ends.map(({ code }) => code),
      [0, 0, 0, 0],
    );
  });
});
